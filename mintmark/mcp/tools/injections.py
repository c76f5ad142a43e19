"""`inject_prompt`: put a prompt to work in oneself."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.market import injections
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from .. import arguments, contexts
from ..arguments import Arguments, PromptName
from ..credentials import Holder
from .tool import PromptNamed, Tool, prompt


class NewInjection(Arguments):
    """A prompt, the slot in which it is to stand (in the place of what stands there), variables to fill in for good."""

    prompt: PromptName
    slot: Annotated[str, Field(max_length=64)] = injections.DEFAULT_SLOT
    variables: Annotated[dict[str, str], Field(max_length=200)] = {}


class Injected(TypedDict):
    """The injection, and the `name` under which the prompt is at work now."""

    injection: int
    name: str
    slot: str
    prompt: PromptNamed
    open_variables: list[str]


def _injected(holder: Holder, wanted: NewInjection, now: datetime) -> Injected:
    row = SymbolicPromptTokenMarketplace().inject(
        caller=holder.caller,
        prompt=arguments.prompt(holder, wanted.prompt),
        assistant=holder.assistant,
        slot=wanted.slot,
        variables=wanted.variables,
        now=now,
    )
    found = {one.injection.pk: name for name, one in contexts.of(holder).items()}
    return {
        "injection": row.pk,
        "name": found.get(row.pk, row.prompt.line),
        "slot": row.slot,
        "prompt": prompt(row.prompt),
        "open_variables": [v for v in row.prompt.variables if v not in row.variables],
    }


TOOL = Tool(
    name="inject_prompt",
    title="Put a prompt to work",
    says="Put a prompt that your team may use to work in one of your slots, in the place of what stands there. A "
    "closed gate refuses it: a rule that its text breaks, or less trust than your team asks for (see explain_trust).",
    scope="market",
    takes=NewInjection,
    answers=Injected,
    run=_injected,
    replaces=True,
)
