"""JSON Schema on outputs: as the draft has it, in bounded time, and nothing fetched."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.textchecks import json_spans
from mintmark.textchecks.json_schema import validator, work_budget

_SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", "b", 1.0, 0.5])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
_SCHEMAS = st.recursive(
    st.one_of(
        st.booleans(),
        st.fixed_dictionaries({"type": st.sampled_from(["object", "array", "string", "integer", "null"])}),
        st.fixed_dictionaries({"enum": st.lists(_VALUES, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"const": _VALUES}),
        st.fixed_dictionaries({"pattern": st.sampled_from(["^a", "b$", "a.?b"])}),
        st.fixed_dictionaries({"maximum": st.integers(-1, 2)}),
        st.fixed_dictionaries({"uniqueItems": st.just(True)}),
        st.fixed_dictionaries({"required": st.lists(st.sampled_from("abc"), unique=True, max_size=2)}),
        st.just({"$ref": "#/$defs/x"}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner, "then": inner}),
        st.fixed_dictionaries(
            {"properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2)},
            optional={
                "additionalProperties": inner,
                "patternProperties": st.dictionaries(st.sampled_from(["^a", "[bc]"]), inner, max_size=2),
            },
        ),
    ),
    max_leaves=5,
)  # fmt: skip


@given(_SCHEMAS, _VALUES)
def test_a_value_keeps_a_schema_exactly_where_jsonschema_says_so(schema: Any, value: Any) -> None:
    if isinstance(schema, dict):
        schema = schema | {
            "$defs": {"x": {"type": ["integer", "array"], "items": {"$ref": "#/$defs/x"}}}
        }
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert validator.compile_schema(schema).check(json.dumps(value)).holds is expected


ORDERS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.org/orders",
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}}},
}


@pytest.mark.parametrize(
    ("text", "says", "found"),
    [
        ('{"items": [{"n": 1}, {"n": 7}]}', "at /items/1/n it does not match “maximum”: 5", "7"),
        ('{"items": [], "more": "x"}', "at /more it does not match “additionalProperties”", '"x"'),
        (' {"items": 1, "items": "y"} ', "at /items it does not match “type”", '"y"'),
        ('{"a": NaN}', "it is not JSON: NaN", "{"),
        ("[1, 2", "it is not JSON: Expecting ',' delimiter (line 1, column 5)", "2"),
        ("", "it is not JSON", ""),
        ("9" * 5_000, "it is not JSON", "9"),
        ("1e999", "it is not JSON: 1e999 is beyond", "1"),
    ],
)
def test_what_fails_is_told_with_its_place(text: str, says: str, found: str) -> None:
    told = validator.compile_schema(ORDERS).check(text)
    assert told.holds is False
    assert told.reason.startswith(says)
    assert told.span is not None
    assert text[slice(*told.span)] == found


@given(_VALUES, st.data())
def test_a_value_is_found_in_its_text(value: Any, data: Any) -> None:
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])))
    path: list[str | int] = []
    while isinstance(value, dict | list) and value and data.draw(st.booleans()):
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        path.append(data.draw(st.sampled_from(keys)))
        value = value[path[-1]]
    span = json_spans.find_span(text, path)
    assert span is not None
    assert json.loads(text[slice(*span)]) == value


def test_a_path_that_leads_nowhere_has_no_place() -> None:
    for path in (["b"], [0], ["a", 5], ["a", "x"]):
        assert json_spans.find_span('{"a": [1]}', path) is None


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "https://example.org/s.json"}, "points to 'https://example.org/s.json'"),
        ({"$ref": "file:///etc/passwd"}, "only places in the schema itself"),
        ({"$ref": "other.json#/x"}, "only places in the schema itself"),
        ({"$ref": "#/$defs/none"}, "no schema at"),
        ({"$ref": "#/enum/0", "enum": [7]}, "no schema at"),
        ({"$ref": "#/properties", "properties": {"maxLength": {}}}, "no schema at"),
        ({"$ref": "#/default", "default": {"maxLength": "y"}}, "no schema at"),
        ({"x": {"maxLength": "y"}}, "'x' at /x is no keyword"),
        ({"dependencies": {"a": ["b"]}}, "write dependentRequired"),
        ({"not": {"nullable": True}}, "'nullable' at /not/nullable is no keyword"),
        ({"format": "idn-email"}, "The format 'idn-email' at /format is not checked here"),
        ({"$dynamicRef": "#x"}, "its cost has no bound"),
        ({"unevaluatedProperties": False}, "its cost has no bound"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only https://json-schema.org/draft/2020-12"),
        ({"not": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}, "at the top"),
        ({"$defs": {"x": {"$id": "https://example.org"}}}, "one document"),
        ({"pattern": "(?=a)"}, "perl operator"),
        ({"patternProperties": {"(": {}}}, "missing )"),
        ({"type": "strin"}, "The schema is none at /type"),
        ({"patternProperties": {f"[^a]{{900}}{n}": True for n in range(100)}}, "too large"),
        ({"properties": {f"p{n}": True for n in range(1_000)}}, "too large"),
        ({"enum": ["x" * 70_000]}, "characters as JSON"),
        ({"const": float("nan")}, "not JSON"),
    ],
)  # fmt: skip
def test_a_schema_that_can_not_be_used_is_refused_and_says_why(schema: Any, says: str) -> None:
    with pytest.raises(validator.InvalidSchema, match=says.replace("(", r"\(").replace(")", r"\)")):
        validator.compile_schema(schema)


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: Any = {}
    for _ in range(500):
        schema = {"not": schema}
    with pytest.raises(validator.InvalidSchema, match="nested"):
        validator.compile_schema(schema)


def test_names_of_properties_are_no_keywords() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "integer"}}}
    assert validator.compile_schema(schema).check('{"$ref": "x", "pattern": 3}').holds is True


def _chain(keyword: str) -> dict[str, Any]:
    """A schema of thirty levels, each of which asks twice for the next."""
    levels = {
        f"a{n}": {keyword: [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]}
        for n in range(30)
    }
    return {"$ref": "#/$defs/a0", "$defs": levels | {"a30": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (_chain("allOf"), 1),
        (_chain("anyOf"), "x"),
        ({"$ref": "#"}, 1),
        ({"items": {"enum": list(range(5_000))}}, list(range(60_000))),
        ({"anyOf": [{"items": {"type": "string"}}] * 450}, [1] * 60_000),
        ({"pattern": "[ab]*a[ab]{900}c"}, "ab" * 200_000),
        ({"items": {"properties": {f"b{n}": True for n in range(900)}}}, [{"a": 1}] * 30_000),
    ],
)
def test_a_schema_that_works_without_end_is_undecided(
    schema: Any, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tenth of what is allowed; benchmarks.clauses.bounds tries the whole of it.
    monkeypatch.setattr(work_budget, "MAX_WORK", work_budget.MAX_WORK // 10)
    told = validator.compile_schema(schema).check(json.dumps(value))
    assert told.holds is None
    assert "more work" in told.reason


def test_a_value_nested_too_deep_does_not_keep_a_schema() -> None:
    for depth in (65, 100_000):
        told = validator.compile_schema(True).check("[" * depth + "]" * depth)
        assert (told.holds, told.reason) == (False, "it is JSON nested deeper than 64")


def test_numbers_that_can_not_be_divided_are_undecided() -> None:
    told = validator.compile_schema({"multipleOf": 0.1}).check("9" * 4_000)
    assert told.holds is None


@pytest.mark.parametrize(
    ("format", "kept", "broken"),
    [
        ("date", ["2024-02-29", "1900-01-31"], ["2023-02-29", "2026-13-45", "2026-1-1", "٢٠٢٤-٠١-٠١"]),
        ("time", ["23:59:60Z", "12:00:00.5+01:30"], ["12:00:00", "24:00:00Z", "23:58:60Z"]),
        ("date-time", ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00z"], ["2026-01-01", "2026-01-01T"]),
        ("iso-time", ["12:00:00"], ["12:00"]),
        ("iso-date-time", ["2026-01-01T12:00:00"], ["2026-01-01T12:00"]),
        ("duration", ["P1Y2M3DT4H", "P3W", "PT0S"], ["P", "PT", "P1", "1D"]),
        ("email", ["a.b+c@d.example"], ["not mail", "a@b", "a..b@c.example", "a@-b.example"]),
        ("hostname", ["a.example", "a"], ["-a", "a..b", "x" * 64, "a_b"]),
        ("ipv4", ["127.0.0.1"], ["127.0.0.256", "1.2.3", "01.2.3.4"]),
        ("ipv6", ["::1", "1:2:3:4:5:6:1.2.3.4"], ["1::2::3", "::1%lo", "12345::"]),
        ("uri", ["http://[::1]:80/a?b#c", "urn:x:y", "mailto:a@b"], ["not a uri", "/a", "http://[x]/", "a b:c"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567", "g" * 36]),
        ("json-pointer", ["", "/a~1b/0"], ["a", "/~2"]),
        ("relative-json-pointer", ["0#", "1/a"], ["01", "/a"]),
        ("int32", [5, -(2**31)], [2**31, 0.5]),
    ],
)  # fmt: skip
def test_a_format_is_checked(format: str, kept: list[Any], broken: list[Any]) -> None:
    schema = validator.compile_schema({"format": format})
    for value in [*kept, None, [], True]:
        assert schema.check(json.dumps(value)).holds is True, value
    for value in broken:
        assert schema.check(json.dumps(value)).holds is False, value


def test_what_is_compared_may_hold_anything() -> None:
    schema = {"const": {"nullable": 1}, "default": {"format": "none"}, "examples": [{"x": 1}]}
    assert validator.compile_schema(schema).check('{"nullable": 1.0}').holds is True
