"""JSON in: parsed once, strictly, and refused with the place and the value where it is wrong."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import pydantic
import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mintmark.common import errors

from . import api_errors

MAX_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MAX_ID)]

Reference = Annotated[str, Field(min_length=1, max_length=300)]

# JSON's escape of U+0000, which no database here can store in a text.
_NUL_ESCAPED = b"\\u0000"


_UNION_BRANCHES = {"int", "str", "constrained-int", "constrained-str"}


class RequestBody(BaseModel):
    """A body: unknown members, NaN, infinities and values of another JSON type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def parse[T](adapter: TypeAdapter[T], raw: bytes) -> T:
    """The body as `adapter` describes it; `InvalidJson`, or `InvalidRequest` naming each wrong place."""
    require_storable(raw)
    try:
        return adapter.validate_json(raw)
    except pydantic.ValidationError as invalid:
        raise convert_validation_error(invalid) from None


def require_storable(raw: bytes) -> None:
    """Refuse JSON that is broken or holds what no database can keep: NaN, infinities, U+0000."""
    try:
        parsed = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise api_errors.InvalidJsonBody(f"The body is not JSON: {error}.") from None
    for path, leaf in _iterate_leaves(parsed):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            message = "This number is beyond a float64."
        elif isinstance(leaf, str) and "\0" in leaf:
            message = "This text holds U+0000, which can't be stored; remove it."
        else:
            continue
        raise api_errors.InvalidRequest(
            message,
            invalid_inputs=[api_errors.InvalidInput(location=path, value=leaf, message=message)],
        )


def refuse_nul_characters(raw: bytes) -> None:
    """As `storable`, for bodies whose shape admits no free JSON: only U+0000 is looked for."""
    if _NUL_ESCAPED in raw:
        require_storable(raw)


def convert_validation_error(invalid: pydantic.ValidationError) -> errors.DomainError:
    """What pydantic found in a body, place by place."""
    validation_errors = invalid.errors(include_url=False, include_context=False)
    if validation_errors[0]["type"] == "json_invalid":
        return api_errors.InvalidJsonBody(f"The body is not JSON: {validation_errors[0]['msg']}.")
    invalid_inputs: dict[str, api_errors.InvalidInput] = {}
    for problem in validation_errors:
        location = ".".join(["body", *map(str, _strip_union_branch(problem["loc"]))])
        message = to_sentence(problem["msg"])
        if location in invalid_inputs:  # the other branch of a union
            message = f"{invalid_inputs[location]['message']} {message}"
        value = None if problem["type"] == "missing" else problem["input"]
        invalid_inputs[location] = api_errors.InvalidInput(
            location=location, value=value, message=message
        )
    return build_invalid_request(list(invalid_inputs.values()))


def to_sentence(message: str) -> str:
    """A message of pydantic's as a sentence."""
    return message.removeprefix("Value error, ").rstrip(".") + "."


def build_invalid_request(
    invalid_inputs: list[api_errors.InvalidInput],
) -> api_errors.InvalidRequest:
    """One refusal of all the places, its message about the first."""
    first = invalid_inputs[0]
    value_text = "" if first["value"] is None else f" (given: {first['value']!r})"
    count_text = f" There are {len(invalid_inputs)} such places." if len(invalid_inputs) > 1 else ""
    return api_errors.InvalidRequest(
        f"{first['place']}: {first['message']}{value_text}{count_text}",
        invalid_inputs=invalid_inputs,
    )


def _strip_union_branch(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A location without pydantic's name of the branch of a union, which means nothing to a caller."""
    return location[:-1] if location and location[-1] in _UNION_BRANCHES else location


def _iterate_leaves(value: Any) -> Iterable[tuple[str, Any]]:
    pending: list[tuple[str, Any]] = [("body", value)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, dict):
            pending += [(f"{path}.{name}"[:200], name) for name in node]
            pending += [(f"{path}.{name}"[:200], inner) for name, inner in node.items()]
        elif isinstance(node, list):
            pending += [(f"{path}.{n}"[:200], inner) for n, inner in enumerate(node)]
        else:
            yield path, node
