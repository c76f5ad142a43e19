"""What promptfoo writes (`promptfoo eval -o results.json`), read and checked without a database.

Three shapes are in use: the summary of version 3 (prompts beside the results, each result naming its prompt by
number), of version 2 (a table whose head holds the prompts), and older ones without either, where each result brings
its prompt's template as its label or `display`.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mintmark.common import documents, errors

from . import import_report, strict_json

MAX_FILE_BYTES = 256 * 2**20
MAX_PROBLEMS = 100
_ERROR = 2  # promptfoo's ResultFailureReason.ERROR: the provider failed, nothing was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """One test of one prompt on one provider; `score` is None where the provider failed and nothing was measured."""

    row: int
    template: str
    label: str
    provider: str
    model: str
    test: str
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptfooEvaluation:
    """A whole file: its id (promptfoo's, or the file's own digest), when it ran, its results, and its tests as a ritual
    would state them, in their order."""

    id: str
    description: str
    at: datetime | None
    results: Sequence[EvaluationResult]
    tests: Sequence[Mapping[str, Any]]

    def count_contents(self) -> dict[str, int]:
        """What is in it, for a report."""
        return {
            "results": len(self.results),
            "prompts": len({result.template for result in self.results}),
            "providers": len({result.provider for result in self.results}),
            "tests": len({result.test for result in self.results}),
            "errors": sum(result.score is None for result in self.results),
        }


class _ProblemCollector:
    """Collects the places that are wrong, so that all of them are told at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[errors.FieldError] = []

    def refuse(self, path: str, value: object, message: str, *, row: int = 0) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            shown_value = value if isinstance(value, str | int | float) else None
            self.problems.append(
                import_report.SourceFieldError(
                    row=row, field=path, value=shown_value, message=message, file=self.file.name
                )
            )

    def raise_if_any(self) -> None:
        if self.problems:
            raise import_report.build_unreadable_source(
                source_name=str(self.file), rows=self.problems
            )


def load_document(*, file: Path) -> Any:
    """The values of a file of JSON (of results as well) or YAML. `UnreadableSource` where it is neither."""
    reader = _ProblemCollector(file)
    raw = b""
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            reader.refuse("", size, f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.")
        else:
            raw = file.read_bytes()
    except OSError as io_error:
        reader.refuse("", None, f"It can't be read: {io_error.strerror}.")
    reader.raise_if_any()
    try:
        if file.suffix.lower() == ".json":
            return strict_json.loads(raw.decode("utf-8-sig"))
        return documents.parse_document(raw)
    except errors.DomainError as error:
        reader.refuse("", None, error.message)
    except UnicodeDecodeError as io_error:
        reader.refuse("", None, f"It is not UTF-8: byte {io_error.start}.")
    except json.JSONDecodeError as io_error:
        reader.refuse("", None, f"line {io_error.lineno}, column {io_error.colno}: {io_error.msg}.")
    except (ValueError, RecursionError) as io_error:
        message = "it is nested too deep" if isinstance(io_error, RecursionError) else str(io_error)
        reader.refuse("", None, f"It is not valid JSON: {message}.")
    reader.raise_if_any()
    raise AssertionError("what can't be read was refused")


def parse_evaluation(document: Any, *, file: Path, digest: str) -> PromptfooEvaluation:
    """The evaluation that a file of results holds. `UnreadableSource` names every place that is wrong."""
    reader = _ProblemCollector(file)
    summary = document.get("results") if isinstance(document, Mapping) else None
    if isinstance(summary, list):  # the oldest files are the summary itself
        summary = document
    if not isinstance(summary, Mapping) or not isinstance(summary.get("results"), list):
        reader.refuse("results", None, "There are no results: is it what promptfoo writes?")
        reader.raise_if_any()
    assert isinstance(summary, Mapping)
    prompts = _parse_prompts(summary, reader)
    rows = summary["results"]
    if not rows:
        reader.refuse("results.results", 0, "There is no result in it.")
    results = [
        result
        for n, raw in enumerate(rows)
        if (result := _parse_result(raw, n, prompts, reader)) is not None
    ]
    at = _parse_time(summary.get("timestamp"), "results.timestamp", reader)
    config = document.get("config") if isinstance(document.get("config"), Mapping) else {}
    reader.raise_if_any()
    id_ = document.get("evalId")
    return PromptfooEvaluation(
        id=id_ if isinstance(id_, str) and 0 < len(id_) <= 100 else f"sha256-{digest[:24]}",
        description=str(config.get("description") or "")[:150],
        at=at,
        results=results,
        tests=list(_iter_tests(rows)),
    )


def _parse_prompts(
    summary: Mapping[str, Any], reader: _ProblemCollector
) -> Sequence[Mapping[str, Any]]:
    """The prompts of the head: beside the results in version 3, in the table's head in version 2."""
    table = summary.get("table")
    head = table.get("head") if isinstance(table, Mapping) else None
    prompts = summary.get("prompts") or (head or {}).get("prompts") or []
    if not isinstance(prompts, list) or not all(isinstance(prompt, Mapping) for prompt in prompts):
        reader.refuse("results.prompts", None, "It is a list of prompts.")
        return []
    return prompts


def _parse_result(
    raw: Any, n: int, prompts: Sequence[Mapping[str, Any]], reader: _ProblemCollector
) -> EvaluationResult | None:
    path = f"results.results.{n}"
    before = len(reader.problems)

    def refuse(field: str, value: object, message: str) -> None:
        reader.refuse(f"{path}.{field}" if field else path, value, message, row=n)

    if not isinstance(raw, Mapping):
        refuse("", None, "A result is an object.")
        return None
    template, label = _find_template(raw, prompts)
    if not template.strip():
        refuse("prompt", None, "There is no text of its prompt, here or in the head.")
    provider = raw.get("provider")
    provider_fields = provider if isinstance(provider, Mapping) else {"id": provider}
    model = provider_fields.get("id")
    if not isinstance(model, str) or not model:
        refuse("provider", None, "It does not say which provider answered.")
        model = ""
    variables = raw.get("vars", {})
    if not isinstance(variables, Mapping):
        refuse("vars", None, "They are an object of names and values.")
        variables = {}
    score = raw.get("score")
    is_error = raw.get("failureReason") == _ERROR or (
        bool(raw.get("error")) and not raw.get("gradingResult") and not raw.get("response")
    )
    if is_error:
        score = None
    elif isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        refuse("score", score, "A score is a number.")
        score = None
    elif not 0.0 <= score <= 1.0:
        refuse("score", score, "A score is 0 to 1 here; this one would need a scale of its own.")
    if len(reader.problems) > before:
        return None
    return EvaluationResult(
        row=n,
        template=template,
        label=label,
        provider=str(provider_fields.get("label") or model),
        model=model,
        test=_build_test_key(raw, variables),
        score=None if score is None else float(score),
    )


def _find_template(raw: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The text of a result's prompt before its variables were filled in, and what it is called."""
    prompt_fields = raw.get("prompt")
    prompt_fields = prompt_fields if isinstance(prompt_fields, Mapping) else {"raw": prompt_fields}
    label = str(prompt_fields.get("label") or prompt_fields.get("display") or "")
    number = raw.get("promptIdx")
    head: Mapping[str, Any] = {}
    if isinstance(number, int) and 0 <= number < len(prompts):
        head = prompts[number]
    else:
        same = [prompt for prompt in prompts if label and _get_prompt_label(prompt) == label]
        head = same[0] if same else {}
    text = head.get("raw") or label or prompt_fields.get("raw") or ""
    return str(text) if isinstance(text, str) else "", label or _get_prompt_label(head)


def _get_prompt_label(prompt: Mapping[str, Any]) -> str:
    return str(prompt.get("label") or prompt.get("display") or "")


def _build_test_key(raw: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    number = raw.get("testIdx")
    if isinstance(number, int):
        return f"test {number}"
    return json.dumps(variables, sort_keys=True, default=str)


def _iter_tests(rows: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """Each test once, with the variables it was run with and the assertions it states."""
    known_keys: set[str] = set()
    for raw in rows:
        variables = raw.get("vars") or {}
        key = _build_test_key(raw, variables)
        if key in known_keys:
            continue
        known_keys.add(key)
        case = raw.get("testCase") or raw.get("test") or {}
        case = case if isinstance(case, Mapping) else {}
        graded = raw.get("gradingResult")
        component_results = graded.get("componentResults") if isinstance(graded, Mapping) else None
        assertions = case.get("assert") or [
            component["assertion"]
            for component in component_results or []
            if isinstance(component, Mapping) and isinstance(component.get("assertion"), Mapping)
        ]
        yield {
            "description": case.get("description"),
            "vars": variables,
            "assert": assertions,
            "threshold": case.get("threshold"),
        }


def _parse_time(value: object, path: str, reader: _ProblemCollector) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        reader.refuse(path, value, "It is not a time such as 2026-01-31T12:00:00Z.")
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
