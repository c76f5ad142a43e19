"""JSON Schema (draft 2020-12) on outputs, in bounded time and without a network.

jsonschema does the checking. What could make it wait is taken out of its hands: patterns run on RE2, references lead
nowhere but into the schema itself, and every step is charged to a budget, so that a schema that doubles its work at
each level ends in "can't be decided". `format` is a note, as the draft has it by default. Not taken:
`unevaluatedItems`, `unevaluatedProperties` and dynamic references, whose cost jsonschema does not bound.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import findings, json_places, patterns, schema_budget
from .findings import Finding

LONGEST = 32_768
DEEPEST = 32
LARGEST = 50_000
"""A schema's characters as JSON, how deep it may be, and how large: its patterns (`Pattern.size`), and `_PART` for each
of its subschemas, which take some milliseconds to look through."""
_PART = 50
DEEPEST_VALUE = 64
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOT_TAKEN = frozenset(
    (
        "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "unevaluatedItems",
        "unevaluatedProperties",
    )
)  # fmt: skip
# Where schemas stand in a schema: under a keyword itself, in its list, or under the names that somebody chose there.
_ONE = (
    "items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not", "contentSchema",
)  # fmt: skip
_LISTED = ("prefixItems", "allOf", "anyOf", "oneOf")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")

type _Keyword = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


class InvalidSchema(ValueError):
    """A schema is no JSON Schema, points elsewhere, or is too large. Whoever took it in refuses what it came with."""

    @property
    def message(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema that was looked through, and its size (`LARGEST`)."""

    size: int
    _validator: Any = field(repr=False)
    _weights: Mapping[int, int] = field(repr=False)

    def check(self, text: str) -> Finding:
        """Whether a text is JSON that keeps the schema; what fails first is told with its place, a JSON Pointer."""
        try:
            value = parsed(text)
        except ValueError as broken:
            at = min(getattr(broken, "pos", 0), max(0, len(text) - 1))
            said = getattr(broken, "msg", None) or str(broken)
            where = findings.place(text, at)
            return findings.broken(
                f"it is not JSON: {said} ({where})", (at, min(at + 1, len(text)))
            )
        except RecursionError:
            return findings.broken(f"it is JSON nested deeper than {DEEPEST_VALUE}")
        weights, deep = schema_budget.weigh(value)
        if deep > DEEPEST_VALUE:
            return findings.broken(f"it is JSON nested deeper than {DEEPEST_VALUE}")
        budget = schema_budget.Budget(weights=weights, weights_of_schema=self._weights)
        token = schema_budget.CURRENT.set(budget)
        try:
            found = self._checked(value, text)
        except (schema_budget.Unaffordable, RecursionError):
            found = findings.undecided("the schema takes more work on it than one check may")
        except (ArithmeticError, ValueError):
            found = findings.undecided("it holds a number that the schema can't be checked with")
        finally:
            schema_budget.CURRENT.reset(token)
        return dataclasses.replace(found, work=schema_budget.MOST_WORK - max(0, budget.left))

    def _checked(self, value: Any, text: str) -> Finding:
        fault = next(self._validator.iter_errors(value), None)
        return findings.KEPT if fault is None else _told(fault, text)


def compiled(schema: Mapping[str, Any] | bool) -> Schema:
    """A schema made ready. Raises `InvalidSchema`, which says what is wrong and where."""
    try:
        written = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidSchema("The schema is not JSON, or is nested too deep.") from None
    if len(written) > LONGEST:
        raise InvalidSchema(
            f"The schema has {len(written):,} characters as JSON; at most {LONGEST:,} are taken."
        )
    return _compiled(written)


def parsed(text: str) -> Any:
    """The value of a JSON text; NaN, infinities and numbers beyond a double are refused as a ValueError."""
    return json.loads(text, parse_constant=_no_number, parse_float=_finite)


@functools.lru_cache(maxsize=256)
def _compiled(written: str) -> Schema:
    # Imported when first needed: it takes a third of a second.
    import jsonschema
    import referencing
    from referencing import jsonschema as dialects

    schema = json.loads(written)
    size = _look_through(schema, at="", depth=0)
    if isinstance(schema, dict):
        schema = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as wrong:
        where = "/".join(map(str, wrong.absolute_path))
        raise InvalidSchema(f"The schema is none at /{where}: {wrong.message[:200]}") from None
    if isinstance(schema, dict):
        resource = dialects.DRAFT202012.create_resource(schema)
        resolver = referencing.Registry().with_resource("", resource).resolver()
        places = list(_within(schema))
        known = {id(place) for place in places}
        for place in places:
            if "$ref" not in place:
                continue
            try:
                found = resolver.lookup(place["$ref"]).contents
            except referencing.exceptions.Unresolvable:
                found = None
            if not isinstance(found, bool) and id(found) not in known:
                raise InvalidSchema(f"The schema has no schema at {place['$ref'][:200]!r}.")
    weights, _ = schema_budget.weigh(schema)
    return Schema(
        size=size,
        _validator=_validators()(schema, registry=referencing.Registry()),
        _weights=weights,
    )


def _look_through(node: Any, *, at: str, depth: int, names: bool = False) -> int:
    """Refuse what leads elsewhere, hangs, or switches to another dialect; the size of what is there."""
    if depth > DEEPEST:
        raise InvalidSchema(f"The schema is nested deeper than {DEEPEST} at {at[:200]}.")
    size = _PART if isinstance(node, dict | bool) else 0
    if isinstance(node, list):
        for number, one in enumerate(node):
            size += _look_through(one, at=f"{at}/{number}", depth=depth + 1)
    elif isinstance(node, dict):
        for name, value in node.items():
            here = f"{at}/{name}"
            if not names:
                _refuse(name, value, here, is_top=not at)
                size += _patterns(name, value, here)
            size += _look_through(
                value, at=here, depth=depth + 1, names=name in _NAMED and not names
            )
    if size > LARGEST:
        raise InvalidSchema(
            "The schema is too large: have fewer parts, and repeat less in its patterns."
        )
    return size


def _refuse(name: str, value: Any, here: str, *, is_top: bool) -> None:
    here = here[:200]
    if name in _NOT_TAKEN:
        raise InvalidSchema(f"{name} at {here} is not taken: its cost has no bound.")
    if name == "$schema" and not (is_top and value == _DIALECT):
        raise InvalidSchema(f"$schema at {here}: only {_DIALECT}, at the top.")
    if name == "$id" and not is_top:
        raise InvalidSchema(f"$id at {here}: a schema is one document.")
    if name == "$ref" and not (isinstance(value, str) and value.startswith("#")):
        raise InvalidSchema(
            f"$ref at {here} points to {str(value)[:100]!r}; only places in the schema itself (#/…) are taken."
        )


def _patterns(name: str, value: Any, here: str) -> int:
    sources: list[str] = []
    if name == "pattern" and isinstance(value, str):
        sources = [value]
    elif name == "patternProperties" and isinstance(value, dict):
        sources = list(value)
    size = 0
    for source in sources:
        try:
            size += patterns.compiled(source).size
        except patterns.InvalidPattern as wrong:
            raise InvalidSchema(f"At {here[:200]}: {wrong.message}") from None
        if size > LARGEST:
            break
    return size


def _within(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all that stand in it, as far as they are objects."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name in _ONE:
        yield from _within(schema.get(name))
    for name in _LISTED:
        for one in schema.get(name, ()):
            yield from _within(one)
    for name in _NAMED:
        for one in schema.get(name, {}).values():
            yield from _within(one)


@functools.cache
def _validators() -> Any:
    """jsonschema's class for the draft, its keywords charged and those with patterns replaced."""
    import jsonschema

    from . import schema_keywords

    stock = jsonschema.Draft202012Validator
    own = {**stock.VALIDATORS, **schema_keywords.REPLACED}
    return jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        stock, {name: _charged(name, does) for name, does in own.items()}
    )


def _charged(name: str, does: _Keyword) -> _Keyword:
    def keyword(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
        budget = schema_budget.CURRENT.get()
        budget.enter(instance, wanted)
        try:
            for fault in does(validator, wanted, instance, schema) or ():
                budget.spend(schema_budget.STEP)
                yield fault
        finally:
            budget.leave()

    return keyword


def _told(fault: Any, text: str) -> Finding:
    path = list(fault.absolute_path)
    pointer = "".join(f"/{str(part)[:60]}" for part in path) or "its top"
    keyword = str(fault.validator)
    wanted = json.dumps(fault.validator_value)
    if len(wanted) > 60:
        wanted = f"{wanted[:59]}…"
    if keyword == "required":
        lacking = [name for name in fault.validator_value if name not in fault.instance]
        wanted = json.dumps(lacking[:3])
        return findings.broken(f"at {pointer} it lacks {wanted}", json_places.span(text, path))
    if fault.validator is None:  # `false` as a schema
        return findings.broken(f"nothing may stand at {pointer}", json_places.span(text, path))
    return findings.broken(
        f"at {pointer} it does not keep “{keyword}”: {wanted}", json_places.span(text, path)
    )


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is beyond what a number can be")
    return number
