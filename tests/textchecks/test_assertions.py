"""Assertions: promptfoo's meaning, bounded work, and what can't be decided is never taken as kept."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.textchecks import assertions
from mintmark.textchecks.assertions import AssertionResult, ReplyMeta

TOLD = ReplyMeta(cost_micro=2_000, latency_ms=120.0)


def _checked(output: str, kind: str, value: Any = None, **more: Any) -> AssertionResult:
    raw = {"type": kind} | ({"value": value} if value is not None else {}) | more
    return assertions.check_assertion(
        assertions.parse_assertion(raw, variables={}), output=output, reply_meta=TOLD
    )


@pytest.mark.parametrize(
    ("kind", "value", "kept", "broken"),
    [
        ("equals", "Paris", "Paris", "Paris."),
        ("equals", 7, "7", "8"),
        ("equals", {"a": [1, 2]}, '{"a":[1,2]}', '{"a":[2,1]}'),
        ("contains", "ab", "xaby", "xAby"),
        ("icontains", "AB", "xaby", "xa-by"),
        ("contains-any", ["a", "b"], "b", "c"),
        ("contains-any", "a, b", "b", "c"),
        ("contains-all", ["a", "b"], "ab", "a"),
        ("icontains-any", ["A", "B"], "b", "c"),
        ("icontains-all", "A,B", "ab", "a"),
        ("starts-with", "Yes", "Yes, sir", "Oh yes"),
        ("regex", r"^\d{3}$", "123", "1234"),
        ("is-json", None, "[1]", "[1"),
        ("is-json", {"type": "object", "required": ["k"]}, '{"k": 1}', "{}"),
        ("is-json", '{"type": "array"}', "[]", "{}"),
        ("similar", "The capital of France is Paris.", "The capital of France: Paris", "No idea"),
    ],
)
def test_an_assertion_holds_or_not_and_its_negation_the_other_way(
    kind: str, value: Any, kept: str, broken: str
) -> None:
    assert _checked(kept, kind, value).passed
    assert not _checked(broken, kind, value).passed
    assert _checked(broken, kind, value).reason
    assert not _checked(kept, f"not-{kind}", value).passed
    assert _checked(broken, f"not-{kind}", value).passed


def test_cost_and_latency_are_held_against_their_thresholds() -> None:
    assert _checked("", "cost", threshold=0.002).passed
    assert not _checked("", "cost", threshold=0.0019).passed
    assert _checked("", "latency", threshold=120).passed
    assert not _checked("", "latency", threshold=119).passed


def test_a_similar_text_scores_its_likeness() -> None:
    result = _checked("The capital is Paris", "similar", "The capital is Rome", threshold=0.9)
    assert 0.4 < result.score < 0.9
    assert not result.passed


@pytest.mark.parametrize(
    ("threshold", "passed", "score", "expected"),
    [(None, True, 0.2, True), (0.5, True, 0.4, False), (0.5, True, 0.6, True), (0.5, False, 1.0, False)],
)  # fmt: skip
def test_a_rubric_is_what_the_judge_says_and_its_threshold(
    threshold: float | None, passed: bool, score: float, expected: bool
) -> None:
    raw = {"type": "llm-rubric", "value": "kind"} | (
        {"threshold": threshold} if threshold is not None else {}
    )
    rubric = assertions.parse_assertion(raw, variables={})
    assert rubric.needs_judge
    assert assertions.apply_judgement(rubric, passed=passed, score=score).passed is expected


def test_a_grade_is_the_weighted_mean_and_a_threshold_decides() -> None:
    results = [
        _checked("a", "contains", "a", weight=3),
        _checked("a", "contains", "b", weight=1),
        _checked("a", "contains", "c", weight=0),
    ]
    assert assertions.grade_results(results, threshold=None).score == 0.75
    assert not assertions.grade_results(results, threshold=None).passed
    assert assertions.grade_results(results, threshold=0.75).passed
    assert not assertions.grade_results(results, threshold=0.76).passed
    assert assertions.grade_results(results[:1] + results[2:], threshold=None).passed


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 1000)), min_size=1, max_size=20))
def test_a_mean_stays_within_its_values(pairs: list[tuple[float, float]]) -> None:
    values, weights = [p[0] for p in pairs], [p[1] for p in pairs]
    assert min(values) - 1e-12 <= assertions.weighted_mean(values, weights) <= max(values) + 1e-12


def test_a_catastrophic_pattern_takes_no_time() -> None:
    began = time.process_time()
    assert not _checked("a" * 100_000 + "!", "regex", "(a+)+$").passed
    assert _checked("a" * 100_000, "regex", "(a+)+$").passed
    assert time.process_time() - began < 5.0


def test_an_output_of_ten_megabytes_is_judged_in_bounded_time() -> None:
    output = "word " * 2_000_000
    began = time.process_time()
    for kind, value in (
        ("contains", "nowhere"),
        ("icontains-all", ["nowhere", "word"]),
        ("regex", "(w(o|x)*rd )+$"),
        ("is-json", {"type": "object"}),
        ("similar", "word by word"),
        ("equals", {"a": 1}),
    ):
        _checked(output, kind, value)
    assert time.process_time() - began < 20.0


def test_what_cannot_be_decided_fails_with_not_before_it_as_well() -> None:
    large = "([wo][rd]){1,400}$"
    output = "word " * 2_000_000
    for kind in ("regex", "not-regex"):
        result = _checked(output, kind, large)
        assert not result.passed
        assert "too long" in result.reason


@pytest.mark.parametrize("output", ["[" * 100_000, "NaN", "1e999", "", "\ud800"])
def test_what_is_no_json_is_no_json(output: str) -> None:
    assert not _checked(output, "is-json").passed


@pytest.mark.parametrize("kind", ["javascript", "python", "ruby", "webhook", "not-javascript"])
def test_what_runs_code_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ValueError, match="runs code"):
        assertions.parse_assertion({"type": kind, "value": "1"}, variables={})
