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

from mintmark.core import errors, wording
from mintmark.core.pairs import Floats, PairEvents

NEEDED = ("assistant", "prompt", "score")
OPTIONAL = ("ritual", "runs", "occurred_at", "split")
MOST_RUNS = 1e6
MOST_ROWS_NAMED = 100
SECONDS_A_DAY = 86_400.0

# The longest single cell that is read: a prompt may be a book, but not a library.
MOST_CHARACTERS = 64 * 1024 * 1024


class BadBacktestFile(errors.Refusal):
    """A file given to `backtest` is not what it should be."""

    code = "bad_backtest_file"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The rows, in the order in which to predict them; `test` (n,) is None without a split."""

    events: PairEvents
    test: NDArray[np.bool_] | None
    timed: bool


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: dict[str, str]


class _Complaints:
    """Collects what is wrong with rows, and refuses the whole file for it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.rows: list[errors.Row] = []

    def add(self, line: _Line, field: str, message: str) -> None:
        self.count += 1
        if len(self.rows) < MOST_ROWS_NAMED:
            value = line.cells.get(field, "")
            row = errors.Row(row=line.number - 2, field=field, value=value, message=message)
            row["line"] = line.number
            self.rows.append(row)

    def refuse_if_any(self) -> None:
        if self.count:
            what = "1 row" if self.count == 1 else f"{self.count} rows"
            raise BadBacktestFile(
                f"{what} of {self.path.name} can't be used; the first is line "
                f"{self.rows[0]['line']}: {self.rows[0]['field']} {self.rows[0]['message']}",
                rows=self.rows,
            )


class _Numbering(dict[object, int]):
    """Numbers distinct things 0, 1, … in the order in which they are first met."""

    def __missing__(self, thing: object) -> int:
        self[thing] = len(self)
        return len(self) - 1


def read(path: Path, *, texts: Path | None) -> Outcomes:
    """Read both files; raise `BadBacktestFile` naming the rows that can't be used, by their lines.

    With times, rows come back sorted by time (ties in the order of the file).
    """
    assistants, rituals, prompts = _Numbering(), _Numbering(), _Numbering()
    both, pairings = _Numbering(), _Numbering()
    columns = {name: array("q") for name in ("a", "g", "ag", "p", "ap")}
    score, runs, at = array("d"), array("d"), array("d")
    split = bytearray()
    complaints = _Complaints(path)
    header: set[str] = set()
    for line in _lines(path, header):
        for field in ("assistant", "prompt"):
            if not line.cells[field].strip():
                complaints.add(line, field, "is empty")
        a, p = assistants[line.cells["assistant"]], prompts[line.cells["prompt"]]
        g = rituals[line.cells.get("ritual", "")]
        for column, index in zip(
            columns.values(), (a, g, both[a, g], p, pairings[a, p]), strict=True
        ):
            column.append(index)
        score.append(_score(line, complaints))
        runs.append(_runs(line, complaints))
        if "occurred_at" in header:
            at.append(_days(line, complaints))
        if "split" in header:
            split.append(_is_test(line, complaints))
    complaints.refuse_if_any()
    if not score:
        raise BadBacktestFile(f"{path.name} has a header and no rows")
    events = PairEvents(
        assistant=_ints(columns["a"]),
        ritual=_ints(columns["g"]),
        assistant_ritual=_ints(columns["ag"]),
        prompt=_ints(columns["p"]),
        pair=_ints(columns["ap"]),
        features=_features(texts, prompts),
        score=np.array(score),
        runs=np.array(runs),
        at_days=np.array(at) if at else np.zeros(len(score)),
    )
    test = np.frombuffer(bytes(split), dtype=np.uint8).astype(np.bool_) if split else None
    if at:
        order = np.argsort(events.at_days, kind="stable")
        events = events.part(order)
        test = test[order] if test is not None else None
    return Outcomes(events=events, test=test, timed=bool(at))


def _lines(path: Path, header: set[str]) -> Iterator[_Line]:
    """Yield each row with its line number; put the names of the columns into `header` first."""
    csv.field_size_limit(MOST_CHARACTERS)
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
                yield _Line(rows.line_num, dict(zip(names, cells, strict=True)))
    except OSError as problem:
        raise BadBacktestFile(f"{path}: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise BadBacktestFile(f"{path.name} is not UTF-8: {problem}") from problem
    except csv.Error as problem:
        raise BadBacktestFile(f"{path.name}, line {rows.line_num}: {problem}") from problem


def _score(line: _Line, complaints: _Complaints) -> float:
    value = _number(line.cells["score"])
    if value is None or not 0.0 <= value <= 1.0:
        complaints.add(line, "score", "must be a number in [0, 1]")
        return 0.0
    return value


def _runs(line: _Line, complaints: _Complaints) -> float:
    cell = line.cells.get("runs", "").strip()
    if not cell:
        return 1.0
    value = _number(cell)
    if value is None or not 1.0 <= value <= MOST_RUNS:
        complaints.add(line, "runs", f"must be a number from 1 to {MOST_RUNS:,.0f}")
        return 1.0
    return value


def _days(line: _Line, complaints: _Complaints) -> float:
    """Read ISO 8601 (UTC unless it says otherwise) or seconds since 1970."""
    cell = line.cells["occurred_at"].strip()
    seconds = _number(cell)
    if seconds is None:
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            complaints.add(line, "occurred_at", "must be ISO 8601 or seconds since 1970")
            return 0.0
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    return seconds / SECONDS_A_DAY


def _is_test(line: _Line, complaints: _Complaints) -> bool:
    value = line.cells["split"].strip().lower()
    if value not in ("train", "test"):
        complaints.add(line, "split", "must be train or test")
    return value == "test"


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _features(path: Path | None, prompts: dict[object, int]) -> Floats:
    """Return the wording of each prompt; one column of nan where no texts are given."""
    if path is None:
        return np.full((len(prompts), 1), np.nan)
    rows = np.full((len(prompts), wording.WIDTH), np.nan)
    known: set[str] = set()
    for name, text in _texts(path):
        if name in prompts:
            known.add(name)
            rows[prompts[name]] = wording.features(text)
    missing = [str(name) for name in prompts if name not in known]
    if missing:
        raise BadBacktestFile(
            f"{path.name} has no text for {len(missing)} of {len(prompts)} prompts, the first is "
            f"{missing[0]!r}; give every prompt's text, or leave --texts out"
        )
    return rows


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(MOST_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = {"prompt", "text"} - set(rows.fieldnames or ())
            if missing:
                raise BadBacktestFile(f"{path.name} lacks the column {', '.join(sorted(missing))}")
            seen: set[str] = set()
            for row in rows:
                name, text = row["prompt"], row["text"]
                if name is None or text is None:
                    raise BadBacktestFile(f"{path.name}, line {rows.line_num}: a cell is missing")
                if name in seen:
                    raise BadBacktestFile(
                        f"{path.name}, line {rows.line_num}: a second text for prompt {name!r}"
                    )
                seen.add(name)
                yield name, text
    except OSError as problem:
        raise BadBacktestFile(f"{path}: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise BadBacktestFile(f"{path.name} is not UTF-8: {problem}") from problem
    except csv.Error as problem:
        raise BadBacktestFile(f"{path.name}, line {rows.line_num}: {problem}") from problem


def _ints(column: array[int]) -> NDArray[np.int64]:
    return np.array(column, dtype=np.int64)
