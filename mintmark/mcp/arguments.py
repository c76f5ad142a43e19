"""Arguments in: strict shapes, and texts that every database and every answer can hold."""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mintmark.common import amounts
from mintmark.registry import prompts
from mintmark.registry.models import Prompt

from . import active_prompts
from .credentials import KeyHolder
from .error_mapping import InvalidArguments, convert_validation_error

MAX_ID = 2**63 - 1
MAX_CHARACTERS = 200_000


def _require_price(text: str) -> str:
    try:
        amounts.to_micro(text)
    except amounts.InvalidAmount as error:
        raise ValueError(error.message) from error
    return text


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Price = Annotated[
    str,
    Field(max_length=60, description='tokens as a string, such as "12.5"'),
    AfterValidator(_require_price),
]
PromptName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="a prompt: the name it is at work under, else namespace/name (the latest), "
        "namespace/name@3, namespace/name@label, sha256:… or its id",
    ),
]
IdempotencyKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="a text of your own, another for each act: the same one again does nothing twice",
    ),
]


class ToolArguments(BaseModel):
    """What a tool takes: unknown members, NaN, infinities and values of another JSON type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def parse_arguments[A: ToolArguments](
    arguments_type: type[A], arguments: Mapping[str, Any] | None
) -> A:
    """The arguments of a tool in their shape; `InvalidRequest` names each wrong place."""
    for location, text in _iterate_texts(arguments or {}):
        require_text(text, location=location)
    raw = json.dumps(_convert_whole_numbers(arguments or {}))
    if len(raw) > MAX_CHARACTERS:
        raise InvalidArguments(
            f"arguments: they have {len(raw):,} characters as JSON; at most {MAX_CHARACTERS:,} are taken."
        )
    try:
        return arguments_type.model_validate_json(raw)
    except ValidationError as invalid:
        raise convert_validation_error(invalid, location="arguments") from None


def require_text(text: str, *, location: str) -> None:
    """Refuse a text with U+0000 or half a surrogate pair, which can be neither stored nor answered."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidArguments(
            f"{ascii(location)[1:-1][:200]}: this text holds U+0000 or half a surrogate pair; remove it."
        )


def resolve_prompt(holder: KeyHolder, name: str) -> Prompt:
    """The prompt that a name stands for: what is at work under it, else what the registry knows by it."""
    active_prompt = active_prompts.get_active_prompts(holder).get(name)
    return active_prompt.prompt if active_prompt is not None else prompts.resolve(reference=name)


def _convert_whole_numbers(value: Any) -> Any:
    """The same with whole numbers as such: JSON Schema takes 2.0 for an integer, and many clients send it so."""
    if isinstance(value, Mapping):
        return {name: _convert_whole_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_convert_whole_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _iterate_texts(arguments: Any) -> Iterable[tuple[str, str]]:
    pending: list[tuple[str, Any]] = [("arguments", arguments)]
    while pending:
        location, node = pending.pop()
        if isinstance(node, Mapping):
            pending += [(f"{location}.{name}", name) for name in node]
            pending += [(f"{location}.{name}", inner) for name, inner in node.items()]
        elif isinstance(node, list):
            pending += [(f"{location}.{n}", inner) for n, inner in enumerate(node)]
        elif isinstance(node, str):
            yield location, node
