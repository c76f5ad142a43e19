"""`get_prompt`: a text, or a list of those at work, for clients that know no MCP prompts."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.core import errors
from mintmark.market import listings
from mintmark.registry import prompts as registered

from .. import contexts, prompts
from ..arguments import Arguments, PromptName
from ..credentials import Holder
from ..refusals import InvalidRequest
from .tool import PromptNamed, Tool, prompt


class Wanted(Arguments):
    """Which prompt; without one, those at work are listed. `arguments` fills in variables of one at work."""

    prompt: PromptName | None = None
    arguments: Annotated[
        dict[str, Annotated[str, Field(max_length=prompts.LONGEST_ARGUMENT)]],
        Field(max_length=200),
    ] = {}


class AtWork(TypedDict):
    """A prompt at work: call get_prompt with its `name`, and with what `variables` need."""

    name: str
    slot: str
    prompt: PromptNamed
    preview: str
    variables: list[str]


class Text(TypedDict):
    """An exact text. Where it is at work (`slot`), variables are filled in; `open_variables` are still to be."""

    prompt: PromptNamed
    digest: str
    slot: str | None
    text: str
    open_variables: list[str]


class Told(TypedDict):
    """One of the two: what is at work, or the text asked for."""

    at_work: list[AtWork] | None
    found: Text | None


def _told(holder: Holder, wanted: Wanted, now: datetime) -> Told:
    standing = contexts.of(holder)
    if wanted.prompt is None:
        return {
            "at_work": [
                {
                    "name": name,
                    "slot": one.injection.slot,
                    "prompt": prompt(one.prompt),
                    "preview": one.prompt.preview,
                    "variables": list(one.open_variables),
                }
                for name, one in standing.items()
            ],
            "found": None,
        }
    at_work = standing.get(wanted.prompt)
    if at_work is None:
        return {"at_work": None, "found": _registered(holder, wanted)}
    prompts.check(at_work, name=wanted.prompt, given=wanted.arguments)
    return {
        "at_work": None,
        "found": {
            "prompt": prompt(at_work.prompt),
            "digest": f"sha256:{at_work.prompt.digest}",
            "slot": at_work.injection.slot,
            "text": prompts.filled(at_work, given=wanted.arguments),
            "open_variables": [
                variable
                for variable in prompts.required(at_work)
                if variable not in wanted.arguments
            ],
        },
    }


def _registered(holder: Holder, wanted: Wanted) -> Text:
    """The text as it was registered, if the assistant's team may use it."""
    assert wanted.prompt is not None
    row = registered.named(reference=wanted.prompt)
    if not registered.may_read_text(caller=holder.caller, prompt=row):
        offered = listings.standing(prompt=row)
        where = f": buy listing {offered.pk}" if offered is not None else ", and it is not offered"
        raise errors.Forbidden(f"Team {holder.assistant.team} may not use {row.reference}{where}.")
    if wanted.arguments:
        raise InvalidRequest(
            f"arguments.arguments: {row.reference} is not at work in you; without arguments you get its text as it is."
        )
    return {
        "prompt": prompt(row),
        "digest": f"sha256:{row.digest}",
        "slot": None,
        "text": row.text,
        "open_variables": row.variables,
    }


TOOL = Tool(
    name="get_prompt",
    title="Get a prompt",
    says="Read a prompt's text: one that is at work in you (your arguments filled in), or any that your team may use. "
    "Without `prompt` it lists what is at work in you; ask again each time, for it may be withdrawn.",
    scope="read",
    takes=Wanted,
    answers=Told,
    run=_told,
    reads=True,
)
