"""What a use achieved, as the server takes it: one event, with a key of its own from the moment it is reported."""

import json
import math
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

KINDS = ("outcome", "replay", "approval", "rating", "recall", "clause")
MAX_RUNS = 1_000_000
MAX_NOTE_CHARACTERS = 400
MAX_TAGS = 20


def build_event(
    *,
    kind: str,
    prompt: str,
    assistant: str | int | None,
    ritual: str | int | None,
    score: float,
    runs: int = 1,
    note: str = "",
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """An event of now. `ValueError` says what no server would take; a note that is too long is cut."""
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
    if note:
        event["note"] = _make_storable(note)
    if tags:
        event["tags"] = list(tags)
    return event


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
