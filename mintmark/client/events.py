"""What a use achieved, as the server takes it: one event, with a key of its own from the moment it is reported."""

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

KINDS = ("outcome", "replay", "approval", "rating", "recall", "clause")
MAX_RUNS = 1_000_000
MAX_NOTE_CHARACTERS = 400
MAX_TAGS = 20
MAX_CASES = 2_000
MAX_MEAN_ERROR = 1e-4

type CaseResult = float | tuple[float, int]
"""The score of a case in one run, or its mean score and the number of runs."""


def build_event(
    *,
    kind: str,
    prompt: str,
    assistant: str | int | None,
    ritual: str | int | None,
    score: float | None = None,
    runs: int = 1,
    cases: Mapping[str, CaseResult] | None = None,
    note: str = "",
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """An event of now; with `cases`, score and runs follow from them. `ValueError` says what no server would take; a
    note that is too long is cut."""
    case_rows = _build_cases(cases) if cases is not None else []
    if case_rows:
        if kind not in ("outcome", "replay"):
            raise ValueError(f"{kind} evidence has no cases.")
        runs = sum(row["runs"] for row in case_rows)
        mean = sum(row["score"] * row["runs"] for row in case_rows) / runs
        if isinstance(score, int | float) and abs(score - mean) > MAX_MEAN_ERROR:
            raise ValueError(
                f"The cases have the mean {mean:g}, not {score:g}: leave the score out."
            )
        score = mean
    if kind not in KINDS:
        raise ValueError(f"The kind {kind!r} is none of {', '.join(KINDS)}.")
    if not isinstance(score, int | float) or not math.isfinite(score) or not 0 <= score <= 1:
        raise ValueError(f"A score is a number from 0 to 1, not {score!r}.")
    if not isinstance(runs, int) or not 1 <= runs <= MAX_RUNS:
        raise ValueError(f"runs is a whole number from 1 to {MAX_RUNS:,}, not {runs!r}.")
    if kind in ("outcome", "replay") and ritual is None:
        raise ValueError(f"{kind} evidence names the ritual that measured it: give ritual=…")
    if assistant is None and kind not in ("rating", "clause"):
        raise ValueError(f"{kind} evidence names the assistant: give assistant=… to the client.")
    if len(tags) > MAX_TAGS or not all(0 < len(tag) <= 100 and tag.isprintable() for tag in tags):
        raise ValueError(f"At most {MAX_TAGS} tags, each of 1 to 100 printable characters.")
    event: dict[str, Any] = {
        "kind": kind,
        "prompt": prompt,
        "score": float(score),
        "runs": int(runs),
        "key": uuid.uuid4().hex,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    if assistant is not None:
        event["assistant"] = assistant
    if ritual is not None:
        event["ritual"] = ritual
    if case_rows:
        event["cases"] = case_rows
    if note:
        event["note"] = _make_storable(note)
    if tags:
        event["tags"] = list(tags)
    return event


def _build_cases(cases: Mapping[str, CaseResult]) -> list[dict[str, Any]]:
    """The verdict on each case: a score, or a score and over how many runs."""
    if not 1 <= len(cases) <= MAX_CASES:
        raise ValueError(f"Give 1 to {MAX_CASES:,} cases, not {len(cases):,}.")
    rows = []
    for case_id, result in cases.items():
        score, runs = result if isinstance(result, tuple) else (result, 1)
        if not isinstance(case_id, str) or not (0 < len(case_id) <= 200 and case_id.isprintable()):
            raise ValueError(f"A case id is 1 to 200 printable characters, not {case_id!r}.")
        if not isinstance(score, int | float) or not math.isfinite(score) or not 0 <= score <= 1:
            raise ValueError(
                f"The score of case {case_id!r} is a number from 0 to 1, not {score!r}."
            )
        if not isinstance(runs, int) or not 1 <= runs <= MAX_RUNS:
            raise ValueError(
                f"The runs of case {case_id!r} are a whole number from 1, not {runs!r}."
            )
        rows.append({"case_id": case_id, "score": float(score), "runs": int(runs)})
    return rows


def to_line(event: dict[str, Any]) -> bytes:
    """An event as one line."""
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def _make_storable(note: str) -> str:
    """A note without what no database keeps: U+0000, and halves of surrogate pairs."""
    storable = note.replace("\0", "").encode("utf-8", "replace").decode()
    return (
        storable
        if len(storable) <= MAX_NOTE_CHARACTERS
        else storable[: MAX_NOTE_CHARACTERS - 1] + "…"
    )
