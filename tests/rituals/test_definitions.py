"""Rituals' definitions: everything that is wrong is told at once, with its place."""

from typing import Any

import pytest

from mintmark.registry.rituals import InvalidRitual
from mintmark.rituals import definitions

CASE: dict[str, Any] = {"vars": {"x": "y"}, "assert": [{"type": "contains", "value": "z"}]}


def _document(**changes: Any) -> dict[str, Any]:
    return {"name": "n", "tag": "task:t", "cases": [CASE]} | changes


def _case(**changes: Any) -> dict[str, Any]:
    return _document(cases=[CASE | changes])


def test_what_is_not_said_has_its_default() -> None:
    made = definitions.build_definition(_document())
    (case,) = made.cases
    assert (made.temperature, made.max_tokens) == (0.0, definitions.DEFAULT_MAX_TOKENS)
    assert (case.id, case.weight, case.threshold, case.input) == ("case-1", 1.0, None, "")
    assert made.variations.memory_order
    assert not made.needs_judge


def test_numbers_and_truth_values_fill_variables_as_they_are_written() -> None:
    (case,) = definitions.build_definition(
        _case(vars={"a": 7, "b": True, "c": 0.5, "d": ["e", 1]})
    ).cases
    assert case.variables == {"a": "7", "b": "true", "c": "0.5", "d": ("e", "1")}


def test_every_case_has_the_shared_assertions_and_its_own() -> None:
    shared = [{"type": "latency", "threshold": 1000, "weight": 0}]
    (case,) = definitions.build_definition(_document(**{"assert": shared})).cases
    assert [one.name for one in case.assertions] == ["latency", "contains"]


def test_placeholders_of_assertions_are_filled_from_the_case() -> None:
    (case,) = definitions.build_definition(
        _case(**{"assert": [{"type": "equals", "value": "{{x}} {{x | upper}}"}]})
    ).cases
    assert case.assertions[0].value == "y Y"


def test_a_placeholder_without_a_value_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidRitual, match=r"cases\.0\.assert\.0: .*'other'"):
        definitions.build_definition(
            _case(**{"assert": [{"type": "contains", "value": "{{other}}"}]})
        )


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (7, ""),
        (_document(name=""), "name"),
        (_document(tag=None), "tag"),
        (_document(cases=[]), "cases"),
        (_document(cases="many"), "cases"),
        (_document(cases=[CASE] * 2_001), "cases"),
        (_document(tests=[]), ""),
        (_document(options={"top_p": 1}), "options"),
        (_document(options={"temperature": 3}), "options.temperature"),
        (_document(options={"max_tokens": 0}), "options.max_tokens"),
        (_document(dreamframes={"temperatures": ["hot"]}), "dreamframes.temperatures.0"),
        (_document(dreamframes={"paraphrase": "yes"}), "dreamframes.paraphrase"),
        (_document(examples=[{"input": "a"}]), "examples.0.output"),
        (_document(cases=[CASE | {"id": "a"}] * 2), "cases.1.id"),
        (_document(cases=[CASE, 3]), "cases.1"),
        (_case(id="*"), "cases.0.id"),
        (_case(vars={"a": {"b": 1}}), "cases.0.vars.a"),
        (_case(vars={"a:b": "c"}), "cases.0.vars"),
        (_case(vars={"a": None}), "cases.0.vars.a"),
        (_case(weight=-1), "cases.0.weight"),
        (_case(weight=0), "cases"),
        (_case(threshold=2), "cases.0.threshold"),
        (_case(memory="style"), "cases.0.memory"),
        (_case(**{"assert": []}), "cases.0.assert"),
        (_case(**{"assert": [{"type": "contains", "value": "z", "weight": 0}]}), "cases.0.assert"),
        (_case(**{"assert": [{"type": "javascript", "value": "1"}]}), "cases.0.assert.0"),
        (_case(**{"assert": [{"type": "python", "value": "1"}]}), "cases.0.assert.0"),
        (_case(**{"assert": [{"type": "factuality", "value": "1"}]}), "cases.0.assert.0"),
        (_case(**{"assert": [{"type": "regex", "value": "(?=x)"}]}), "cases.0.assert.0"),
        (
            _case(**{"assert": [{"type": "is-json", "value": {"$ref": "https://example.com/s"}}]}),
            "cases.0.assert.0",
        ),
        (_case(**{"assert": [{"type": "cost"}]}), "cases.0.assert.0"),
        (_case(**{"assert": [{"type": "contains", "value": "file://x"}]}), "cases.0.assert.0"),
        (_case(**{"assert": [{"type": "similar", "value": "a", "threshold": 2}]}), "cases.0.assert.0"),
        (_case(**{"assert": [{"type": "contains", "value": "a", "transform": "b"}]}), "cases.0.assert.0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(document: Any, place: str) -> None:
    with pytest.raises(InvalidRitual) as refused:
        definitions.build_definition(document)
    assert place in [row["field"] for row in refused.value.rows]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidRitual) as refused:
        definitions.build_definition(
            _document(options={"max_tokens": 0}, cases=[CASE, CASE | {"weight": -1, "memory": 3}])
        )
    assert {row["field"] for row in refused.value.rows} == {
        "options.max_tokens",
        "cases.1.weight",
        "cases.1.memory",
    }
    assert [row["row"] for row in refused.value.rows if row["field"] == "cases.1.weight"] == [1]


@pytest.mark.django_db
def test_a_ritual_that_was_registered_is_what_was_read() -> None:
    text = """
    name: kept
    tag: task:t
    options: {temperature: 0.5, max_tokens: 9}
    codices: [default]
    dreamframes: {temperatures: [], paraphrase: false}
    examples: [{input: a, output: b}]
    cases:
      - {id: one, input: Ask this, assert: [{type: not-contains, value: x}], weight: 2, threshold: 0.5}
    """
    read = definitions.parse_definition(text)
    ritual = definitions.register_definition(read)
    assert definitions.get_definition(ritual) == read
    assert definitions.load_ritual(text=text) == ritual
    assert definitions.load_ritual(text=text.replace("weight: 2", "weight: 3")).version == 2
