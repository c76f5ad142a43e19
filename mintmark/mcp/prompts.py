"""`prompts/list` and `prompts/get`: what is at work in the assistant that asks, and nothing else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mcp_types import (
    GetPromptResult,
    ListPromptsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from mintmark.core import cursors, errors, placeholders
from mintmark.market import gates
from mintmark.market.injections import Served
from mintmark.reputation.answers import Estimate
from mintmark.trust.tracker import AssistantTrustTracker

from . import arguments, contexts
from .credentials import Holder
from .refusals import InvalidCursor, InvalidRequest

PAGE = 50
LONGEST_ARGUMENT = 20_000
META = "org.mintmark/prompt"


def listed(holder: Holder, *, cursor: str | None, now: datetime) -> ListPromptsResult:
    """A page of the prompts at work, by slot. Nothing of it may be kept: what is revoked is gone at once."""
    holder.caller.require_scope("read")
    after = _slot(cursor)
    named = [(name, one) for name, one in contexts.of(holder).items() if one.injection.slot > after]
    page = named[:PAGE]
    trust = AssistantTrustTracker().estimates(
        assistant=holder.assistant, prompts=[one.prompt for _, one in page], now=now
    )
    more = len(named) > PAGE
    return ListPromptsResult(
        prompts=[_shape(name, one, trust=trust[one.prompt.pk]) for name, one in page],
        next_cursor=cursors.write((page[-1][1].injection.slot,)) if more else None,
        ttl_ms=0,
        cache_scope="private",
    )


def got(holder: Holder, *, name: str, values: Mapping[str, str] | None) -> GetPromptResult:
    """The text of a prompt at work with its variables filled in; all that have no default are needed.

    Trust is told by the list and by explain_trust: reckoning it takes longer than all the rest of this.
    """
    holder.caller.require_scope("read")
    one = contexts.of(holder).get(name)
    if one is None:
        raise errors.NotFound(
            f"No prompt {name[:200]!r} is at work in {holder.assistant}: prompts/list names those that are."
        )
    given = dict(values or {})
    check(one, name=name, given=given)
    lacking = [variable for variable in required(one) if variable not in given]
    if lacking:
        raise InvalidRequest(
            f"params.arguments: {name} needs {', '.join(lacking)} as well; it takes {_taken(one)}."
        )
    return GetPromptResult(
        description=_description(one),
        messages=[
            PromptMessage(
                role="user", content=TextContent(type="text", text=filled(one, given=given))
            )
        ],
        _meta={META: meta(one)},
    )


def check(one: Served, *, name: str, given: Mapping[str, str]) -> None:
    """Refuse values for variables that the injection left to nobody, and values that are too long or can't be told."""
    unknown = [variable for variable in given if variable not in one.open_variables]
    if unknown:
        raise InvalidRequest(
            f"params.arguments.{ascii(unknown[0])[1:-1][:100]}: {name} has no such argument; it takes {_taken(one)}."
        )
    for variable, value in given.items():
        place = f"params.arguments.{variable}"
        if len(value) > LONGEST_ARGUMENT:
            raise InvalidRequest(
                f"{place}: the value has {len(value):,} characters; at most {LONGEST_ARGUMENT:,} are taken."
            )
        arguments.require_text(value, place=place)
    if why := gates.too_long(prompt=one.prompt, variables=_values(one, given)):
        raise InvalidRequest(f"params.arguments: {why} Give shorter values.")


def required(one: Served) -> list[str]:
    """The variables that whoever asks has to fill in."""
    optional = placeholders.defaults(one.prompt.text)
    return [variable for variable in one.open_variables if variable not in optional]


def filled(one: Served, *, given: Mapping[str, str]) -> str:
    """The text with what the injection and the caller fill in, and the text's own defaults for the rest."""
    return placeholders.filled(text=one.prompt.text, values=_values(one, given))


def _values(one: Served, given: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = dict(one.injection.variables)
    return placeholders.defaults(one.prompt.text) | values | dict(given)


def meta(one: Served) -> dict[str, Any]:
    """Which exact text it is, and where it is at work."""
    return {
        "id": one.prompt.pk,
        "reference": one.prompt.reference,
        "revision": one.prompt.revision,
        "digest": f"sha256:{one.prompt.digest}",
        "slot": one.injection.slot,
        "injection": one.injection.pk,
    }


def _shape(name: str, one: Served, *, trust: Estimate) -> Prompt:
    needed = required(one)
    told = {"value": trust.value, "low": trust.low, "high": trust.high, "runs": trust.runs}
    return Prompt(
        name=name,
        title=one.prompt.title or one.prompt.reference,
        description=_description(one),
        arguments=[
            PromptArgument(
                name=variable,
                description=f"what stands in the text for {variable!r}",
                required=variable in needed,
            )
            for variable in one.open_variables
        ],
        _meta={META: meta(one) | {"trust": told}},
    )


def _description(one: Served) -> str:
    return one.prompt.preview or f"{one.prompt.reference}, at work in the slot {one.injection.slot}"


def _taken(one: Served) -> str:
    return ", ".join(one.open_variables) or "none"


def _slot(cursor: str | None) -> str:
    """The slot after which the page begins; before all of them without a cursor."""
    if cursor is None:
        return ""
    try:
        (slot,) = cursors.read(cursor, like=("",))
    except ValueError:
        raise InvalidCursor(
            f"The cursor {cursor[:60]!r} is not one that this list gave; begin again without it."
        ) from None
    return str(slot)
