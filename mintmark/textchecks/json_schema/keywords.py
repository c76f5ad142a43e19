"""Keywords of JSON Schema that are implemented here: patterns on RE2, and equality in linear time."""

from collections.abc import Iterator
from typing import Any

from jsonschema import ValidationError

from .. import regex
from ..regex import Pattern
from . import formats, work_budget

FORMAT_WORK = 1_000_000
"""A format is a pattern of some hundred instructions on at most `formats.MAX_CHARACTERS`."""


def _validate_pattern(
    validator: Any, keyword_value: str, instance: Any, schema: Any
) -> Iterator[Any]:
    if isinstance(instance, str) and not _matches(_compile(keyword_value), instance):
        yield ValidationError("a string that the pattern does not match")


def _validate_pattern_properties(
    validator: Any, keyword_value: dict[str, Any], instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for source, subschema in keyword_value.items():
        pattern = _compile(source)
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=source)


def _validate_additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    sources = [_compile(source) for source in schema.get("patternProperties", {})]
    for name, value in instance.items():
        if name in known or any(_matches(source, name) for source in sources):
            continue
        if allowed is False:
            yield ValidationError("a property that is not allowed", path=[name])
        else:
            yield from validator.descend(value, allowed, path=name)


def _validate_unique_items(
    validator: Any, keyword_value: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    if not keyword_value or not isinstance(instance, list):
        return
    known_keys = set()
    for number, item in enumerate(instance):
        key = _to_comparable(item)
        if key in known_keys:
            yield ValidationError("an item that was there before", path=[number])
            return
        known_keys.add(key)


def _validate_enum(
    validator: Any, keyword_value: list[Any], instance: Any, schema: Any
) -> Iterator[Any]:
    _spend_on_keys(keyword_value)
    if _to_comparable(instance) not in {
        _to_comparable(allowed_value) for allowed_value in keyword_value
    }:
        yield ValidationError("none of the values")


def _validate_const(
    validator: Any, keyword_value: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    _spend_on_keys(keyword_value)
    if _to_comparable(instance) != _to_comparable(keyword_value):
        yield ValidationError("another value")


def _validate_format(
    validator: Any, keyword_value: str, instance: Any, schema: Any
) -> Iterator[Any]:
    work_budget.CURRENT_BUDGET.get().spend(FORMAT_WORK)
    if not formats.matches_format(keyword_value, instance):
        yield ValidationError("a value of another format")


def _compile(source: str) -> Pattern:
    pattern = regex.compile_pattern(source)
    # The pattern may have to be compiled again, which costs by its size.
    work_budget.CURRENT_BUDGET.get().spend(work_budget.STEP_WORK + 200 * pattern.size)
    return pattern


def _matches(pattern: Pattern, text: str) -> bool:
    work_budget.CURRENT_BUDGET.get().spend(100 + pattern.estimate_work(text))
    return pattern.search(text) is not None


def _spend_on_keys(keyword_value: Any) -> None:
    budget = work_budget.CURRENT_BUDGET.get()
    budget.spend(20 * budget.weight(keyword_value))


def _to_comparable(value: Any) -> Any:
    """A form that is equal for values that JSON Schema treats as equal: 1 and 1.0 are equal, true and 1 are not."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return ("list", *map(_to_comparable, value))
    if isinstance(value, dict):
        return ("dict", frozenset((name, _to_comparable(child)) for name, child in value.items()))
    return value


REPLACED_KEYWORDS = {
    "pattern": _validate_pattern,
    "patternProperties": _validate_pattern_properties,
    "additionalProperties": _validate_additional_properties,
    "uniqueItems": _validate_unique_items,
    "enum": _validate_enum,
    "const": _validate_const,
    "format": _validate_format,
}
