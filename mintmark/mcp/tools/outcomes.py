"""`report_outcome`: how well a prompt did, which is what trust is made of."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import AwareDatetime, Field

from mintmark.core import kinds
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.trust import intake, projector

from .. import arguments
from ..arguments import Arguments, Id, Key, PromptName
from ..credentials import Holder
from .tool import Pause, PromptNamed, Tool, prompt

SOURCE = "mcp"
LONGEST_WAIT_SECONDS = 60


class NewOutcome(Arguments):
    """A score, the mean of `runs` runs, and the ritual (the protocol) that measured it."""

    prompt: PromptName
    ritual: Id | Annotated[str, Field(min_length=1, max_length=300)]
    score: Annotated[float, Field(ge=0, le=1)]
    runs: Annotated[int, Field(ge=1, le=intake.MAX_RUNS)] = 1
    tags: Annotated[list[str], Field(max_length=20)] = []
    note: Annotated[str, Field(max_length=400)] = ""
    occurred_at: AwareDatetime | None = None
    key: Key
    wait_seconds: Annotated[
        int,
        Field(
            ge=0, le=LONGEST_WAIT_SECONDS, description="how long to wait until scores include it"
        ),
    ] = 0


class Recorded(TypedDict):
    """The outcome as an event of the log. `is_new`: its key was not sent before; `folded`: scores include it."""

    event: int
    prompt: PromptNamed
    is_new: bool
    folded: bool


def _recorded(holder: Holder, given: NewOutcome, now: datetime) -> Recorded:
    row = arguments.prompt(holder, given.prompt)
    receipt = intake.record(
        caller=holder.caller,
        claims=[
            intake.Claim(
                kind=kinds.Kind.OUTCOME.name.lower(),
                prompt=row.pk,
                assistant=holder.assistant.pk,
                ritual=given.ritual,
                score=given.score,
                runs=given.runs,
                tags=tuple(given.tags),
                note=given.note,
                occurred_at=given.occurred_at,
                key=given.key,
            )
        ],
        source=SOURCE,
        now=now,
    )
    if receipt.batch is not None:
        SymbolicPromptTokenMarketplace().settle_measured(batch=receipt.batch, now=now)
    return {
        "event": receipt.event,
        "prompt": prompt(row),
        "is_new": receipt.recorded > 0,
        "folded": receipt.folded or projector.reached(receipt.event),
    }


def _again(holder: Holder, given: NewOutcome, told: Recorded, now: datetime) -> Recorded:
    projector.advance(now=now)
    return {**told, "folded": projector.reached(told["event"])}


TOOL = Tool(
    name="report_outcome",
    title="Report an outcome",
    says="Record how well a prompt did in your hands, as the ritual measured it: score 0 to 1, the mean of `runs` "
    "runs. It is what reputation and trust are made of, and it decides warranties.",
    scope="evidence",
    takes=NewOutcome,
    answers=Recorded,
    run=_recorded,
    pause=Pause(
        again=_again,
        is_over=lambda told: told["folded"],
        says="it is recorded; scores do not include it yet",
    ),
)
