"""What promptfoo writes (`promptfoo eval -o results.json`), read and checked without a database.

A row that can't be used is refused by itself, a row that measured nothing is left out, each with its reason. Three
shapes are in use: the summary of version 3 (prompts beside the results, each result naming its prompt by
number), of version 2 (a table whose head holds the prompts), and older ones without either, where each result brings
its prompt's template as its label or `display`.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mintmark.common import documents, errors

from . import import_report, promptfoo_prompts, promptfoo_providers, promptfoo_rows, strict_json
from .promptfoo_prompts import PromptfooPrompt
from .promptfoo_suite import EvaluatedTest, build_test_key, list_tests

MAX_FILE_BYTES = 256 * 2**20
MAX_PROBLEMS = 100
MAX_ID_LENGTH = 100
MAX_DESCRIPTION_LENGTH = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """One test of one prompt on one provider; `left_out` says why its score is no evidence."""

    row: int
    prompt: PromptfooPrompt
    provider: str
    model: str
    test: str
    score: float
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptfooEvaluation:
    """A whole file: its id (promptfoo's, or the file's own digest), what it says it is, when it ran, its results, its
    tests in their order, the rows that were refused and every reason for it."""

    id: str
    description: str
    at: datetime | None
    row_count: int
    results: Sequence[EvaluationResult]
    tests: Sequence[EvaluatedTest]
    refused_rows: Sequence[int]
    problems: Sequence[errors.FieldError]

    @property
    def suite(self) -> str:
        """The start of a digest of the tests, whatever their order: the same tests once more are the same suite."""
        keys = sorted({test.key for test in self.tests})
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]

    def count_contents(self) -> dict[str, int]:
        """What is in it, for a report."""
        return {
            "results": self.row_count,
            "prompts": len({result.prompt.text for result in self.results}),
            "providers": len({result.provider for result in self.results}),
            "tests": len({result.test for result in self.results}),
            "errors": sum(result.left_out in promptfoo_rows.FAILURES for result in self.results),
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
    """The evaluation that a file of results holds. `UnreadableSource` where it is none, or no row of it can be used."""
    reader = _ProblemCollector(file)
    summary = document.get("results") if isinstance(document, Mapping) else None
    if isinstance(summary, list):  # the oldest files are the summary itself
        summary = document
    if not isinstance(summary, Mapping) or not isinstance(summary.get("results"), list):
        reader.refuse("results", None, "There are no results: is it what promptfoo writes?")
        reader.raise_if_any()
    assert isinstance(summary, Mapping)
    heads = _parse_prompts(summary, reader)
    rows = summary["results"]
    if not rows:
        reader.refuse("results.results", 0, "There is no result in it.")
    at = _parse_time(summary.get("timestamp"), "results.timestamp", reader)
    config = document.get("config") if isinstance(document.get("config"), Mapping) else {}
    reader.raise_if_any()
    providers = promptfoo_providers.ProviderTable(config, heads)
    row_reader = _RowReader(heads=heads, providers=providers, problems=reader)
    results = [
        result for n, raw in enumerate(rows) if (result := row_reader.read(raw, n)) is not None
    ]
    if not results:
        reader.raise_if_any()
    known_rows = {result.row for result in results}
    id_ = document.get("evalId")
    return PromptfooEvaluation(
        id=id_
        if isinstance(id_, str) and 0 < len(id_) <= MAX_ID_LENGTH
        else f"sha256-{digest[:24]}",
        description=_shorten_description(str(config.get("description") or "")),
        at=at,
        row_count=len(rows),
        results=results,
        tests=list_tests([(n, raw) for n, raw in enumerate(rows) if n in known_rows]),
        refused_rows=[n for n in range(len(rows)) if n not in known_rows],
        problems=reader.problems,
    )


def _shorten_description(description: str) -> str:
    """A description as part of a name; a long one keeps apart from others that begin alike."""
    if len(description) <= MAX_DESCRIPTION_LENGTH:
        return description
    digest = hashlib.sha256(description.encode(errors="replace")).hexdigest()[:8]
    return f"{description[: MAX_DESCRIPTION_LENGTH - 9]} {digest}"


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


class _RowReader:
    """Reads row by row; what is wrong with a prompt is told once, and its other rows are counted."""

    def __init__(
        self,
        *,
        heads: Sequence[Mapping[str, Any]],
        providers: promptfoo_providers.ProviderTable,
        problems: _ProblemCollector,
    ) -> None:
        self.heads = heads
        self.providers = providers
        self.problems = problems
        self.told_problems: set[tuple[str, str]] = set()

    def read(self, raw: Any, n: int) -> EvaluationResult | None:
        """The result of a row; None where it is refused."""
        path = f"results.results.{n}"
        is_refused = False

        def refuse(field: str, value: object, message: str) -> None:
            nonlocal is_refused
            is_refused = True
            self.problems.refuse(f"{path}.{field}" if field else path, value, message, row=n)

        if not isinstance(raw, Mapping):
            refuse("", None, "A result is an object.")
            return None
        variables = raw.get("vars") or {}
        if not isinstance(variables, Mapping):
            refuse("vars", None, "They are an object of names and values.")
            variables = {}
        identity = promptfoo_providers.ProviderIdentity(name="", model="")
        try:
            identity = self.providers.identify(raw)
        except ValueError as error:
            refuse("provider", None, str(error))
        left_out = promptfoo_rows.explain_unmeasured(raw)
        score = raw.get("score")
        if left_out:
            score = 0.0
        elif (
            isinstance(score, bool)
            or not isinstance(score, int | float)
            or not math.isfinite(score)
        ):
            refuse("score", score, "A score is a number.")
        elif not 0.0 <= score <= 1.0:
            refuse(
                "score", score, "A score is 0 to 1 here; this one would need a scale of its own."
            )
        prompt = self._read_prompt(raw, variables, n)
        if is_refused or prompt is None:
            return None
        sent = raw.get("prompt")
        sent = sent.get("raw") if isinstance(sent, Mapping) else None
        return EvaluationResult(
            row=n,
            prompt=prompt,
            provider=identity.name,
            model=identity.model,
            test=build_test_key(raw),
            score=float(score or 0.0),
            left_out=left_out
            or promptfoo_prompts.explain_other_text(prompt, sent=sent, variables=variables),
        )

    def _read_prompt(
        self, raw: Mapping[str, Any], variables: Mapping[str, Any], n: int
    ) -> PromptfooPrompt | None:
        path = f"results.results.{n}.prompt"
        try:
            template, label, head = _find_template(raw, self.heads)
        except ValueError as error:
            self.problems.refuse(path, None, str(error), row=n)
            return None
        if not template.strip():
            message = "There is no text of its prompt, here or in the head."
            self.problems.refuse(path, None, message, row=n)
            return None
        prompt = promptfoo_prompts.map_prompt(template, label)
        place = path if head is None else f"results.prompts.{head}"
        if prompt.problems:
            for problem in prompt.problems:
                self._refuse_template(template, place, problem.excerpt, problem.message, row=n)
            return None
        if name := promptfoo_prompts.find_clash(prompt, variables=variables):
            message = (
                f"{{{name}}} is letters in promptfoo; here it would be the variable {name!r} of the test. "
                "Rename one of them."
            )
            self._refuse_template(template, place, f"{{{name}}}", message, row=n)
            return None
        return prompt

    def _refuse_template(
        self, template: str, place: str, excerpt: str, message: str, *, row: int
    ) -> None:
        if (template, message) not in self.told_problems:
            self.told_problems.add((template, message))
            self.problems.refuse(place, excerpt, message, row=row)


def _find_template(
    raw: Mapping[str, Any], heads: Sequence[Mapping[str, Any]]
) -> tuple[str, str, int | None]:
    """The text of a result's prompt before its variables were filled in, what it is called, and its number in the head.

    Raises ValueError where the label stands for several texts.
    """
    prompt_fields = raw.get("prompt")
    prompt_fields = prompt_fields if isinstance(prompt_fields, Mapping) else {"raw": prompt_fields}
    label = str(prompt_fields.get("label") or prompt_fields.get("display") or "")
    number: int | None = raw.get("promptIdx")
    if not isinstance(number, int) or not 0 <= number < len(heads):
        same = [n for n, head in enumerate(heads) if label and _get_prompt_label(head) == label]
        number = same[0] if same else None
        if len({str(heads[n].get("raw")) for n in same}) > 1:
            raise ValueError(f"The label {label[:60]!r} stands for several texts in the head.")
    head = heads[number] if number is not None else {}
    text = head.get("raw") or label or prompt_fields.get("raw") or ""
    return str(text) if isinstance(text, str) else "", label or _get_prompt_label(head), number


def _get_prompt_label(prompt: Mapping[str, Any]) -> str:
    return str(prompt.get("label") or prompt.get("display") or "")


def _parse_time(value: object, path: str, reader: _ProblemCollector) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        reader.refuse(path, value, "It is not a time such as 2026-01-31T12:00:00Z.")
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
