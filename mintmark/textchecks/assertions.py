"""Assertions on an output, with promptfoo's names and meaning:
https://www.promptfoo.dev/docs/configuration/expected-outputs/

Those that would run code from a file are refused by name. A value's templates are Nunjucks' (`textchecks.nunjucks`);
what promptfoo refuses or takes as nothing is refused. `similar` compares spelling (`textchecks.similarity`), not
embeddings, so its figures are lower than promptfoo's for texts that say the same in other words.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.textchecks import nunjucks, regex, similarity
from mintmark.textchecks.json_schema import validator, work_budget

RUBRIC = "llm-rubric"
"""The one kind that only a judge can decide."""

RUNS_CODE = frozenset({"javascript", "python", "ruby", "webhook"})
TEXT_KINDS = frozenset(
    {
        "equals", "contains", "icontains", "contains-any", "contains-all", "icontains-any", "icontains-all",
        "starts-with", "regex", "is-json", "similar",
    }
)  # fmt: skip
KINDS = TEXT_KINDS | {"cost", "latency", RUBRIC}
"""The kinds that are decided here; each but cost and latency may also be negated by `not-` before it."""

MAX_WORDS = 1_000
MAX_VALUE_CHARACTERS = 100_000
SIMILAR_THRESHOLD = 0.75
MAX_COMPARED_CHARACTERS = 200_000
"""How many characters of an output `similar` reads."""

MAX_WORK = 500_000_000
"""The most steps that a pattern may take at worst. Where an output would take more, the assertion fails, negated or
not."""

MAX_SCHEMA_WORK = 2 * work_budget.MAX_WORK
"""The work after which no further schema of a case is tried on its output."""

_LIST_KINDS = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
_FIELDS = frozenset({"type", "value", "threshold", "weight", "metric"})
_TEXT_ONLY_KINDS = frozenset({"starts-with", "regex", "similar"})
_MAX_QUOTED_CHARACTERS = 80
_QUOTED_WORD = re.compile(r'[\s,]*"((?>\\["\\]|""|[^"])*+)"\s*(?=,|\Z)')
_PLAIN_WORD = re.compile(r"[\s,]*([^,]*)")
_ESCAPED_QUOTE = re.compile(r'\\["\\]|""')


class _Undecided(Exception):
    """An assertion can't be decided on this output: it fails, negated by `not-` or not."""

    def __init__(self, reason: str, *, work: int = 0) -> None:
        super().__init__(reason)
        self.work = work


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One validated assertion: `value` is a text, a list of texts, a schema, or None where none is needed."""

    kind: str
    is_negated: bool
    value: Any
    threshold: float | None
    weight: float

    @property
    def name(self) -> str:
        """The name as it is written in a ritual."""
        return ("not-" if self.is_negated else "") + self.kind

    @property
    def needs_judge(self) -> bool:
        return self.kind == RUBRIC


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyMeta:
    """What is known of a reply beside its text: its cost and its latency."""

    cost_micro: int
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionResult:
    """The result of one assertion on an output: `score` in [0, 1]; if it failed, `reason` says what was missing. `work`
    is the work that its schema took (see `json_schema.work_budget`)."""

    name: str
    passed: bool
    score: float
    weight: float
    reason: str
    work: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "passed": self.passed,
            "score": self.score,
            "weight": self.weight,
            "why": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionGrade:
    """The result of all assertions of a case: `score` is their weighted mean. The case passed if that reaches its
    threshold or, without a threshold, if each assertion with a weight above 0 passed."""

    score: float
    passed: bool


def parse_assertion(raw: object, *, variables: Mapping[str, Any]) -> Assertion:
    """Parse an assertion of a ritual, with its `{{placeholders}}` filled in. Raises ValueError, which says what is
    wrong."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("type"), str):
        raise ValueError("An assertion is a mapping with a `type`, such as `type: contains`.")
    name = raw["type"]
    kind = name.removeprefix("not-")
    if kind in RUNS_CODE:
        raise ValueError(
            f"{name!r} runs code from a file, which is not supported: use another assertion."
        )
    if kind not in KINDS or (name != kind and kind in ("cost", "latency")):
        known = ", ".join(sorted(KINDS))
        raise ValueError(f"{name[:60]!r} is not a supported assertion: use {known}.")
    if unknown_fields := sorted(map(str, raw.keys() - _FIELDS)):
        raise ValueError(
            f"{name} has {', '.join(unknown_fields)[:100]}, which is not supported: remove it."
        )
    return Assertion(
        kind=kind,
        is_negated=name != kind,
        value=_parse_value(kind, _fill_placeholders(kind, raw.get("value"), variables)),
        threshold=_parse_threshold(kind, raw.get("threshold")),
        weight=_parse_number("weight", raw.get("weight", 1.0), maximum=1_000_000.0),
    )


def has_placeholders(raw: object) -> bool:
    """Whether an assertion's value holds templates, so that each case has its own assertion."""
    value = raw.get("value") if isinstance(raw, Mapping) else None
    return any(nunjucks.has_tags(text) for text in _iterate_texts(value))


def get_size(assertion: Assertion) -> int:
    """The size of its pattern or schema (`regex.Pattern.size`, `CompiledSchema.size`); 0 for other kinds."""
    if assertion.kind == "regex":
        return regex.compile_pattern(assertion.value).size
    if assertion.kind == "is-json" and assertion.value is not None:
        return validator.compile_schema(assertion.value).size
    return 0


def check_assertion(
    assertion: Assertion,
    *,
    output: str,
    reply_meta: ReplyMeta,
    remaining_work: int = MAX_SCHEMA_WORK,
) -> AssertionResult:
    """Check an assertion on an output. A rubric is decided by a judge instead: see `apply_judgement`.

    If no `remaining_work` is left for the schemas of a case, a schema is not tried, and the assertion fails.
    """
    if assertion.kind in ("cost", "latency"):
        return _check_limit(assertion, reply_meta)
    if assertion.kind == "similar":
        return _check_similarity(assertion, output)
    work = 0
    try:
        if assertion.kind == "is-json" and assertion.value is not None:
            reason, work = _check_schema(assertion.value, output, remaining_work=remaining_work)
        else:
            reason = _CHECKS[assertion.kind](assertion.value, output)
    except _Undecided as undecided:
        return _build_result(
            assertion, passed=False, score=0.0, reason=str(undecided), work=undecided.work
        )
    passed = (not reason) != assertion.is_negated
    return _build_result(
        assertion,
        passed=passed,
        score=float(passed),
        reason=reason or "it does so, and must not",
        work=work,
    )


def apply_judgement(assertion: Assertion, *, passed: bool, score: float) -> AssertionResult:
    """The result of a rubric from a judge's decision: the score also has to reach the assertion's threshold, if there
    is one."""
    if assertion.threshold is not None:
        passed = passed and score >= assertion.threshold
    if assertion.is_negated:
        passed, score = not passed, 1.0 - score
    return _build_result(
        assertion, passed=passed, score=score, reason="the judge decided that it fails"
    )


def grade_results(results: Sequence[AssertionResult], *, threshold: float | None) -> AssertionGrade:
    """The weighted mean, and whether the case passed. At least one result must have a weight above 0."""
    score = weighted_mean([r.score for r in results], [r.weight for r in results])
    if threshold is not None:
        return AssertionGrade(score=score, passed=score >= threshold)
    return AssertionGrade(score=score, passed=all(r.passed for r in results if r.weight > 0.0))


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean of values in [0, 1]; rounding never leads outside [0, 1]."""
    weighted = math.fsum(value * weight for value, weight in zip(values, weights, strict=True))
    return min(1.0, max(0.0, weighted / math.fsum(weights)))


def _build_result(
    assertion: Assertion, *, passed: bool, score: float, reason: str, work: int = 0
) -> AssertionResult:
    return AssertionResult(
        name=assertion.name,
        passed=passed,
        score=score,
        weight=assertion.weight,
        reason="" if passed else reason[:200],
        work=work,
    )


def _check_limit(assertion: Assertion, reply_meta: ReplyMeta) -> AssertionResult:
    limit = assertion.threshold or 0.0
    if assertion.kind == "cost":
        passed = reply_meta.cost_micro <= limit * 1_000_000
        reason = f"it cost {reply_meta.cost_micro / 1_000_000:g}, more than {limit:g}"
    else:
        passed = reply_meta.latency_ms <= limit
        reason = f"it took {reply_meta.latency_ms:.0f} ms, more than {limit:g}"
    return _build_result(assertion, passed=passed, score=float(passed), reason=reason)


def _check_similarity(assertion: Assertion, output: str) -> AssertionResult:
    score = similarity.cosine(
        str(assertion.value)[:MAX_COMPARED_CHARACTERS], output[:MAX_COMPARED_CHARACTERS]
    )
    threshold = SIMILAR_THRESHOLD if assertion.threshold is None else assertion.threshold
    passed = score >= threshold
    if assertion.is_negated:
        passed, score = not passed, 1.0 - score
    reason = f"its similarity to the reference is {score:.3f}, below the threshold of {threshold:g}"
    return _build_result(assertion, passed=passed, score=score, reason=reason)


def _check_equals(value: Any, output: str) -> str:
    if isinstance(value, str):
        return "" if output == value else f"it is not {_quote(value)}"
    output_value, wrong = _parse_json(output)
    return wrong or ("" if _is_same_json(output_value, value) else "it is another value")


def _check_contains(value: Any, output: str) -> str:
    return "" if value in output else f"it lacks {_quote(value)}"


def _check_icontains(value: Any, output: str) -> str:
    return _check_contains(value.lower(), output.lower()) and f"it lacks {_quote(value)}"


def _check_any(value: Any, output: str) -> str:
    is_contained = any(word in output for word in value)
    return "" if is_contained else f"it has none of {', '.join(map(_quote, value[:5]))}"


def _check_all(value: Any, output: str) -> str:
    missing = [word for word in value if word not in output]
    return f"it lacks {', '.join(map(_quote, missing[:5]))}" if missing else ""


def _ignore_case(check: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    return lambda value, output: check([word.lower() for word in value], output.lower())


def _check_starts_with(value: Any, output: str) -> str:
    return "" if output.startswith(value) else f"it does not start with {_quote(value)}"


def _check_regex(value: Any, output: str) -> str:
    pattern = regex.compile_pattern(value)
    if pattern.estimate_work(output) > MAX_WORK:
        raise _Undecided(f"it is too long to be searched for {_quote(value)}")
    return "" if pattern.search(output) is not None else f"it does not match {_quote(value)}"


def _check_schema(schema: Any, output: str, *, remaining_work: int) -> tuple[str, int]:
    """Why an output does not match a schema ("" if it does), and the work that the check took."""
    if remaining_work <= 0:
        raise _Undecided("the schemas before it took all the work that one case may")
    finding = validator.compile_schema(schema).check(output)
    if finding.holds is None:
        raise _Undecided(finding.reason, work=finding.work)
    return "" if finding.holds else finding.reason or "it does not match the schema", finding.work


_CHECKS: Mapping[str, Callable[[Any, str], str]] = {
    "equals": _check_equals,
    "contains": _check_contains,
    "icontains": _check_icontains,
    "contains-any": _check_any,
    "contains-all": _check_all,
    "icontains-any": _ignore_case(_check_any),
    "icontains-all": _ignore_case(_check_all),
    "starts-with": _check_starts_with,
    "regex": _check_regex,
    "is-json": lambda value, output: _parse_json(output)[1],
}


def _parse_json(output: str) -> tuple[Any, str]:
    """The JSON value of a text, or the reason why it has none."""
    try:
        return validator.parse_json(output), ""
    except (ValueError, RecursionError):
        return None, "it is not JSON"


def _parse_value(kind: str, value: Any) -> Any:
    if isinstance(value, str) and value.startswith("file://"):
        raise ValueError(f"{kind} reads a file, which is not supported: write the value itself.")
    if len(json.dumps(value, default=str)) > MAX_VALUE_CHARACTERS:
        raise ValueError(f"The value of {kind} has over {MAX_VALUE_CHARACTERS:,} characters.")
    if kind in _LIST_KINDS:
        return _parse_words(kind, value)
    if kind == "is-json":
        return _parse_schema(value)
    if kind == "equals":
        if value is None:
            raise ValueError("equals takes a value.")
        return value if isinstance(value, Mapping | list) else nunjucks.to_js_text(value)
    if kind in ("cost", "latency"):
        return None
    types = str if kind in _TEXT_ONLY_KINDS else str | int | float
    if not isinstance(value, types) or isinstance(value, bool) or value == "":
        raise ValueError(f"{kind} takes a text as its value, and {str(value)[:40]!r} is none.")
    text = nunjucks.to_js_text(value)
    if kind == "regex":
        try:
            regex.compile_pattern(text)
        except regex.InvalidPattern as wrong:
            raise ValueError(wrong.message) from None
    return text


def _parse_words(kind: str, value: Any) -> list[str]:
    if isinstance(value, str):
        words = _split_words(kind, value)
    elif isinstance(value, list):
        words = [nunjucks.to_js_text(word) for word in value]
    else:
        words = []
    if not words or not all(words) or len(words) > MAX_WORDS:
        raise ValueError(f"{kind} takes 1 to {MAX_WORDS} words, as a list or by commas.")
    return words


def _split_words(kind: str, value: str) -> list[str]:
    """The words of a text parted by commas; `"` holds together what has commas in it, as in promptfoo."""
    words, at = [], 0
    while at < len(value):
        match = _QUOTED_WORD.match(value, at) or _PLAIN_WORD.match(value, at)
        assert match is not None  # a plain word may be empty
        if match.re is _QUOTED_WORD:
            words.append(_ESCAPED_QUOTE.sub(lambda escape: escape[0][1:], match[1]))
        elif match[1].startswith('"'):
            raise ValueError(
                f"{kind}: a quote has no end, or no comma after it: {match[1][:40]!r}."
            )
        elif match[1]:
            words.append(match[1].rstrip())
        at = match.end()
    return words


def _is_same_json(first: Any, second: Any) -> bool:
    """Whether two values of JSON are the same: 1 is 1.0, and neither is true."""
    pairs = [(first, second)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, bool) or isinstance(right, bool):
            is_same = left is right
        elif isinstance(left, Mapping) and isinstance(right, Mapping):
            is_same = left.keys() == right.keys()
            pairs += [(left[key], right[key]) for key in left if is_same]
        elif isinstance(left, list) and isinstance(right, list):
            is_same = len(left) == len(right)
            pairs += zip(left, right, strict=False)
        else:
            is_same = left == right
        if not is_same:
            return False
    return True


def _parse_schema(value: Any) -> Any:
    if isinstance(value, str):
        value, wrong = _parse_json(value)
        if wrong:
            raise ValueError("is-json takes a schema as a mapping, or as a text of JSON.")
    if value is not None:
        if not isinstance(value, Mapping):
            raise ValueError("is-json takes a schema as a mapping.")
        try:
            validator.compile_schema(value)
        except validator.InvalidSchema as wrong:
            raise ValueError(wrong.message) from None
    return value


def _parse_threshold(kind: str, value: object) -> float | None:
    if value is None:
        if kind in ("cost", "latency"):
            raise ValueError(f"{kind} takes a threshold.")
        return None
    if kind in ("cost", "latency"):
        return _parse_number("threshold", value, maximum=1e9)
    if kind in ("similar", RUBRIC):
        return _parse_number("threshold", value, maximum=1.0)
    raise ValueError(f"{kind} takes no threshold.")


def _parse_number(field: str, value: object, *, maximum: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{field} is a number, not {str(value)[:40]!r}.")
    if not math.isfinite(value) or not 0.0 <= value <= maximum:
        raise ValueError(f"{field} is {value}; it must be 0 to {maximum:g}.")
    return float(value)


def _fill_placeholders(kind: str, value: Any, variables: Mapping[str, Any]) -> Any:
    """A value with its templates filled in, as promptfoo does: a text, or the texts of a list; nothing deeper."""
    # Checked before anything is built: a few placeholders of a long text can become very long.
    size = sum(nunjucks.measure(text, variables=variables) for text in _iterate_texts(value))
    if size > MAX_VALUE_CHARACTERS:
        raise ValueError(
            f"The value of {kind} has over {MAX_VALUE_CHARACTERS:,} characters, its placeholders filled in."
        )
    if isinstance(value, str):
        return nunjucks.render(value, variables=variables)
    if isinstance(value, list):
        return [
            nunjucks.render(item, variables=variables) if isinstance(item, str) else item
            for item in value
        ]
    return value


def _iterate_texts(value: Any) -> Iterator[str]:
    """The texts of a value in which templates are filled."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))


def _quote(value: str) -> str:
    return repr(
        value if len(value) <= _MAX_QUOTED_CHARACTERS else value[: _MAX_QUOTED_CHARACTERS - 1] + "…"
    )
