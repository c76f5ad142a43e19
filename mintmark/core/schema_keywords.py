"""Keywords of JSON Schema that `schemas` does itself: patterns on RE2, and equality in linear time."""

from collections.abc import Iterator
from typing import Any

from jsonschema import ValidationError

from . import patterns, schema_budget
from .patterns import Pattern


def _pattern(validator: Any, wanted: str, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not _matches(_compiled(wanted), instance):
        yield ValidationError("a string that the pattern does not match")


def _pattern_properties(
    validator: Any, wanted: dict[str, Any], instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for source, subschema in wanted.items():
        pattern = _compiled(source)
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=source)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    sources = [_compiled(source) for source in schema.get("patternProperties", {})]
    for name, value in instance.items():
        if name in known or any(_matches(source, name) for source in sources):
            continue
        if allowed is False:
            yield ValidationError("a property that is not allowed", path=[name])
        else:
            yield from validator.descend(value, allowed, path=name)


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not wanted or not isinstance(instance, list):
        return
    seen = set()
    for number, one in enumerate(instance):
        key = _key(one)
        if key in seen:
            yield ValidationError("an item that was there before", path=[number])
            return
        seen.add(key)


def _enum(validator: Any, wanted: list[Any], instance: Any, schema: Any) -> Iterator[Any]:
    _spend_on_keys(wanted)
    if _key(instance) not in {_key(one) for one in wanted}:
        yield ValidationError("none of the values")


def _const(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    _spend_on_keys(wanted)
    if _key(instance) != _key(wanted):
        yield ValidationError("another value")


def _compiled(source: str) -> Pattern:
    pattern = patterns.compiled(source)
    # It may have been compiled anew, which costs by its size.
    schema_budget.CURRENT.get().spend(schema_budget.STEP + 200 * pattern.size)
    return pattern


def _matches(pattern: Pattern, text: str) -> bool:
    schema_budget.CURRENT.get().spend(100 + pattern.work(text))
    return pattern.search(text) is not None


def _spend_on_keys(wanted: Any) -> None:
    budget = schema_budget.CURRENT.get()
    budget.spend(20 * budget.weight(wanted))


def _key(value: Any) -> Any:
    """What is equal for values that JSON Schema takes for equal: 1 and 1.0 are, true and 1 are not."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return ("list", *map(_key, value))
    if isinstance(value, dict):
        return ("dict", frozenset((name, _key(one)) for name, one in value.items()))
    return value


REPLACED = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "enum": _enum,
    "const": _const,
}
