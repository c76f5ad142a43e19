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

from mintmark.common import errors, page_tokens
from mintmark.deployments import gates
from mintmark.deployments.injections import ActivePrompt
from mintmark.scoring.estimate import Estimate
from mintmark.textchecks import chat_format, placeholders
from mintmark.trust.tracker import AssistantTrustTracker

from . import active_prompts, arguments
from .credentials import KeyHolder
from .error_mapping import InvalidArguments, InvalidListCursor

PAGE_SIZE = 50
MAX_ARGUMENT_LENGTH = 20_000
META_KEY = "org.mintmark/prompt"


def list_prompts(holder: KeyHolder, *, cursor: str | None, now: datetime) -> ListPromptsResult:
    """A page of the prompts at work, by slot. Nothing of it may be kept: what is revoked is gone at once."""
    holder.caller.require_scope("read")
    after = _parse_cursor(cursor)
    remaining = [
        (name, active_prompt)
        for name, active_prompt in active_prompts.get_active_prompts(holder).items()
        if active_prompt.injection.slot > after
    ]
    page = remaining[:PAGE_SIZE]
    trust = AssistantTrustTracker().get_estimates(
        assistant=holder.assistant,
        prompts=[active_prompt.prompt for _, active_prompt in page],
        now=now,
    )
    has_more = len(remaining) > PAGE_SIZE
    return ListPromptsResult(
        prompts=[
            _build_listed_prompt(name, active_prompt, trust=trust[active_prompt.prompt.pk])
            for name, active_prompt in page
        ],
        next_cursor=page_tokens.encode((page[-1][1].injection.slot,)) if has_more else None,
        ttl_ms=0,
        cache_scope="private",
    )


def get_prompt(
    holder: KeyHolder, *, name: str, values: Mapping[str, str] | None
) -> GetPromptResult:
    """The text of a prompt at work with its variables filled in; all that have no default are needed.

    Trust is told by the list and by explain_trust: reckoning it takes longer than all the rest of this.
    """
    holder.caller.require_scope("read")
    active_prompt = active_prompts.get_active_prompts(holder).get(name)
    if active_prompt is None:
        raise errors.NotFound(
            f"No prompt {name[:200]!r} is at work in {holder.assistant}: prompts/list names those that are."
        )
    supplied = dict(values or {})
    require_valid_values(active_prompt, name=name, values=supplied)
    missing = [
        variable for variable in list_required_variables(active_prompt) if variable not in supplied
    ]
    if missing:
        raise InvalidArguments(
            f"params.arguments: {name} needs {', '.join(missing)} as well; it takes "
            f"{_format_open_variables(active_prompt)}."
        )
    return GetPromptResult(
        description=_describe_prompt(active_prompt),
        messages=build_messages(active_prompt, values=supplied),
        _meta={META_KEY: build_meta(active_prompt)},
    )


def require_valid_values(
    active_prompt: ActivePrompt, *, name: str, values: Mapping[str, str]
) -> None:
    """Refuse values for variables that the injection left to nobody, and values that are too long or can't be told."""
    unknown = [variable for variable in values if variable not in active_prompt.open_variables]
    if unknown:
        raise InvalidArguments(
            f"params.arguments.{ascii(unknown[0])[1:-1][:100]}: {name} has no such argument; it takes "
            f"{_format_open_variables(active_prompt)}."
        )
    for variable, value in values.items():
        location = f"params.arguments.{variable}"
        if len(value) > MAX_ARGUMENT_LENGTH:
            raise InvalidArguments(
                f"{location}: the value has {len(value):,} characters; at most {MAX_ARGUMENT_LENGTH:,} are taken."
            )
        arguments.require_text(value, location=location)
    if reason := gates.explain_too_long(
        prompt=active_prompt.prompt, variables=_merge_values(active_prompt, values)
    ):
        raise InvalidArguments(f"params.arguments: {reason} Give shorter values.")


def list_required_variables(active_prompt: ActivePrompt) -> list[str]:
    """The variables that whoever asks has to fill in."""
    optional = placeholders.get_defaults(active_prompt.prompt.text)
    return [variable for variable in active_prompt.open_variables if variable not in optional]


def fill_variables(active_prompt: ActivePrompt, *, values: Mapping[str, str]) -> str:
    """The text with what the injection and the caller fill in, and the text's own defaults for the rest."""
    return placeholders.substitute(
        text=active_prompt.prompt.text, values=_merge_values(active_prompt, values)
    )


def build_messages(
    active_prompt: ActivePrompt, *, values: Mapping[str, str]
) -> list[PromptMessage]:
    """The prompt's messages, filled in; one where it is no chat. MCP knows user and assistant alone: what has another
    role is the user's there, and says which it was in its `_meta`."""
    if chat_format.TAG not in active_prompt.prompt.tags:
        text = fill_variables(active_prompt, values=values)
        return [PromptMessage(role="user", content=TextContent(type="text", text=text))]
    merged_values = _merge_values(active_prompt, values)
    return [
        PromptMessage(
            role="assistant" if message.role == "assistant" else "user",
            content=TextContent(
                type="text",
                text=placeholders.substitute(text=message.content, values=merged_values),
                _meta={META_KEY: {"role": message.role}},
            ),
        )
        for message in chat_format.parse_chat(active_prompt.prompt.text)
    ]


def _merge_values(active_prompt: ActivePrompt, supplied: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = dict(active_prompt.injection.variables)
    return placeholders.get_defaults(active_prompt.prompt.text) | values | dict(supplied)


def build_meta(active_prompt: ActivePrompt) -> dict[str, Any]:
    """Which exact text it is, and where it is at work."""
    return {
        "id": active_prompt.prompt.pk,
        "reference": active_prompt.prompt.reference,
        "revision": active_prompt.prompt.revision,
        "digest": f"sha256:{active_prompt.prompt.digest}",
        "slot": active_prompt.injection.slot,
        "injection": active_prompt.injection.pk,
    }


def _build_listed_prompt(name: str, active_prompt: ActivePrompt, *, trust: Estimate) -> Prompt:
    required = list_required_variables(active_prompt)
    trust_estimate = {
        "value": trust.value,
        "low": trust.low,
        "high": trust.high,
        "runs": trust.runs,
    }
    return Prompt(
        name=name,
        title=active_prompt.prompt.title or active_prompt.prompt.reference,
        description=_describe_prompt(active_prompt),
        arguments=[
            PromptArgument(
                name=variable,
                description=f"what stands in the text for {variable!r}",
                required=variable in required,
            )
            for variable in active_prompt.open_variables
        ],
        _meta={META_KEY: build_meta(active_prompt) | {"trust": trust_estimate}},
    )


def _describe_prompt(active_prompt: ActivePrompt) -> str:
    return (
        active_prompt.prompt.preview
        or f"{active_prompt.prompt.reference}, at work in the slot {active_prompt.injection.slot}"
    )


def _format_open_variables(active_prompt: ActivePrompt) -> str:
    return ", ".join(active_prompt.open_variables) or "none"


def _parse_cursor(cursor: str | None) -> str:
    """The slot after which the page begins; before all of them without a cursor."""
    if cursor is None:
        return ""
    try:
        (slot,) = page_tokens.decode(cursor, example_key=("",))
    except ValueError:
        raise InvalidListCursor(
            f"The cursor {cursor[:60]!r} is not one that this list gave; begin again without it."
        ) from None
    return str(slot)
