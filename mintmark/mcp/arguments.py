"""Arguments in: strict shapes, and texts that every database and every answer can hold."""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mintmark.core import money
from mintmark.registry import prompts
from mintmark.registry.models import Prompt

from . import contexts
from .credentials import Holder
from .refusals import InvalidRequest, of_places

MAX_ID = 2**63 - 1
MOST_CHARACTERS = 200_000


def _payable(text: str) -> str:
    try:
        money.micro(text)
    except money.InvalidAmount as wrong:
        raise ValueError(wrong.message) from wrong
    return text


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Price = Annotated[
    str,
    Field(max_length=60, description='tokens as a string, such as "12.5"'),
    AfterValidator(_payable),
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
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="a text of your own, another for each act: the same one again does nothing twice",
    ),
]


class Arguments(BaseModel):
    """What a tool takes: unknown members, NaN, infinities and values of another JSON type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def read[A: Arguments](shape: type[A], given: Mapping[str, Any] | None) -> A:
    """The arguments of a tool in their shape; `InvalidRequest` names each wrong place."""
    for place, text in _texts(given or {}):
        require_text(text, place=place)
    raw = json.dumps(given or {})
    if len(raw) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"arguments: they have {len(raw):,} characters as JSON; at most {MOST_CHARACTERS:,} are taken."
        )
    try:
        return shape.model_validate_json(raw)
    except ValidationError as invalid:
        raise of_places(invalid, place="arguments") from None


def require_text(text: str, *, place: str) -> None:
    """Refuse a text with U+0000 or half a surrogate pair, which can be neither stored nor answered."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidRequest(
            f"{ascii(place)[1:-1][:200]}: this text holds U+0000 or half a surrogate pair; remove it."
        )


def prompt(holder: Holder, name: str) -> Prompt:
    """The prompt that a name stands for: what is at work under it, else what the registry knows by it."""
    at_work = contexts.of(holder).get(name)
    return at_work.prompt if at_work is not None else prompts.named(reference=name)


def _texts(given: Any) -> Iterable[tuple[str, str]]:
    pending: list[tuple[str, Any]] = [("arguments", given)]
    while pending:
        place, here = pending.pop()
        if isinstance(here, Mapping):
            pending += [(f"{place}.{name}", name) for name in here]
            pending += [(f"{place}.{name}", inner) for name, inner in here.items()]
        elif isinstance(here, list):
            pending += [(f"{place}.{n}", inner) for n, inner in enumerate(here)]
        elif isinstance(here, str):
            yield place, here
