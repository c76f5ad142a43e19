"""What a use achieved, as the server takes it: one event, with a key of its own from the moment it is reported."""

import json
import math
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

KINDS = ("outcome", "replay", "approval", "rating", "recall", "clause")
MOST_RUNS = 1_000_000
MOST_NOTE = 400
MOST_TAGS = 20


def event(
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
    if not isinstance(runs, int) or not 1 <= runs <= MOST_RUNS:
        raise ValueError(f"runs is a whole number from 1 to {MOST_RUNS:,}, not {runs!r}.")
    if kind in ("outcome", "replay") and ritual is None:
        raise ValueError(f"{kind} evidence names the ritual that measured it: give ritual=…")
    if assistant is None and kind not in ("rating", "clause"):
        raise ValueError(f"{kind} evidence names the assistant: give assistant=… to the client.")
    if len(tags) > MOST_TAGS or not all(0 < len(tag) <= 100 and tag.isprintable() for tag in tags):
        raise ValueError(f"At most {MOST_TAGS} tags, each of 1 to 100 printable characters.")
    made: dict[str, Any] = {
        "kind": kind,
        "prompt": prompt,
        "score": float(score),
        "runs": int(runs),
        "key": uuid.uuid4().hex,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    if assistant is not None:
        made["assistant"] = assistant
    if ritual is not None:
        made["ritual"] = ritual
    if note:
        made["note"] = _storable(note)
    if tags:
        made["tags"] = list(tags)
    return made


def line(made: dict[str, Any]) -> bytes:
    """An event as one line."""
    return json.dumps(made, separators=(",", ":")).encode() + b"\n"


def _storable(note: str) -> str:
    """A note without what no database keeps: U+0000, and halves of surrogate pairs."""
    kept = note.replace("\0", "").encode("utf-8", "replace").decode()
    return kept if len(kept) <= MOST_NOTE else kept[: MOST_NOTE - 1] + "…"
