"""Assertions on an output, with promptfoo's names and meaning: https://www.promptfoo.dev/docs/configuration/expected-outputs/

Those that would run code from a file are refused by name. `similar` compares spelling here (`core.similarity`), not
embeddings, so its figures are lower than promptfoo's for texts that say the same in other words.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.core import patterns, schema_budget, schemas, similarity

RUBRIC = "llm-rubric"
"""The one kind that no text decides by itself: a judge does."""

RUNS_CODE = frozenset({"javascript", "python", "ruby", "webhook"})
TEXT_KINDS = frozenset(
    {
        "equals", "contains", "icontains", "contains-any", "contains-all", "icontains-any", "icontains-all",
        "starts-with", "regex", "is-json", "similar",
    }
)  # fmt: skip
KINDS = TEXT_KINDS | {"cost", "latency", RUBRIC}
"""What is decided here; each but cost and latency may also be said with `not-` before it."""

MOST_WORDS = 1_000
MOST_VALUE_CHARACTERS = 100_000
SIMILAR_THRESHOLD = 0.75
MOST_COMPARED = 200_000
"""Characters of an output that `similar` reads."""

MOST_WORK = 500_000_000
"""Steps that a pattern may take at worst; where an output would take it more, nothing is taken as found."""

MOST_WORK_OF_SCHEMAS = 2 * schema_budget.MOST_WORK
"""Work after which no further schema of a case is tried on its output."""

_LISTS = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
_KEYS = frozenset({"type", "value", "threshold", "weight", "metric"})
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]{0,63})\s*\}\}")
_SHOWN = 80


class _Undecided(Exception):
    """An output on which an assertion can't be decided: it fails, with `not-` before it as well."""

    def __init__(self, why: str, *, work: int = 0) -> None:
        super().__init__(why)
        self.work = work


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One assertion, checked and ready: `value` is a text, a list of texts, a schema, or None where none is needed."""

    kind: str
    is_negated: bool
    value: Any
    threshold: float | None
    weight: float

    @property
    def name(self) -> str:
        """As it is written in a ritual."""
        return ("not-" if self.is_negated else "") + self.kind

    @property
    def needs_judge(self) -> bool:
        return self.kind == RUBRIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of a reply beside its text: what it cost and how long it took."""

    cost_micro: int
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one assertion says of an output: `score` in [0, 1]; where it failed, `why` says what was missed. `work` is
    what its schema took (`schema_budget`)."""

    name: str
    passed: bool
    score: float
    weight: float
    why: str
    work: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "passed": self.passed,
            "score": self.score,
            "weight": self.weight,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What all assertions of a case say together: `score` is their weighted mean. It passed if that reaches the case's
    threshold, or where it has none, if each assertion that weighs anything did."""

    score: float
    passed: bool


def read(raw: object, *, variables: Mapping[str, Any]) -> Assertion:
    """The assertion that a ritual states, its `{{placeholders}}` filled in; ValueError says why it is none."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("type"), str):
        raise ValueError("An assertion is a mapping with a `type`, such as `type: contains`.")
    name = raw["type"]
    kind = name.removeprefix("not-")
    if kind in RUNS_CODE:
        raise ValueError(f"{name!r} runs code from a file, which is not done here.")
    if kind not in KINDS or (name != kind and kind in ("cost", "latency")):
        known = ", ".join(sorted(KINDS))
        raise ValueError(f"{name[:60]!r} is no assertion that is decided here: use {known}.")
    if others := sorted(map(str, raw.keys() - _KEYS)):
        raise ValueError(f"{name} has {', '.join(others)[:100]}, which is not read here.")
    return Assertion(
        kind=kind,
        is_negated=name != kind,
        value=_value(kind, _filled(kind, raw.get("value"), variables)),
        threshold=_threshold(kind, raw.get("threshold")),
        weight=_number("weight", raw.get("weight", 1.0), most=1_000_000.0),
    )


def is_filled(raw: object) -> bool:
    """Whether an assertion's value holds placeholders, so that each case has its own."""
    value = raw.get("value") if isinstance(raw, Mapping) else None
    return any(_PLACEHOLDER.search(text) for text in _texts(value))


def size(assertion: Assertion) -> int:
    """How large its pattern or schema is (`patterns.Pattern.size`, `schemas.LARGEST`); 0 for other kinds."""
    if assertion.kind == "regex":
        return patterns.compiled(assertion.value).size
    if assertion.kind == "is-json" and assertion.value is not None:
        return schemas.compiled(assertion.value).size
    return 0


def check(
    assertion: Assertion, *, output: str, told: Told, left: int = MOST_WORK_OF_SCHEMAS
) -> Result:
    """What an assertion says of an output. A rubric is a judge's to decide: see `judged`.

    Where nothing is `left` of the work that the schemas of one case may take, a schema is not tried, and fails.
    """
    if assertion.kind in ("cost", "latency"):
        return _within(assertion, told)
    if assertion.kind == "similar":
        return _similar(assertion, output)
    work = 0
    try:
        if assertion.kind == "is-json" and assertion.value is not None:
            why, work = _keeps(assertion.value, output, left=left)
        else:
            why = _CHECKS[assertion.kind](assertion.value, output)
    except _Undecided as undecided:
        return _result(assertion, passed=False, score=0.0, why=str(undecided), work=undecided.work)
    passed = (not why) != assertion.is_negated
    return _result(
        assertion,
        passed=passed,
        score=float(passed),
        why=why or "it does so, and must not",
        work=work,
    )


def judged(assertion: Assertion, *, passed: bool, score: float) -> Result:
    """What a judge's verdict makes of a rubric: it also has to reach the assertion's threshold, if there is one."""
    if assertion.threshold is not None:
        passed = passed and score >= assertion.threshold
    if assertion.is_negated:
        passed, score = not passed, 1.0 - score
    return _result(assertion, passed=passed, score=score, why="the judge said otherwise")


def grade(results: Sequence[Result], *, threshold: float | None) -> Grade:
    """The weighted mean, and whether the case passed. At least one result has to weigh something."""
    score = mean([r.score for r in results], [r.weight for r in results])
    if threshold is not None:
        return Grade(score=score, passed=score >= threshold)
    return Grade(score=score, passed=all(r.passed for r in results if r.weight > 0.0))


def mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """A weighted mean of values in [0, 1]; rounding never leads outside."""
    weighted = math.fsum(value * weight for value, weight in zip(values, weights, strict=True))
    return min(1.0, max(0.0, weighted / math.fsum(weights)))


def _result(assertion: Assertion, *, passed: bool, score: float, why: str, work: int = 0) -> Result:
    return Result(
        name=assertion.name,
        passed=passed,
        score=score,
        weight=assertion.weight,
        why="" if passed else why[:200],
        work=work,
    )


def _within(assertion: Assertion, told: Told) -> Result:
    limit = assertion.threshold or 0.0
    if assertion.kind == "cost":
        passed = told.cost_micro <= limit * 1_000_000
        why = f"it cost {told.cost_micro / 1_000_000:g}, more than {limit:g}"
    else:
        passed = told.latency_ms <= limit
        why = f"it took {told.latency_ms:.0f} ms, more than {limit:g}"
    return _result(assertion, passed=passed, score=float(passed), why=why)


def _similar(assertion: Assertion, output: str) -> Result:
    score = similarity.cosine(str(assertion.value)[:MOST_COMPARED], output[:MOST_COMPARED])
    threshold = SIMILAR_THRESHOLD if assertion.threshold is None else assertion.threshold
    passed = score >= threshold
    if assertion.is_negated:
        passed, score = not passed, 1.0 - score
    why = f"its likeness to the reference is {score:.3f}, and the threshold {threshold:g}"
    return _result(assertion, passed=passed, score=score, why=why)


def _equals(value: Any, output: str) -> str:
    if isinstance(value, str):
        return "" if output == value else f"it is not {_shown(value)}"
    found, wrong = _parsed(output)
    return wrong or ("" if found == value else "it is another value")


def _contains(value: Any, output: str) -> str:
    return "" if value in output else f"it lacks {_shown(value)}"


def _icontains(value: Any, output: str) -> str:
    return _contains(value.lower(), output.lower()) and f"it lacks {_shown(value)}"


def _any(value: Any, output: str) -> str:
    found = any(word in output for word in value)
    return "" if found else f"it has none of {', '.join(map(_shown, value[:5]))}"


def _all(value: Any, output: str) -> str:
    missing = [word for word in value if word not in output]
    return f"it lacks {', '.join(map(_shown, missing[:5]))}" if missing else ""


def _folded(check: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    return lambda value, output: check([word.lower() for word in value], output.lower())


def _starts_with(value: Any, output: str) -> str:
    return "" if output.startswith(value) else f"it does not start with {_shown(value)}"


def _regex(value: Any, output: str) -> str:
    pattern = patterns.compiled(value)
    if pattern.work(output) > MOST_WORK:
        raise _Undecided(f"it is too long to be searched for {_shown(value)}")
    return "" if pattern.search(output) is not None else f"it does not match {_shown(value)}"


def _keeps(schema: Any, output: str, *, left: int) -> tuple[str, int]:
    """Why an output does not keep a schema, "" where it does, and the work that it took."""
    if left <= 0:
        raise _Undecided("the schemas before it took all the work that one case may")
    finding = schemas.compiled(schema).check(output)
    if finding.holds is None:
        raise _Undecided(finding.why, work=finding.work)
    return "" if finding.holds else finding.why or "it does not keep the schema", finding.work


_CHECKS: Mapping[str, Callable[[Any, str], str]] = {
    "equals": _equals,
    "contains": _contains,
    "icontains": _icontains,
    "contains-any": _any,
    "contains-all": _all,
    "icontains-any": _folded(_any),
    "icontains-all": _folded(_all),
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": lambda value, output: _parsed(output)[1],
}


def _parsed(output: str) -> tuple[Any, str]:
    """What a text says as JSON, or why it says nothing."""
    try:
        return schemas.parsed(output), ""
    except (ValueError, RecursionError):
        return None, "it is no JSON"


def _value(kind: str, value: Any) -> Any:
    if isinstance(value, str) and value.startswith("file://"):
        raise ValueError(f"{kind} reads a file, which is not done here: write the value itself.")
    if len(json.dumps(value, default=str)) > MOST_VALUE_CHARACTERS:
        raise ValueError(f"The value of {kind} has over {MOST_VALUE_CHARACTERS:,} characters.")
    if kind in _LISTS:
        words = value.split(",") if isinstance(value, str) else value
        words = [word.strip() if isinstance(value, str) else str(word) for word in words or ()]
        if not words or not all(words) or len(words) > MOST_WORDS:
            raise ValueError(f"{kind} takes 1 to {MOST_WORDS} words, as a list or by commas.")
        return words
    if kind == "is-json":
        return _schema(value)
    if kind == "equals":
        if value is None:
            raise ValueError("equals takes a value.")
        return value if isinstance(value, str | Mapping | list) else _spelled(value)
    if kind in ("cost", "latency"):
        return None
    if not isinstance(value, str | int | float) or value == "":
        raise ValueError(f"{kind} takes a text as its value.")
    text = _spelled(value)
    if kind == "regex":
        try:
            patterns.compiled(text)
        except patterns.InvalidPattern as wrong:
            raise ValueError(wrong.message) from None
    return text


def _schema(value: Any) -> Any:
    if isinstance(value, str):
        value, wrong = _parsed(value)
        if wrong:
            raise ValueError("is-json takes a schema as a mapping, or as a text of JSON.")
    if value is not None:
        if not isinstance(value, Mapping | bool):
            raise ValueError("is-json takes a schema as a mapping.")
        try:
            schemas.compiled(value)
        except schemas.InvalidSchema as wrong:
            raise ValueError(wrong.message) from None
    return value


def _threshold(kind: str, value: object) -> float | None:
    if value is None:
        if kind in ("cost", "latency"):
            raise ValueError(f"{kind} takes a threshold.")
        return None
    if kind in ("cost", "latency"):
        return _number("threshold", value, most=1e9)
    if kind in ("similar", RUBRIC):
        return _number("threshold", value, most=1.0)
    raise ValueError(f"{kind} takes no threshold.")


def _number(what: str, value: object, *, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is a number, not {str(value)[:40]!r}.")
    if not math.isfinite(value) or not 0.0 <= value <= most:
        raise ValueError(f"{what} is {value}; it must be 0 to {most:g}.")
    return float(value)


def _filled(kind: str, value: Any, variables: Mapping[str, Any]) -> Any:
    """A value with its placeholders filled; one that names no variable stands as it is."""
    # Before anything is built: a few placeholders of a long text are a great many characters.
    if sum(_length_filled(text, variables) for text in _texts(value)) > MOST_VALUE_CHARACTERS:
        raise ValueError(
            f"The value of {kind} has over {MOST_VALUE_CHARACTERS:,} characters, its placeholders filled in."
        )
    return _built(value, variables)


def _built(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: _fill(match, variables), value)
    if isinstance(value, list):
        return [_built(one, variables) for one in value]
    return value


def _texts(value: Any) -> Iterator[str]:
    """The texts of a value in which placeholders are filled."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _length_filled(text: str, variables: Mapping[str, Any]) -> int:
    matches = list(_PLACEHOLDER.finditer(text))
    stood = sum(match.end() - match.start() for match in matches)
    return len(text) - stood + sum(len(_fill(match, variables)) for match in matches)


def _fill(match: re.Match[str], variables: Mapping[str, Any]) -> str:
    return _spelled(variables.get(match[1], match[0]))


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…")
