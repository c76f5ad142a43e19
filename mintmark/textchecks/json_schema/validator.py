"""JSON Schema (draft 2020-12) on outputs, in bounded time and without a network.

jsonschema does the checking. Whatever could make it slow is replaced: patterns run on RE2, references may only point
into the schema itself, and every step is charged to a budget, so that a schema that doubles its work at each level ends
as "can't be decided". Formats are checked (`formats`). An unknown format or keyword is refused, as ajv refuses it: it
would pass everything. Not supported, as jsonschema does not bound their cost: `unevaluatedItems`,
`unevaluatedProperties` and dynamic references.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import json_spans, regex, results
from ..results import CheckResult
from . import formats, work_budget

MAX_CHARACTERS = 32_768
MAX_DEPTH = 32
MAX_SIZE = 50_000
"""Limits of a schema: its characters as JSON, its depth, and its size, which is that of its patterns (`Pattern.size`)
plus a fixed amount for each subschema, which takes some milliseconds to inspect."""
_SUBSCHEMA_SIZE = 50
MAX_VALUE_DEPTH = 64
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UNSUPPORTED = frozenset(
    (
        "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "unevaluatedItems",
        "unevaluatedProperties",
    )
)  # fmt: skip
_KNOWN = frozenset(
    (
        "$anchor", "$comment", "$defs", "$id", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const",
        "contains", "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions",
        "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "enum", "examples",
        "exclusiveMaximum", "exclusiveMinimum", "format", "if", "items", "maxContains", "maxItems", "maxLength",
        "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf",
        "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties", "propertyNames", "readOnly",
        "required", "then", "title", "type", "uniqueItems", "writeOnly",
    )
)  # fmt: skip
_REPLACEMENTS = {
    "dependencies": "write dependentRequired or dependentSchemas",
    "nullable": 'write "type": [..., "null"]',
    "additionalItems": "write items beside prefixItems",
    "id": "write $id",
}
# Keywords whose value is no schema: nothing in it is a keyword.
_PLAIN_VALUES = frozenset(("const", "default", "dependentRequired", "enum", "examples"))
# Where subschemas are in a schema: directly under a keyword, in its list, or under names chosen by the author.
_SINGLE = (
    "items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not", "contentSchema",
)  # fmt: skip
_IN_LISTS = ("prefixItems", "allOf", "anyOf", "oneOf")
_IN_OBJECTS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")

type _Keyword = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


class InvalidSchema(ValueError):
    """A schema is not a valid JSON Schema, refers to something outside itself, or is too large."""

    @property
    def message(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSchema:
    """An inspected schema, and its size."""

    size: int
    _validator: Any = field(repr=False)
    _weights: Mapping[int, int] = field(repr=False)

    def check(self, text: str) -> CheckResult:
        """Whether a text is JSON that matches the schema; the first failure is reported with its place, a JSON
        Pointer."""
        try:
            value = parse_json(text)
        except ValueError as broken:
            offset = min(getattr(broken, "pos", 0), max(0, len(text) - 1))
            message = getattr(broken, "msg", None) or str(broken)
            position = results.format_position(text, offset)
            return results.build_failed(
                f"it is not JSON: {message} ({position})", (offset, min(offset + 1, len(text)))
            )
        except RecursionError:
            return results.build_failed(f"it is JSON nested deeper than {MAX_VALUE_DEPTH}")
        weights, depth = work_budget.weigh(value)
        if depth > MAX_VALUE_DEPTH:
            return results.build_failed(f"it is JSON nested deeper than {MAX_VALUE_DEPTH}")
        budget = work_budget.SchemaBudget(weights=weights, weights_of_schema=self._weights)
        token = work_budget.CURRENT_BUDGET.set(budget)
        try:
            result = self._validate(value, text)
        except (work_budget.BudgetExceeded, RecursionError):
            result = results.build_undecided("the schema takes more work on it than one check may")
        except (ArithmeticError, ValueError):
            result = results.build_undecided(
                "it holds a number that the schema can't be checked with"
            )
        finally:
            work_budget.CURRENT_BUDGET.reset(token)
        return dataclasses.replace(result, work=work_budget.MAX_WORK - max(0, budget.remaining))

    def _validate(self, value: Any, text: str) -> CheckResult:
        fault = next(self._validator.iter_errors(value), None)
        return results.PASSED if fault is None else _describe_fault(fault, text)


def compile_schema(schema: Mapping[str, Any] | bool) -> CompiledSchema:
    """Compile a schema. Raises `InvalidSchema`, which says what is wrong and where."""
    try:
        schema_text = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidSchema("The schema is not JSON, or is nested too deep.") from None
    if len(schema_text) > MAX_CHARACTERS:
        raise InvalidSchema(
            f"The schema has {len(schema_text):,} characters as JSON; at most {MAX_CHARACTERS:,} are allowed."
        )
    return _compile_text(schema_text)


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for NaN, infinities and numbers beyond a double."""
    return json.loads(text, parse_constant=_reject_constant, parse_float=_parse_finite)


@functools.lru_cache(maxsize=256)
def _compile_text(schema_text: str) -> CompiledSchema:
    # Imported when first needed: it takes a third of a second.
    import jsonschema
    import referencing
    from referencing import jsonschema as dialects

    schema = json.loads(schema_text)
    size = _inspect(schema, pointer="", depth=0)
    if isinstance(schema, dict):
        schema = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as wrong:
        location = "/".join(map(str, wrong.absolute_path))
        raise InvalidSchema(f"The schema is none at /{location}: {wrong.message[:200]}") from None
    if isinstance(schema, dict):
        resource = dialects.DRAFT202012.create_resource(schema)
        resolver = referencing.Registry().with_resource("", resource).resolver()
        subschemas = list(_iterate_subschemas(schema))
        known = {id(subschema) for subschema in subschemas}
        for subschema in subschemas:
            if "$ref" not in subschema:
                continue
            try:
                target = resolver.lookup(subschema["$ref"]).contents
            except referencing.exceptions.Unresolvable:
                target = None
            if not isinstance(target, bool) and id(target) not in known:
                raise InvalidSchema(f"The schema has no schema at {subschema['$ref'][:200]!r}.")
    weights, _ = work_budget.weigh(schema)
    return CompiledSchema(
        size=size,
        _validator=_build_validator_class()(schema, registry=referencing.Registry()),
        _weights=weights,
    )


def _inspect(
    node: Any, *, pointer: str, depth: int, names: bool = False, plain: bool = False
) -> int:
    """The size of a schema. Raises an error for references to elsewhere, unbounded keywords and other dialects.

    `names`: its keys are an author's; `plain`: it is a value that is compared, and no schema.
    """
    if depth > MAX_DEPTH:
        raise InvalidSchema(f"The schema is nested deeper than {MAX_DEPTH} at {pointer[:200]}.")
    size = _SUBSCHEMA_SIZE if isinstance(node, dict | bool) else 0
    if isinstance(node, list):
        for number, item in enumerate(node):
            size += _inspect(item, pointer=f"{pointer}/{number}", depth=depth + 1, plain=plain)
    elif isinstance(node, dict):
        for name, value in node.items():
            child_pointer = f"{pointer}/{name}"
            if not names:
                _reject_unsupported(name, value, child_pointer, is_top=not pointer)
                if not plain:
                    _reject_unknown(name, value, child_pointer)
                size += _measure_patterns(name, value, child_pointer)
            size += _inspect(
                value,
                pointer=child_pointer,
                depth=depth + 1,
                names=name in _IN_OBJECTS and not names and not plain,
                plain=plain or (name in _PLAIN_VALUES and not names),
            )
    if size > MAX_SIZE:
        raise InvalidSchema(
            "The schema is too large: have fewer parts, and repeat less in its patterns."
        )
    return size


def _reject_unsupported(name: str, value: Any, pointer: str, *, is_top: bool) -> None:
    pointer = pointer[:200]
    if name in _UNSUPPORTED:
        raise InvalidSchema(
            f"{name} at {pointer} is not supported, as its cost has no bound: remove it."
        )
    if name == "$schema" and not (is_top and value == _DIALECT):
        raise InvalidSchema(f"$schema at {pointer}: only {_DIALECT}, at the top.")
    if name == "$id" and not is_top:
        raise InvalidSchema(f"$id at {pointer}: a schema is one document.")
    if name == "$ref" and not (isinstance(value, str) and value.startswith("#")):
        raise InvalidSchema(
            f"$ref at {pointer} points to {str(value)[:100]!r}; only places in the schema itself (#/…) are taken."
        )


def _reject_unknown(name: str, value: Any, pointer: str) -> None:
    pointer = pointer[:200]
    if name not in _KNOWN:
        remedy = _REPLACEMENTS.get(name, "remove it")
        raise InvalidSchema(f"{name[:60]!r} at {pointer} is no keyword of draft 2020-12: {remedy}.")
    if name == "format" and (not isinstance(value, str) or value not in formats.FORMATS):
        known = ", ".join(sorted(formats.FORMATS))
        raise InvalidSchema(
            f"The format {str(value)[:60]!r} at {pointer} is not checked here: use {known}."
        )


def _measure_patterns(name: str, value: Any, pointer: str) -> int:
    sources: list[str] = []
    if name == "pattern" and isinstance(value, str):
        sources = [value]
    elif name == "patternProperties" and isinstance(value, dict):
        sources = list(value)
    size = 0
    for source in sources:
        try:
            size += regex.compile_pattern(source).size
        except regex.InvalidPattern as wrong:
            raise InvalidSchema(f"At {pointer[:200]}: {wrong.message}") from None
        if size > MAX_SIZE:
            break
    return size


def _iterate_subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all its subschemas that are objects."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name in _SINGLE:
        yield from _iterate_subschemas(schema.get(name))
    for name in _IN_LISTS:
        for subschema in schema.get(name, ()):
            yield from _iterate_subschemas(subschema)
    for name in _IN_OBJECTS:
        for subschema in schema.get(name, {}).values():
            yield from _iterate_subschemas(subschema)


@functools.cache
def _build_validator_class() -> Any:
    """jsonschema's class for the draft, with every keyword charged to the budget and those with patterns replaced."""
    import jsonschema

    from . import keywords

    stock = jsonschema.Draft202012Validator
    own = {**stock.VALIDATORS, **keywords.REPLACED_KEYWORDS}
    return jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        stock, {name: _charge_keyword(name, validate) for name, validate in own.items()}
    )


def _charge_keyword(name: str, validate: _Keyword) -> _Keyword:
    def keyword(validator: Any, keyword_value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        budget = work_budget.CURRENT_BUDGET.get()
        budget.enter(instance, keyword_value)
        try:
            for fault in validate(validator, keyword_value, instance, schema) or ():
                budget.spend(work_budget.STEP_WORK)
                yield fault
        finally:
            budget.leave()

    return keyword


def _describe_fault(fault: Any, text: str) -> CheckResult:
    path = list(fault.absolute_path)
    pointer = "".join(f"/{str(step)[:60]}" for step in path) or "its top"
    keyword = str(fault.validator)
    expected = json.dumps(fault.validator_value)
    if len(expected) > 60:
        expected = f"{expected[:59]}…"
    if keyword == "required":
        missing = [name for name in fault.validator_value if name not in fault.instance]
        expected = json.dumps(missing[:3])
        return results.build_failed(
            f"at {pointer} it lacks {expected}", json_spans.find_span(text, path)
        )
    if fault.validator is None:  # the schema is false
        return results.build_failed(
            f"no value is allowed at {pointer}", json_spans.find_span(text, path)
        )
    return results.build_failed(
        f"at {pointer} it does not match “{keyword}”: {expected}", json_spans.find_span(text, path)
    )


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is beyond what a number can be")
    return number
