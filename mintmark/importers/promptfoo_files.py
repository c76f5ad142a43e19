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

from mintmark.core import errors
from mintmark.rituals import documents

from . import reports

MAX_FILE_BYTES = 256 * 2**20
MOST_PLACES = 100
_ERROR = 2  # promptfoo's ResultFailureReason.ERROR: the provider failed, nothing was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test of one prompt on one provider; `score` is None where the provider failed and nothing was measured."""

    row: int
    template: str
    label: str
    provider: str
    model: str
    test: str
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A whole file: its id (promptfoo's, or the file's own digest), when it ran, its results, and its tests as a ritual
    would state them, in their order."""

    id: str
    description: str
    at: datetime | None
    results: Sequence[Result]
    tests: Sequence[Mapping[str, Any]]

    def counts(self) -> dict[str, int]:
        """What is in it, for a report."""
        return {
            "results": len(self.results),
            "prompts": len({one.template for one in self.results}),
            "providers": len({one.provider for one in self.results}),
            "tests": len({one.test for one in self.results}),
            "errors": sum(one.score is None for one in self.results),
        }


class _Reader:
    """Collects the places that are wrong, so that all of them are told at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.places: list[errors.Row] = []

    def refuse(self, path: str, value: object, message: str, *, row: int = 0) -> None:
        if len(self.places) < MOST_PLACES:
            shown = value if isinstance(value, str | int | float) else None
            self.places.append(
                reports.Place(
                    row=row, field=path, value=shown, message=message, file=self.file.name
                )
            )

    def check(self) -> None:
        if self.places:
            raise reports.unreadable(what=str(self.file), places=self.places)


def document(*, file: Path) -> Any:
    """The values of a file of JSON (of results as well) or YAML. `UnreadableSource` where it is neither."""
    reader = _Reader(file)
    raw = b""
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            reader.refuse("", size, f"It has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.")
        else:
            raw = file.read_bytes()
    except OSError as failed:
        reader.refuse("", None, f"It can't be read: {failed.strerror}.")
    reader.check()
    try:
        if file.suffix.lower() == ".json":
            return json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
        return documents.read(raw)
    except errors.Refusal as refused:
        reader.refuse("", None, refused.message)
    except UnicodeDecodeError as failed:
        reader.refuse("", None, f"It is not UTF-8: byte {failed.start}.")
    except json.JSONDecodeError as failed:
        reader.refuse("", None, f"line {failed.lineno}, column {failed.colno}: {failed.msg}.")
    except (ValueError, RecursionError) as failed:
        said = "it is nested too deep" if isinstance(failed, RecursionError) else str(failed)
        reader.refuse("", None, f"It is no JSON: {said}.")
    reader.check()
    raise AssertionError("what can't be read was refused")


def evaluation(found: Any, *, file: Path, digest: str) -> Evaluation:
    """The evaluation that a file of results holds. `UnreadableSource` names every place that is wrong."""
    reader = _Reader(file)
    summary = found.get("results") if isinstance(found, Mapping) else None
    if isinstance(summary, list):  # the oldest files are the summary itself
        summary = found
    if not isinstance(summary, Mapping) or not isinstance(summary.get("results"), list):
        reader.refuse("results", None, "There are no results: is it what promptfoo writes?")
        reader.check()
    assert isinstance(summary, Mapping)
    prompts = _prompts(summary, reader)
    rows = summary["results"]
    if not rows:
        reader.refuse("results.results", 0, "There is no result in it.")
    results = [
        one for n, raw in enumerate(rows) if (one := _result(raw, n, prompts, reader)) is not None
    ]
    at = _moment(summary.get("timestamp"), "results.timestamp", reader)
    config = found.get("config") if isinstance(found.get("config"), Mapping) else {}
    reader.check()
    id_ = found.get("evalId")
    return Evaluation(
        id=id_ if isinstance(id_, str) and 0 < len(id_) <= 100 else f"sha256-{digest[:24]}",
        description=str(config.get("description") or "")[:150],
        at=at,
        results=results,
        tests=list(_tests(rows)),
    )


def _prompts(summary: Mapping[str, Any], reader: _Reader) -> Sequence[Mapping[str, Any]]:
    """The prompts of the head: beside the results in version 3, in the table's head in version 2."""
    table = summary.get("table")
    head = table.get("head") if isinstance(table, Mapping) else None
    prompts = summary.get("prompts") or (head or {}).get("prompts") or []
    if not isinstance(prompts, list) or not all(isinstance(one, Mapping) for one in prompts):
        reader.refuse("results.prompts", None, "It is a list of prompts.")
        return []
    return prompts


def _result(
    raw: Any, n: int, prompts: Sequence[Mapping[str, Any]], reader: _Reader
) -> Result | None:
    path = f"results.results.{n}"
    before = len(reader.places)

    def refuse(field: str, value: object, message: str) -> None:
        reader.refuse(f"{path}.{field}" if field else path, value, message, row=n)

    if not isinstance(raw, Mapping):
        refuse("", None, "A result is an object.")
        return None
    template, label = _template(raw, prompts)
    if not template.strip():
        refuse("prompt", None, "There is no text of its prompt, here or in the head.")
    provider = raw.get("provider")
    named = provider if isinstance(provider, Mapping) else {"id": provider}
    model = named.get("id")
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
    if len(reader.places) > before:
        return None
    return Result(
        row=n,
        template=template,
        label=label,
        provider=str(named.get("label") or model),
        model=model,
        test=_test_key(raw, variables),
        score=None if score is None else float(score),
    )


def _template(raw: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The text of a result's prompt before its variables were filled in, and what it is called."""
    own = raw.get("prompt")
    own = own if isinstance(own, Mapping) else {"raw": own}
    label = str(own.get("label") or own.get("display") or "")
    number = raw.get("promptIdx")
    head: Mapping[str, Any] = {}
    if isinstance(number, int) and 0 <= number < len(prompts):
        head = prompts[number]
    else:
        same = [one for one in prompts if label and _name(one) == label]
        head = same[0] if same else {}
    text = head.get("raw") or label or own.get("raw") or ""
    return str(text) if isinstance(text, str) else "", label or _name(head)


def _name(prompt: Mapping[str, Any]) -> str:
    return str(prompt.get("label") or prompt.get("display") or "")


def _test_key(raw: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    number = raw.get("testIdx")
    if isinstance(number, int):
        return f"test {number}"
    return json.dumps(variables, sort_keys=True, default=str)


def _tests(rows: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """Each test once, with the variables it was run with and the assertions it states."""
    seen: set[str] = set()
    for raw in rows:
        variables = raw.get("vars") or {}
        key = _test_key(raw, variables)
        if key in seen:
            continue
        seen.add(key)
        case = raw.get("testCase") or raw.get("test") or {}
        case = case if isinstance(case, Mapping) else {}
        graded = raw.get("gradingResult")
        parts = graded.get("componentResults") if isinstance(graded, Mapping) else None
        stated = case.get("assert") or [
            part["assertion"]
            for part in parts or []
            if isinstance(part, Mapping) and isinstance(part.get("assertion"), Mapping)
        ]
        yield {
            "description": case.get("description"),
            "vars": variables,
            "assert": stated,
            "threshold": case.get("threshold"),
        }


def _moment(said: object, path: str, reader: _Reader) -> datetime | None:
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(str(said))
    except ValueError:
        reader.refuse(path, said, "It is no time such as 2026-01-31T12:00:00Z.")
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
