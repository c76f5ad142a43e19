"""JSON in: parsed once, strictly, and refused with the place and the value where it is wrong."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import pydantic
import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mintmark.core import errors

from . import refusals

MAX_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MAX_ID)]

Reference = Annotated[str, Field(min_length=1, max_length=300)]

# JSON's escape of U+0000, which no database here can store in a text.
_NUL_ESCAPED = b"\\u0000"


_BRANCHES = {"int", "str", "constrained-int", "constrained-str"}


class Body(BaseModel):
    """A body: unknown members, NaN, infinities and values of another JSON type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def parse[T](adapter: TypeAdapter[T], raw: bytes) -> T:
    """The body as `adapter` describes it; `InvalidJson`, or `InvalidRequest` naming each wrong place."""
    storable(raw)
    try:
        return adapter.validate_json(raw)
    except pydantic.ValidationError as invalid:
        raise refusal(invalid) from None


def storable(raw: bytes) -> None:
    """Refuse JSON that is broken or holds what no database can keep: NaN, infinities, U+0000."""
    try:
        value = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as broken:
        raise refusals.InvalidJson(f"The body is not JSON: {broken}.") from None
    for path, leaf in _leaves(value):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            message = "This number is beyond a float64."
        elif isinstance(leaf, str) and "\0" in leaf:
            message = "This text holds U+0000, which can't be stored; remove it."
        else:
            continue
        raise refusals.InvalidRequest(
            message, places=[refusals.Place(place=path, value=leaf, message=message)]
        )


def refuse_nul(raw: bytes) -> None:
    """As `storable`, for bodies whose shape admits no free JSON: only U+0000 is looked for."""
    if _NUL_ESCAPED in raw:
        storable(raw)


def refusal(invalid: pydantic.ValidationError) -> errors.Refusal:
    """What pydantic found in a body, place by place."""
    found = invalid.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return refusals.InvalidJson(f"The body is not JSON: {found[0]['msg']}.")
    wrong: dict[str, refusals.Place] = {}
    for problem in found:
        place = ".".join(["body", *map(str, _named(problem["loc"]))])
        message = sentence(problem["msg"])
        if place in wrong:  # the other branch of a union
            message = f"{wrong[place]['message']} {message}"
        value = None if problem["type"] == "missing" else problem["input"]
        wrong[place] = refusals.Place(place=place, value=value, message=message)
    return of_places(list(wrong.values()))


def sentence(message: str) -> str:
    """A message of pydantic's as a sentence."""
    return message.removeprefix("Value error, ").rstrip(".") + "."


def of_places(wrong: list[refusals.Place]) -> refusals.InvalidRequest:
    """One refusal of all the places, its message about the first."""
    first = wrong[0]
    given = "" if first["value"] is None else f" (given: {first['value']!r})"
    more = f" There are {len(wrong)} such places." if len(wrong) > 1 else ""
    return refusals.InvalidRequest(
        f"{first['place']}: {first['message']}{given}{more}", places=wrong
    )


def _named(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A location without pydantic's name of the branch of a union, which means nothing to a caller."""
    return location[:-1] if location and location[-1] in _BRANCHES else location


def _leaves(value: Any) -> Iterable[tuple[str, Any]]:
    pending: list[tuple[str, Any]] = [("body", value)]
    while pending:
        path, here = pending.pop()
        if isinstance(here, dict):
            pending += [(f"{path}.{name}"[:200], name) for name in here]
            pending += [(f"{path}.{name}"[:200], inner) for name, inner in here.items()]
        elif isinstance(here, list):
            pending += [(f"{path}.{n}"[:200], inner) for n, inner in enumerate(here)]
        else:
            yield path, here
