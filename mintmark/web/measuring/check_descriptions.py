"""Checks of clauses and assertions of rituals in plain words: what a text or an output has to be."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mintmark.textchecks import assertions
from mintmark.textchecks.assertions import Assertion

_MAX_QUOTED_LENGTH = 160
_MAX_VALUES = 8


def describe_check(clause: Mapping[str, Any]) -> str:
    """What a clause's check looks at, to follow “passed by”."""
    check_spec = clause.get("check")
    check_spec = check_spec if isinstance(check_spec, Mapping) else {}
    kind, value = str(check_spec.get("kind", "")), check_spec.get("value")
    describe = _CHECKS.get(kind)
    return describe(value) if describe is not None else f"a check of the unknown kind {kind!r}"


def describe_assertion(assertion: Assertion) -> str:
    """What an assertion asks of an output: “says “urgent”, ignoring case”."""
    if assertion.kind == "cost":
        return f"costs at most {assertion.threshold or 0:g}, in the currency of the endpoint"
    if assertion.kind == "latency":
        return f"takes at most {assertion.threshold or 0:g} ms"
    if assertion.kind == "similar":
        threshold = (
            assertions.SIMILAR_THRESHOLD if assertion.threshold is None else assertion.threshold
        )
        description = (
            f"has a spelling similarity of at least {threshold:g} with {_quote(assertion.value)}"
        )
    elif assertion.kind == assertions.RUBRIC:
        reach = (
            f" with a score of at least {assertion.threshold:g}"
            if assertion.threshold is not None
            else ""
        )
        description = f"passes the judge{reach}: {_quote(assertion.value)}"
    else:
        description = _ASSERTIONS[assertion.kind](assertion.value)
    return f"does not meet this: it {description}" if assertion.is_negated else description


def _quote(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"“{text if len(text) <= _MAX_QUOTED_LENGTH else text[: _MAX_QUOTED_LENGTH - 1] + '…'}”"


def _join_quoted(value: Any, separator: str) -> str:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    quoted_values = [_quote(word) for word in values[:_MAX_VALUES]]
    hidden_count = len(values) - len(quoted_values)
    return separator.join(quoted_values) + (f" and {hidden_count} more" if hidden_count else "")


def _describe_similarity(value: Any) -> str:
    similarity_spec = value if isinstance(value, Mapping) else {}
    bounds = [
        f"{label} {similarity_spec[name]:g}"
        for name, label in (("at_least", "at least"), ("at_most", "at most"))
        if name in similarity_spec
    ]
    return f"a text with a similarity of {' and '.join(bounds)} to {_quote(similarity_spec.get('reference', ''))}"


def _describe_equality(value: Any) -> str:
    if isinstance(value, str):
        return f"is exactly {_quote(value)}"
    return f"is this JSON: {_quote(value)}"


def _describe_json(value: Any) -> str:
    return "is JSON" if value is None else f"is JSON that matches the schema {_quote(value)}"


_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "contains": lambda value: f"a text that contains {_join_quoted(value, ' and ')}",
    "not-contains": lambda value: f"a text that does not contain {_join_quoted(value, ' or ')}",
    "regex": lambda value: f"a text that matches the pattern {_quote(value)}",
    "not-regex": lambda value: f"a text that does not match the pattern {_quote(value)}",
    "max-tokens": lambda value: f"a text of at most {value:,} words and punctuation marks",
    "required-variables": lambda value: (
        f"a prompt that has the variables {_join_quoted(value, ', ')}"
    ),
    "json-schema": lambda value: f"an output that is JSON and matches the schema {_quote(value)}",
    "no-hidden-unicode": lambda value: "a text without invisible characters",
    "no-secrets": lambda value: "a text without anything that looks like a key or a password",
    "no-unfilled-variables": lambda value: "a text without unfilled variables",
    "language": lambda value: f"a text in the language {_join_quoted(value, ' or ')}",
    "similarity": _describe_similarity,
    "judge": lambda value: "the judge of the task" + (f": {_quote(value)}" if value else ""),
    "human-verdict": lambda value: "the verdict of a person, recorded as evidence",
}

_ASSERTIONS: Mapping[str, Callable[[Any], str]] = {
    "equals": _describe_equality,
    "contains": lambda value: f"contains {_quote(value)}",
    "icontains": lambda value: f"contains {_quote(value)}, ignoring case",
    "contains-any": lambda value: f"contains one of {_join_quoted(value, ', ')}",
    "contains-all": lambda value: f"contains all of {_join_quoted(value, ', ')}",
    "icontains-any": lambda value: f"contains one of {_join_quoted(value, ', ')}, ignoring case",
    "icontains-all": lambda value: f"contains all of {_join_quoted(value, ', ')}, ignoring case",
    "starts-with": lambda value: f"begins with {_quote(value)}",
    "regex": lambda value: f"matches the pattern {_quote(value)}",
    "is-json": _describe_json,
}
