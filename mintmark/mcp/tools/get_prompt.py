"""`get_prompt`: a text, or a list of those at work, for clients that know no MCP prompts."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.common import errors
from mintmark.market import listings
from mintmark.registry import prompts as registered

from .. import active_prompts, prompts
from ..arguments import PromptName, ToolArguments
from ..credentials import KeyHolder
from ..error_mapping import InvalidArguments
from .tool import Tool, ToolPromptRef, serialize_prompt_ref


class GetPromptArguments(ToolArguments):
    """Which prompt; without one, those at work are listed. `arguments` fills in variables of one at work."""

    prompt: PromptName | None = None
    arguments: Annotated[
        dict[str, Annotated[str, Field(max_length=prompts.MAX_ARGUMENT_LENGTH)]],
        Field(max_length=200),
    ] = {}


class ActivePromptSummary(TypedDict):
    """A prompt at work: call get_prompt with its `name`, and with what `variables` need."""

    name: str
    slot: str
    prompt: ToolPromptRef
    preview: str
    variables: list[str]


class PromptTextOutput(TypedDict):
    """An exact text. Where it is at work (`slot`), variables are filled in; `open_variables` are still to be."""

    prompt: ToolPromptRef
    digest: str
    slot: str | None
    text: str
    open_variables: list[str]


class GetPromptOutput(TypedDict):
    """One of the two: what is at work, or the text asked for."""

    at_work: list[ActivePromptSummary] | None
    found: PromptTextOutput | None


def _get_prompt(holder: KeyHolder, args: GetPromptArguments, now: datetime) -> GetPromptOutput:
    active = active_prompts.get_active_prompts(holder)
    if args.prompt is None:
        return {
            "at_work": [
                {
                    "name": name,
                    "slot": listed_prompt.injection.slot,
                    "prompt": serialize_prompt_ref(listed_prompt.prompt),
                    "preview": listed_prompt.prompt.preview,
                    "variables": list(listed_prompt.open_variables),
                }
                for name, listed_prompt in active.items()
            ],
            "found": None,
        }
    active_prompt = active.get(args.prompt)
    if active_prompt is None:
        return {"at_work": None, "found": _get_registered_text(holder, args)}
    prompts.require_valid_values(active_prompt, name=args.prompt, values=args.arguments)
    return {
        "at_work": None,
        "found": {
            "prompt": serialize_prompt_ref(active_prompt.prompt),
            "digest": f"sha256:{active_prompt.prompt.digest}",
            "slot": active_prompt.injection.slot,
            "text": prompts.fill_variables(active_prompt, values=args.arguments),
            "open_variables": [
                variable
                for variable in prompts.list_required_variables(active_prompt)
                if variable not in args.arguments
            ],
        },
    }


def _get_registered_text(holder: KeyHolder, args: GetPromptArguments) -> PromptTextOutput:
    """The text as it was registered, if the assistant's team may use it."""
    assert args.prompt is not None
    row = registered.resolve(reference=args.prompt)
    if not registered.may_read_text(caller=holder.caller, prompt=row):
        listing = listings.find_active_listing(prompt=row)
        purchase_hint = (
            f": buy listing {listing.pk}" if listing is not None else ", and it is not offered"
        )
        raise errors.Forbidden(
            f"Team {holder.assistant.team} may not use {row.reference}{purchase_hint}."
        )
    if args.arguments:
        raise InvalidArguments(
            f"arguments.arguments: {row.reference} is not at work in you; without arguments you get its text as it is."
        )
    return {
        "prompt": serialize_prompt_ref(row),
        "digest": f"sha256:{row.digest}",
        "slot": None,
        "text": row.text,
        "open_variables": row.variables,
    }


TOOL = Tool(
    name="get_prompt",
    title="Get a prompt",
    description="Read a prompt's text: one that is at work in you (your arguments filled in), or any that your team "
    "may use. Without `prompt` it lists what is at work in you; ask again each time, for it may be withdrawn.",
    scope="read",
    arguments_type=GetPromptArguments,
    output_type=GetPromptOutput,
    run=_get_prompt,
    is_read_only=True,
)
