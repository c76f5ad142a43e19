"""Read what `mintmark backtest` is given: a CSV of outcomes and, if at hand, one of texts."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mintmark.common import errors
from mintmark.scoring import text_features
from mintmark.scoring.pair_model import Floats, PairEvents

NEEDED = ("assistant", "prompt", "score")
OPTIONAL = ("ritual", "runs", "occurred_at", "split")
MAX_RUNS = 1e6
MAX_ROWS_NAMED = 100
SECONDS_PER_DAY = 86_400.0

# The longest single cell that is read: a prompt may be a book, but not a library.
MAX_CHARACTERS = 64 * 1024 * 1024


class BadBacktestFile(errors.DomainError):
    """A file given to `backtest` is not what it should be."""

    code = "bad_backtest_file"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The rows, in the order in which to predict them; `test` (n,) is None without a split."""

    events: PairEvents
    test: NDArray[np.bool_] | None
    timed: bool


@dataclass(frozen=True, slots=True)
class _CsvRow:
    number: int
    cells: dict[str, str]


class _RowErrors:
    """Collects what is wrong with rows, and refuses the whole file for it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.rows: list[errors.FieldError] = []

    def add(self, csv_row: _CsvRow, field: str, message: str) -> None:
        self.count += 1
        if len(self.rows) < MAX_ROWS_NAMED:
            value = csv_row.cells.get(field, "")
            row = errors.FieldError(
                row=csv_row.number - 2, field=field, value=value, message=message
            )
            row["line"] = csv_row.number
            self.rows.append(row)

    def raise_if_any(self) -> None:
        if self.count:
            count_text = "1 row" if self.count == 1 else f"{self.count} rows"
            raise BadBacktestFile(
                f"{count_text} of {self.path.name} can't be used; the first is line "
                f"{self.rows[0]['line']}: {self.rows[0]['field']} {self.rows[0]['message']}",
                rows=self.rows,
            )


class _Numbering(dict[object, int]):
    """Numbers distinct things 0, 1, … in the order in which they are first met."""

    def __missing__(self, value: object) -> int:
        self[value] = len(self)
        return len(self) - 1


def read_outcomes(path: Path, *, texts: Path | None) -> Outcomes:
    """Read both files; raise `BadBacktestFile` naming the rows that can't be used, by their lines.

    With times, rows come back sorted by time (ties in the order of the file).
    """
    assistants, rituals, prompts = _Numbering(), _Numbering(), _Numbering()
    assistant_rituals, pairings = _Numbering(), _Numbering()
    columns = {name: array("q") for name in ("a", "g", "ag", "p", "ap")}
    score, runs, at = array("d"), array("d"), array("d")
    split = bytearray()
    row_errors = _RowErrors(path)
    header: set[str] = set()
    for csv_row in _iterate_rows(path, header):
        for field in ("assistant", "prompt"):
            if not csv_row.cells[field].strip():
                row_errors.add(csv_row, field, "is empty")
        a, p = assistants[csv_row.cells["assistant"]], prompts[csv_row.cells["prompt"]]
        g = rituals[csv_row.cells.get("ritual", "")]
        for column, index in zip(
            columns.values(), (a, g, assistant_rituals[a, g], p, pairings[a, p]), strict=True
        ):
            column.append(index)
        score.append(_parse_score(csv_row, row_errors))
        runs.append(_parse_runs(csv_row, row_errors))
        if "occurred_at" in header:
            at.append(_parse_days(csv_row, row_errors))
        if "split" in header:
            split.append(_is_test(csv_row, row_errors))
    row_errors.raise_if_any()
    if not score:
        raise BadBacktestFile(f"{path.name} has a header and no rows")
    events = PairEvents(
        assistant=_to_int_array(columns["a"]),
        ritual=_to_int_array(columns["g"]),
        assistant_ritual=_to_int_array(columns["ag"]),
        prompt=_to_int_array(columns["p"]),
        pair=_to_int_array(columns["ap"]),
        features=_load_features(texts, prompts),
        score=np.array(score),
        runs=np.array(runs),
        at_days=np.array(at) if at else np.zeros(len(score)),
    )
    test = np.frombuffer(bytes(split), dtype=np.uint8).astype(np.bool_) if split else None
    if at:
        order = np.argsort(events.at_days, kind="stable")
        events = events.select(order)
        test = test[order] if test is not None else None
    return Outcomes(events=events, test=test, timed=bool(at))


def _iterate_rows(path: Path, header: set[str]) -> Iterator[_CsvRow]:
    """Yield each row with its line number; put the names of the columns into `header` first."""
    csv.field_size_limit(MAX_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            names = [name.strip().lower() for name in next(rows, [])]
            header.update(names)
            missing = [name for name in NEEDED if name not in header]
            if missing:
                raise BadBacktestFile(
                    f"{path.name} lacks the column {', '.join(missing)}; it has "
                    f"{', '.join(names) or 'none'}; needed are {', '.join(NEEDED)}, and read if "
                    f"there {', '.join(OPTIONAL)}"
                )
            for cells in rows:
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise BadBacktestFile(
                        f"{path.name}, line {rows.line_num}: {len(cells)} cells under "
                        f"{len(names)} columns"
                    )
                yield _CsvRow(rows.line_num, dict(zip(names, cells, strict=True)))
    except OSError as problem:
        raise BadBacktestFile(f"{path}: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise BadBacktestFile(f"{path.name} is not UTF-8: {problem}") from problem
    except csv.Error as problem:
        raise BadBacktestFile(f"{path.name}, line {rows.line_num}: {problem}") from problem


def _parse_score(csv_row: _CsvRow, row_errors: _RowErrors) -> float:
    value = _parse_number(csv_row.cells["score"])
    if value is None or not 0.0 <= value <= 1.0:
        row_errors.add(csv_row, "score", "must be a number in [0, 1]")
        return 0.0
    return value


def _parse_runs(csv_row: _CsvRow, row_errors: _RowErrors) -> float:
    cell = csv_row.cells.get("runs", "").strip()
    if not cell:
        return 1.0
    value = _parse_number(cell)
    if value is None or not 1.0 <= value <= MAX_RUNS:
        row_errors.add(csv_row, "runs", f"must be a number from 1 to {MAX_RUNS:,.0f}")
        return 1.0
    return value


def _parse_days(csv_row: _CsvRow, row_errors: _RowErrors) -> float:
    """Read ISO 8601 (UTC unless it says otherwise) or seconds since 1970."""
    cell = csv_row.cells["occurred_at"].strip()
    seconds = _parse_number(cell)
    if seconds is None:
        try:
            occurred_at = datetime.fromisoformat(cell)
        except ValueError:
            row_errors.add(csv_row, "occurred_at", "must be ISO 8601 or seconds since 1970")
            return 0.0
        if occurred_at.tzinfo is None:
            occurred_at = occurred_at.replace(tzinfo=UTC)
        seconds = occurred_at.timestamp()
    return seconds / SECONDS_PER_DAY


def _is_test(csv_row: _CsvRow, row_errors: _RowErrors) -> bool:
    value = csv_row.cells["split"].strip().lower()
    if value not in ("train", "test"):
        row_errors.add(csv_row, "split", "must be train or test")
    return value == "test"


def _parse_number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _load_features(path: Path | None, prompts: dict[object, int]) -> Floats:
    """Return the wording of each prompt; one column of nan where no texts are given."""
    if path is None:
        return np.full((len(prompts), 1), np.nan)
    rows = np.full((len(prompts), text_features.WIDTH), np.nan)
    known: set[str] = set()
    for name, text in _iterate_texts(path):
        if name in prompts:
            known.add(name)
            rows[prompts[name]] = text_features.extract_features(text)
    missing = [str(name) for name in prompts if name not in known]
    if missing:
        raise BadBacktestFile(
            f"{path.name} has no text for {len(missing)} of {len(prompts)} prompts, the first is "
            f"{missing[0]!r}; give every prompt's text, or leave --texts out"
        )
    return rows


def _iterate_texts(path: Path) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(MAX_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = {"prompt", "text"} - set(rows.fieldnames or ())
            if missing:
                raise BadBacktestFile(f"{path.name} lacks the column {', '.join(sorted(missing))}")
            known_names: set[str] = set()
            for row in rows:
                name, text = row["prompt"], row["text"]
                if name is None or text is None:
                    raise BadBacktestFile(f"{path.name}, line {rows.line_num}: a cell is missing")
                if name in known_names:
                    raise BadBacktestFile(
                        f"{path.name}, line {rows.line_num}: a second text for prompt {name!r}"
                    )
                known_names.add(name)
                yield name, text
    except OSError as problem:
        raise BadBacktestFile(f"{path}: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise BadBacktestFile(f"{path.name} is not UTF-8: {problem}") from problem
    except csv.Error as problem:
        raise BadBacktestFile(f"{path.name}, line {rows.line_num}: {problem}") from problem


def _to_int_array(column: array[int]) -> NDArray[np.int64]:
    return np.array(column, dtype=np.int64)
