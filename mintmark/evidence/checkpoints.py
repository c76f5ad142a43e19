"""Checkpoints of the log: create them over settled events, and verify that these are unchanged.

A leaf is the list (`storage.row_encoding`) of an event's columns and those of its batch, all that the triggers protect:

    [id, xid, batch, kind, prompt, assistant, ritual, actor, cohort, admissible, score, runs, tags, note, occurred at,
     recorded at, key, digest, batch's actor, batch's source, batch's recorded at, batch's size]

and, of an event that has one, its provenance, and its cases as [case, score, runs, output digest].
"""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from mintmark.storage import checkpoints, row_encoding
from mintmark.storage.audit_results import InvariantResult
from mintmark.storage.checkpoints import ChainHead, Leaf, RowPosition, RowRange

from . import log
from .models import EventCase, EvidenceCheckpoint

_FOLDER = Path(__file__).parent
_ROWS_SQL = {
    vendor: (_FOLDER / f"checkpoints.{vendor}.sql").read_text().strip()
    for vendor in ("postgresql", "sqlite")
}
_TAGS_INDEX, _TIME_INDICES = 12, (14, 15, 20)


def create_checkpoints(
    *, now: datetime, at_most: int = checkpoints.MAX_ROWS
) -> list[checkpoints.Checkpoint]:
    """Create checkpoints over all settled events without one, at most `at_most` events each.

    Returns the new checkpoints."""
    return checkpoints.create_checkpoints(CHECKPOINTED_TABLE, now=now, max_rows=at_most)


def get_head() -> ChainHead:
    """The number and digest of the last checkpoint, to be written down elsewhere."""
    return checkpoints.get_head(CHECKPOINTED_TABLE)


def verify(progress: Callable[[str], None] = lambda _: None) -> InvariantResult:
    """Recompute every root and the chain from the rows; see `storage.checkpoints.verify`."""
    return checkpoints.verify(CHECKPOINTED_TABLE, progress=progress)


def _read_leaves(span: RowRange) -> list[Leaf]:
    return [
        Leaf(position=RowPosition(xid=row[1], id=row[0]), record=row_encoding.encode(row))
        for row in _read_rows(span)
    ]


def _read_rows(span: RowRange) -> list[list[Any]]:
    condition, arguments = span.where_sql
    with connection.cursor() as cursor:
        cursor.execute(f"{_ROWS_SQL[connection.vendor]} {condition} {span.order_sql}", arguments)
        rows = [list(row) for row in cursor.fetchall()]
    cases = _read_cases([row[0] for row in rows])
    for row in rows:
        if row[-1] is None:
            row.pop()
        if row[0] in cases:
            row.append(json.dumps(cases[row[0]]))
        row[_TAGS_INDEX] = row_encoding.canonicalize_json(row[_TAGS_INDEX])
        if connection.vendor == "sqlite":
            for index in _TIME_INDICES:
                row[index] = row_encoding.parse_micros(row[index])
    return rows


def _read_cases(events: list[int]) -> dict[int, list[list[Any]]]:
    """The cases of these events that have some, in the order in which they were reported."""
    cases: dict[int, list[list[Any]]] = {}
    for chunk in itertools.batched(events, 5000):
        rows = EventCase.objects.filter(event__in=chunk).order_by("id")
        for event, *case in rows.values_list(
            "event_id", "case_id", "score", "runs", "output_digest"
        ):
            cases.setdefault(event, []).append(case)
    return cases


def _find_suspects(span: RowRange) -> Iterator[str]:
    """The events whose content does not match the digest stored with them."""
    for row in _read_rows(span):
        if not _matches_digest(row):
            yield f"event {row[0]} was changed: its digest does not match its content"


def _matches_digest(row: list[Any]) -> bool:
    (
        _, _, _, kind, prompt, assistant, ritual, _, cohort, admissible, score, runs, tags, note, occurred_at, _, key,
        digest, _, _, _, _, *rest,
    ) = row  # fmt: skip
    try:
        cases = json.loads(rest[1]) if len(rest) > 1 else []
        entry = log.LogEntry(
            kind=kind,
            prompt_id=prompt,
            assistant_id=assistant,
            ritual_id=ritual,
            cohort=cohort,
            admissible=bool(admissible),
            score=score,
            runs=runs,
            tags=tuple(json.loads(tags)),
            note=note,
            occurred_at=datetime(1970, 1, 1) + timedelta(microseconds=occurred_at),
            key=key,
            cases=tuple(log.CaseVerdict(*case) for case in cases),
        )
        return entry.compute_digest() == bytes(digest)
    except (AttributeError, OverflowError, TypeError, ValueError):  # values of other types
        return False


CHECKPOINTED_TABLE = checkpoints.CheckpointedTable(
    name="evidence",
    table="evidence_event",
    model=EvidenceCheckpoint,
    lock=0x5345414C_01,
    read=_read_leaves,
    suspects=_find_suspects,
)
