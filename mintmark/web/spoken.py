"""Checks of clauses and assertions of rituals in plain words: what a text or an output has to be."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mintmark.core import assertions
from mintmark.core.assertions import Assertion

_LONGEST = 160
_MOST_WORDS = 8


def check(clause: Mapping[str, Any]) -> str:
    """What a clause's check looks at, to follow “it is kept by”."""
    found = clause.get("check")
    found = found if isinstance(found, Mapping) else {}
    kind, value = str(found.get("kind", "")), found.get("value")
    said = _CHECKS.get(kind)
    return said(value) if said is not None else f"a check of the kind {kind!r}, which nobody makes"


def assertion(one: Assertion) -> str:
    """What an assertion asks of an output: “says “urgent”, upper and lower case aside”."""
    if one.kind == "cost":
        return f"costs at most {one.threshold or 0:g}, in the runner's currency"
    if one.kind == "latency":
        return f"takes at most {one.threshold or 0:g} ms"
    if one.kind == "similar":
        least = assertions.SIMILAR_THRESHOLD if one.threshold is None else one.threshold
        said = f"is spelled like {_quoted(one.value)}, by {least:g} or more"
    elif one.kind == assertions.RUBRIC:
        reach = f", with {one.threshold:g} or more" if one.threshold is not None else ""
        said = f"satisfies a judge{reach}: {_quoted(one.value)}"
    else:
        said = _ASSERTIONS[one.kind](one.value)
    return f"does not do this: {said}" if one.is_negated else said


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"“{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}”"


def _several(value: Any, joined: str) -> str:
    words: Sequence[Any] = value if isinstance(value, list) else [value]
    shown = [_quoted(word) for word in words[:_MOST_WORDS]]
    more = len(words) - len(shown)
    return joined.join(shown) + (f" and {more} more" if more else "")


def _alike(value: Any) -> str:
    found = value if isinstance(value, Mapping) else {}
    bounds = [
        f"{words} {found[name]:g}"
        for name, words in (("at_least", "at least"), ("at_most", "at most"))
        if name in found
    ]
    return f"a text that is {' and '.join(bounds)} like {_quoted(found.get('reference', ''))}"


def _equals(value: Any) -> str:
    if isinstance(value, str):
        return f"is exactly {_quoted(value)}"
    return f"is this JSON: {_quoted(value)}"


def _json(value: Any) -> str:
    return "is JSON" if value is None else f"is JSON that keeps the schema {_quoted(value)}"


_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "contains": lambda value: f"a text that says {_several(value, ' and ')}",
    "not-contains": lambda value: f"a text that says nowhere {_several(value, ' or ')}",
    "regex": lambda value: f"a text in which the pattern {_quoted(value)} matches",
    "not-regex": lambda value: f"a text in which the pattern {_quoted(value)} matches nowhere",
    "max-tokens": lambda value: f"a text of at most {value:,} words and marks",
    "required-variables": lambda value: f"a prompt that has the variables {_several(value, ', ')}",
    "json-schema": lambda value: f"an output that is JSON and keeps the schema {_quoted(value)}",
    "no-hidden-unicode": lambda value: "a text without characters that nobody sees",
    "no-secrets": lambda value: "a text without what looks like a key or a token",
    "no-unfilled-variables": lambda value: "a text in which no variable is left unfilled",
    "language": lambda value: f"a text in the language {_several(value, ' or ')}",
    "similarity": _alike,
    "judge": lambda value: (
        "what a ritual's judge says" + (f", asked: {_quoted(value)}" if value else "")
    ),
    "human-verdict": lambda value: "what a person says, recorded as evidence",
}

_ASSERTIONS: Mapping[str, Callable[[Any], str]] = {
    "equals": _equals,
    "contains": lambda value: f"says {_quoted(value)}",
    "icontains": lambda value: f"says {_quoted(value)}, upper and lower case aside",
    "contains-any": lambda value: f"says one of {_several(value, ', ')}",
    "contains-all": lambda value: f"says all of {_several(value, ', ')}",
    "icontains-any": lambda value: (
        f"says one of {_several(value, ', ')}, upper and lower case aside"
    ),
    "icontains-all": lambda value: (
        f"says all of {_several(value, ', ')}, upper and lower case aside"
    ),
    "starts-with": lambda value: f"begins with {_quoted(value)}",
    "regex": lambda value: f"has a place that the pattern {_quoted(value)} matches",
    "is-json": _json,
}
