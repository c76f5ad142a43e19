"""Whether a row of promptfoo's results measured anything, and with which scale its score is a share of the best.

promptfoo writes a score for every row: 1 where nothing was asserted, 0 where the provider or a grader broke down. Only
a row that some weighted assertion decided is evidence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PROVIDER_FAILED = "the provider failed"
GRADER_FAILED = "a grader failed, so an assertion was not decided"
NOTHING_ASSERTED = "nothing was asserted"
NOTHING_WEIGHS = "no assertion weighs anything"
HALF_SCALE = "perplexity-score ends at 0.5"
NO_LABEL = "classifier without a label says how sure it is, not how good"
EMPTY_REFUSAL = "is-refusal took an empty answer for a refusal and scored it 0"
NO_GUARDRAIL = "the provider has no guardrails, which guardrails counts as passed"

FAILURES = frozenset({PROVIDER_FAILED, GRADER_FAILED})
_ERROR, _ASSERTION = 2, 1  # promptfoo's ResultFailureReason
# These can't break down: what they say of an output is about the output.
_TEXT_KINDS = frozenset(
    {
        "contains", "contains-all", "contains-any", "contains-json", "cost", "equals", "icontains", "icontains-all",
        "icontains-any", "is-json", "latency", "levenshtein", "regex", "starts-with",
    }
)  # fmt: skip
# What graders and code say of themselves when they break down, in the versions from 2023 to 0.123.1.
_BROKEN_GRADER = re.compile(
    r"(?:API (?:call |response )?error|Could not (?:extract JSON|parse|perform remote grading)|"
    r"Custom function threw error|Embedding not found|Error parsing output|G-Eval criterion .* failed:|Grading failed|"
    r"[\w-]+ produced malformed response|Moderation API error|No output\b|Python (?:code )?execution failed|"
    r"Remote grading|Ruby code execution failed|Search rubric evaluation failed|Similarity API error|"
    r"Unknown error fetching|Webhook error|(?:Error: )?(?:Request timed out|Python worker|connect ECONN|fetch failed))",
    re.IGNORECASE | re.DOTALL,
)


def explain_unmeasured(row: Mapping[str, Any]) -> str:
    """Why a row measured nothing, or nothing that can be counted; empty where it did."""
    graded = _get_mapping(row, "gradingResult")
    response = _get_mapping(row, "response")
    failure = row.get("failureReason")
    has_output = response.get("output") not in (None, "")
    if failure == _ERROR:
        return GRADER_FAILED if has_output and not response.get("error") else PROVIDER_FAILED
    is_undecided = not graded and failure not in (0, _ASSERTION)
    if is_undecided and (row.get("error") or response.get("error")):
        return GRADER_FAILED if has_output else PROVIDER_FAILED
    components = [*_iterate_components(graded)]
    assertions = [*iterate_assertions(list_assertions(row))]
    if any(_is_broken(component) for component in components):
        return GRADER_FAILED
    if (
        not components
        and any(kind not in _TEXT_KINDS for kind in map(_get_kind, assertions))
        and _BROKEN_GRADER.match(str(graded.get("reason") or ""))
    ):
        return GRADER_FAILED
    if graded.get("reason") == "No assertions":
        return NOTHING_ASSERTED
    if not assertions:
        is_decided = bool(graded.get("reason")) or failure == _ASSERTION
        return "" if is_decided else NOTHING_ASSERTED
    weighted = [assertion for assertion in assertions if _get_weight(assertion) != 0]
    if not weighted:
        return NOTHING_WEIGHS
    return _explain_scale(weighted, components)


def list_assertions(row: Mapping[str, Any]) -> Sequence[Any]:
    """The assertions that a row's test states, else those of its grading."""
    case = _get_mapping(row, "testCase") or _get_mapping(row, "test")
    stated = case.get("assert")
    if isinstance(stated, list) and stated:
        return stated
    graded = _get_mapping(row, "gradingResult")
    return [
        component["assertion"]
        for component in _iterate_components(graded)
        if isinstance(component.get("assertion"), Mapping)
    ]


def iterate_assertions(assertions: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """Each assertion, those of sets as well; one in a set that weighs nothing weighs nothing."""
    for assertion in assertions:
        if not isinstance(assertion, Mapping):
            continue
        inner = assertion.get("assert")
        if assertion.get("type") == "assert-set" and isinstance(inner, list):
            is_weighted = _get_weight(assertion) != 0
            for nested in iterate_assertions(inner):
                yield nested if is_weighted else {**nested, "weight": 0}
        else:
            yield assertion


def _explain_scale(
    weighted: Sequence[Mapping[str, Any]], components: Sequence[Mapping[str, Any]]
) -> str:
    for assertion in weighted:
        kind = _get_kind(assertion)
        if kind == "perplexity-score":
            return HALF_SCALE
        if kind == "classifier" and not assertion.get("value"):
            return NO_LABEL
    for component in components:
        assertion = _get_mapping(component, "assertion")
        kind = _get_kind(assertion)
        if _get_weight(assertion) == 0:
            continue
        if kind == "is-refusal" and component.get("pass") is True and component.get("score") == 0:
            return EMPTY_REFUSAL
        reason = str(component.get("reason") or "").lower()
        if kind == "guardrails" and "not applied" in reason:
            return NO_GUARDRAIL
    return ""


def _is_broken(component: Mapping[str, Any]) -> bool:
    assertion = _get_mapping(component, "assertion")
    if _get_weight(assertion) == 0:
        return False
    if _get_mapping(component, "metadata").get("graderError"):
        return True
    reason = str(component.get("reason") or "")
    return _get_kind(assertion) not in _TEXT_KINDS and bool(_BROKEN_GRADER.match(reason))


def _iterate_components(graded: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    components = graded.get("componentResults")
    for component in components if isinstance(components, list) else []:
        if isinstance(component, Mapping):
            yield component


def _get_kind(assertion: Mapping[str, Any]) -> str:
    return str(assertion.get("type") or "").removeprefix("not-")


def _get_weight(assertion: Mapping[str, Any]) -> object:
    weight = assertion.get("weight")
    return 1 if weight is None else weight


def _get_mapping(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}
