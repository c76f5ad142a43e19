"""`inject_prompt`: put a prompt to work in oneself."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.deployments import injections
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from .. import active_prompts, arguments
from ..arguments import PromptName, ToolArguments
from ..credentials import KeyHolder
from .tool import Tool, ToolPromptRef, serialize_prompt_ref


class InjectPromptArguments(ToolArguments):
    """A prompt, the slot in which it is to stand (in the place of what stands there), variables to fill in for good."""

    prompt: PromptName
    slot: Annotated[str, Field(max_length=64)] = injections.DEFAULT_SLOT
    variables: Annotated[dict[str, str], Field(max_length=200)] = {}


class InjectPromptOutput(TypedDict):
    """The injection, and the `name` under which the prompt is at work now."""

    injection: int
    name: str
    slot: str
    prompt: ToolPromptRef
    open_variables: list[str]


def _inject_prompt(
    holder: KeyHolder, args: InjectPromptArguments, now: datetime
) -> InjectPromptOutput:
    row = SymbolicPromptTokenMarketplace().inject(
        caller=holder.caller,
        prompt=arguments.resolve_prompt(holder, args.prompt),
        assistant=holder.assistant,
        slot=args.slot,
        variables=args.variables,
        now=now,
    )
    names_by_injection = {
        active_prompt.injection.pk: name
        for name, active_prompt in active_prompts.get_active_prompts(holder).items()
    }
    return {
        "injection": row.pk,
        "name": names_by_injection.get(row.pk, row.prompt.qualified_name),
        "slot": row.slot,
        "prompt": serialize_prompt_ref(row.prompt),
        "open_variables": [v for v in row.prompt.variables if v not in row.variables],
    }


TOOL = Tool(
    name="inject_prompt",
    title="Put a prompt to work",
    description="Put a prompt that your team may use to work in one of your slots, in the place of what stands there. "
    "A closed gate refuses it: a rule that its text breaks, or less trust than your team asks for (see explain_trust).",
    scope="market",
    arguments_type=InjectPromptArguments,
    output_type=InjectPromptOutput,
    run=_inject_prompt,
    is_destructive=True,
)
