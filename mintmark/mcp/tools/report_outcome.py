"""`report_outcome`: how well a prompt did, which is what trust is made of."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import AwareDatetime, Field

from mintmark.common import evidence_kinds
from mintmark.evidence.log import CaseVerdict
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.projection import projector
from mintmark.trust import intake

from .. import arguments
from ..arguments import Id, IdempotencyKey, PromptName, ToolArguments
from ..credentials import KeyHolder
from .tool import Tool, ToolPolling, ToolPromptRef, serialize_prompt_ref

SOURCE = "mcp"
MAX_WAIT_SECONDS = 60


class ReportedCase(ToolArguments):
    """The mean `score` of one case over `runs` runs; `output_digest` is the SHA-256 of its output."""

    case_id: Annotated[str, Field(min_length=1, max_length=200)]
    score: Annotated[float, Field(ge=0, le=1)]
    runs: Annotated[int, Field(ge=1, le=intake.MAX_RUNS)] = 1
    output_digest: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class ReportOutcomeArguments(ToolArguments):
    """A score, the mean of `runs` runs, and the ritual (the protocol) that measured it. `cases` say what each case
    gave: their mean is the score, their runs add up to `runs`."""

    prompt: PromptName
    ritual: Id | Annotated[str, Field(min_length=1, max_length=300)]
    score: Annotated[float, Field(ge=0, le=1)]
    runs: Annotated[int, Field(ge=1, le=intake.MAX_RUNS)] = 1
    cases: Annotated[list[ReportedCase], Field(max_length=intake.MAX_CASES)] = []
    tags: Annotated[list[str], Field(max_length=20)] = []
    note: Annotated[str, Field(max_length=400)] = ""
    occurred_at: AwareDatetime | None = None
    key: IdempotencyKey
    wait_seconds: Annotated[
        int,
        Field(ge=0, le=MAX_WAIT_SECONDS, description="how long to wait until scores include it"),
    ] = 0


class ReportOutcomeOutput(TypedDict):
    """The outcome as an event of the log. `is_new`: its key was not sent before; `projected`: scores include it."""

    event: int
    prompt: ToolPromptRef
    is_new: bool
    projected: bool


def _report_outcome(
    holder: KeyHolder, args: ReportOutcomeArguments, now: datetime
) -> ReportOutcomeOutput:
    row = arguments.resolve_prompt(holder, args.prompt)
    receipt = SymbolicPromptTokenMarketplace().record_evidence(
        caller=holder.caller,
        claims=[
            intake.EvidenceClaim(
                kind=evidence_kinds.EvidenceKind.OUTCOME.name.lower(),
                prompt=row.pk,
                assistant=holder.assistant.pk,
                ritual=args.ritual,
                score=args.score,
                runs=args.runs,
                cases=tuple(
                    CaseVerdict(case.case_id, case.score, case.runs, case.output_digest)
                    for case in args.cases
                ),
                tags=tuple(args.tags),
                note=args.note,
                occurred_at=args.occurred_at,
                key=args.key,
            )
        ],
        source=SOURCE,
        now=now,
    )
    return {
        "event": receipt.event,
        "prompt": serialize_prompt_ref(row),
        "is_new": receipt.recorded > 0,
        "projected": receipt.folded or projector.includes_event(receipt.event),
    }


def _refresh(
    holder: KeyHolder, args: ReportOutcomeArguments, output: ReportOutcomeOutput, now: datetime
) -> ReportOutcomeOutput:
    projector.project_pending(now=now)
    return {**output, "projected": projector.includes_event(output["event"])}


TOOL = Tool(
    name="report_outcome",
    title="Report an outcome",
    description="Record how well a prompt did in your hands, as the ritual measured it: score 0 to 1, the mean of "
    "`runs` runs. With the verdict on each of the task's cases it can be run again here, and counts for other teams as "
    "far as such claims of your team held; without, it counts in full for your own team alone.",
    scope="evidence",
    arguments_type=ReportOutcomeArguments,
    output_type=ReportOutcomeOutput,
    run=_report_outcome,
    polling=ToolPolling(
        refresh=_refresh,
        is_over=lambda output: output["projected"],
        message="it is recorded; scores do not include it yet",
    ),
)
