"""The log: append a batch, read events in their total order.

Order. Identity values become visible out of order on PostgreSQL (a later id can commit first), so a reader that
remembers the last id it saw would skip events. There the order is (xid, id), and only transactions older than every
running one are read: nothing can appear before them any more. SQLite has a single writer; there xid is 0 and the order
is id.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from mintmark.accounts.models import Principal
from mintmark.common import errors, evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.registry.models import Assistant
from mintmark.storage import bulk, watermark

from .models import Batch, Event, EventCase

_FOLDER = Path(__file__).parent
_APPEND_SQL = (_FOLDER / "append.postgresql.sql").read_text()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_READ_SQL = {
    vendor: (_FOLDER / f"read.{vendor}.sql").read_text().strip()
    for vendor in ("postgresql", "sqlite")
}
_COLUMNS = (
    "event", "xid", "batch", "kind", "prompt", "assistant", "ritual", "actor", "cohort", "admissible", "runs", "micros",
    "provenance", "score",
)  # fmt: skip
_RECORD_DTYPE = np.dtype([(name, "f8" if name == "score" else "i8") for name in _COLUMNS])
_COPY_DTYPE = np.dtype(
    [("columns", ">i2")]
    + [
        field
        for name in _COLUMNS
        for field in ((f"length_{name}", ">i4"), (name, ">f8" if name == "score" else ">i8"))
    ]
)
_COPY_HEADER_BYTES, _COPY_TRAILER_BYTES = 19, 2
# The fields that differ between entries; the batch, its actor and its time are stored once.
_ENTRY_COLUMNS = (
    "kind", "prompt_id", "assistant_id", "ritual_id", "cohort", "admissible", "score", "runs", "tags", "note",
    "occurred_at", "key", "digest", "provenance",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """The mean score of one case of a reported outcome, over so many runs of it; see `models.EventCase`."""

    case_id: str
    score: float
    runs: int = 1
    output_digest: str = ""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event to be appended; its ids exist and its values are valid.

    If the caller gave no time (not `is_dated`), `occurred_at` is the time of recording, and is not part of the claim
    that must be repeated under the same key.
    """

    kind: int
    prompt_id: int
    assistant_id: int | None
    ritual_id: int | None
    cohort: int
    admissible: bool
    score: float
    runs: int
    tags: tuple[str, ...]
    note: str
    occurred_at: datetime
    key: str
    is_dated: bool = True
    provenance: int = Provenance.WORD
    cases: tuple[CaseVerdict, ...] = ()

    def compute_digest(self) -> bytes:
        """SHA-256 of what the caller claimed: the same key must come with the same claim."""
        claim: tuple[object, ...] = (
            self.kind, self.prompt_id, self.assistant_id, self.ritual_id, self.score.hex(), self.runs, self.tags,
            self.note, _to_epoch_micros(self.occurred_at),
        )  # fmt: skip
        if self.cases:
            cases = [(c.case_id, c.score.hex(), c.runs, c.output_digest) for c in self.cases]
            claim = (*claim, cases)
        return hashlib.sha256(repr(claim).encode()).digest()

    def is_same_claim(self, existing: "_ExistingEvent") -> bool:
        """Whether this is the same claim as the one stored under its key; it may say more of its cases now."""
        comparable = self if self.is_dated else replace(self, occurred_at=existing.occurred_at)
        return existing.digest in (
            comparable.compute_digest(),
            replace(comparable, cases=()).compute_digest(),
        )


@dataclass(frozen=True, kw_only=True)
class AppendResult:
    """The result of an append: events written, events that already existed, the batch (None if all existed), and the
    last event written (or the last existing one, if all existed)."""

    recorded: int
    repeated: int
    batch: int | None
    event: int


@dataclass(frozen=True, kw_only=True)
class LogPosition:
    """A position in the log: everything up to and including it."""

    xid: int = -1
    event: int = 0


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Consecutive whole batches of the log as columns of length n, in log order.

    `assistant` and `ritual` are −1 where there is none; `cohort` is the team of the rater or of the measured assistant;
    `provenance` is numbered as `common.provenance` (an event from before it was recorded is word); `at_days` is days
    since 1970 (UTC), with microseconds; `tags` are the tags of rating events (empty for others).
    """

    event: NDArray[np.int64]
    xid: NDArray[np.int64]
    batch: NDArray[np.int64]
    kind: NDArray[np.int64]
    prompt: NDArray[np.int64]
    assistant: NDArray[np.int64]
    ritual: NDArray[np.int64]
    actor: NDArray[np.int64]
    cohort: NDArray[np.int64]
    admissible: NDArray[np.bool_]
    provenance: NDArray[np.int64]
    score: NDArray[np.float64]
    runs: NDArray[np.float64]
    at_days: NDArray[np.float64]
    tags: list[tuple[str, ...]]

    def __len__(self) -> int:
        return int(self.event.size)

    @property
    def end(self) -> LogPosition:
        return LogPosition(xid=int(self.xid[-1]), event=int(self.event[-1]))


def append(
    *, actor: Principal, source: str, entries: Sequence[LogEntry], now: datetime
) -> AppendResult:
    """Append `entries` as one batch: all of them or none, each key once.

    An entry whose key the actor already used for the same claim counts as repeated and is not written again; for
    another claim, `IdempotencyKeyReused` names the row. Joins the caller's transaction. A duplicate key within
    `entries` is a ValueError.
    """
    if len({entry.key for entry in entries}) < len(entries):
        raise ValueError("a key is used twice in one batch")
    digests = [entry.compute_digest() for entry in entries]
    known: dict[str, _ExistingEvent] = {}
    while True:
        new = [(e, d) for e, d in zip(entries, digests, strict=True) if e.key not in known]
        if not new:
            last = max(existing.event for existing in known.values())
            return AppendResult(recorded=0, repeated=len(entries), batch=None, event=last)
        try:
            with transaction.atomic():
                batch, event = _write(actor=actor, source=source, new=new, now=now)
                _write_cases(batch, [e for e, _ in new if e.cases])
        except _DuplicateKey:
            # Rare, so it is not checked before; and another writer may use a key between check and write.
            known = _find_existing(actor=actor, entries=entries)
            _refuse_clashes(entries, known)
        else:
            repeated = len(entries) - len(new)
            return AppendResult(recorded=len(new), repeated=repeated, batch=batch, event=event)


class _DuplicateKey(Exception):
    """The actor already used one of the keys, so the batch can't be written as it is."""


class _ExistingEvent(NamedTuple):
    """The event stored under a key: its id, the digest of its claim, and its time."""

    event: int
    digest: bytes
    occurred_at: datetime


def _find_existing(*, actor: Principal, entries: Sequence[LogEntry]) -> dict[str, _ExistingEvent]:
    events = Event.objects.filter(actor=actor, key__in=[entry.key for entry in entries])
    return {
        key: _ExistingEvent(event, bytes(digest), occurred_at)
        for key, event, digest, occurred_at in events.values_list(
            "key", "id", "digest", "occurred_at"
        )
    }


def _refuse_clashes(entries: Sequence[LogEntry], known: Mapping[str, _ExistingEvent]) -> None:
    clashes = [
        errors.FieldError(
            row=n,
            field="key",
            value=entry.key,
            message="This key was used before with another body: use a new key for new evidence.",
        )
        for n, entry in enumerate(entries)
        if entry.key in known and not entry.is_same_claim(known[entry.key])
    ]
    if clashes:
        raise errors.IdempotencyKeyReused(
            f"{clashes[0]['message']} (key {clashes[0]['value']!r}; {len(clashes)} such rows)",
            rows=clashes,
        )


def _write(
    *, actor: Principal, source: str, new: Sequence[tuple[LogEntry, bytes]], now: datetime
) -> tuple[int, int]:
    """Write a batch. Returns its id and that of its last event. Raises `_DuplicateKey` when the transaction must be
    rolled back."""
    values = [
        (
            e.kind, e.prompt_id, e.assistant_id, e.ritual_id, e.cohort, e.admissible, e.score, e.runs,
            json.dumps(e.tags) if e.tags else "[]", e.note, e.occurred_at, e.key, digest, int(e.provenance),
        )
        for e, digest in new
    ]  # fmt: skip
    if connection.vendor == "postgresql":
        columns = zip(_ENTRY_COLUMNS, zip(*values, strict=True), strict=True)
        shared: dict[str, Any] = {"actor": actor.pk, "source": source, "now": now, "size": len(new)}
        with connection.cursor() as cursor:
            cursor.execute(
                _APPEND_SQL, shared | {name: bulk.to_pg_array(column) for name, column in columns}
            )
            batch, written_count, last = cursor.fetchone()
        if written_count < len(new):
            raise _DuplicateKey
        return batch, last
    # SQLite has a single writer, so a key that does not exist now does not exist when the batch is written.
    if Event.objects.filter(actor=actor, key__in=[entry.key for entry, _ in new]).exists():
        raise _DuplicateKey
    batch_row = Batch.objects.create(actor=actor, source=source, recorded_at=now, size=len(new))
    bulk.bulk_upsert(
        Event,
        ("batch_id", "actor_id", "recorded_at", *_ENTRY_COLUMNS),
        [(batch_row.pk, actor.pk, now, *row) for row in values],
    )
    return batch_row.pk, Event.objects.order_by("-id").values_list("id", flat=True)[0]


def _write_cases(batch: int, entries: Sequence[LogEntry]) -> None:
    if not entries:
        return
    events = dict(Event.objects.filter(batch=batch).values_list("key", "id"))
    rows = [
        (events[e.key], case.case_id, case.score, case.runs, case.output_digest)
        for e in entries
        for case in e.cases
    ]
    bulk.bulk_upsert(EventCase, ("event_id", "case_id", "score", "runs", "output_digest"), rows)


def iter_slices(*, at_most: int, up_to: LogPosition | None = None) -> Iterator[Slice]:
    """The whole settled log (up to and including `up_to`), slice by slice from its first event."""
    log_slice = read_slice(after=LogPosition(), at_most=at_most, up_to=up_to)
    while log_slice is not None:
        yield log_slice
        log_slice = read_slice(after=log_slice.end, at_most=at_most, up_to=up_to)


def read_slice(
    *, after: LogPosition, at_most: int, up_to: LogPosition | None = None
) -> Slice | None:
    """The next settled events after a position (and not after `up_to`): about `at_most` of them, in whole batches.

    None if there are none.
    """
    records = _select_events(after=after, limit=at_most, up_to=up_to)
    if not records.size:
        return None
    if records.size == at_most:  # perhaps truncated within a batch: add the rest of that batch
        last = records[-1]
        end = LogPosition(xid=int(last["xid"]), event=int(last["event"]))
        records = np.concatenate([records, _select_events(after=end, batch=int(last["batch"]))])

    def column(name: str) -> NDArray[np.int64]:
        return np.ascontiguousarray(records[name], dtype=np.int64)

    provenance = column("provenance")
    is_old = provenance < 0

    return Slice(
        event=column("event"),
        xid=column("xid"),
        batch=column("batch"),
        kind=column("kind"),
        prompt=column("prompt"),
        assistant=column("assistant"),
        ritual=column("ritual"),
        actor=column("actor"),
        cohort=_fill_teams(column("cohort"), column("kind"), column("assistant"), is_old),
        admissible=column("admissible") == 1,
        provenance=np.where(is_old, int(Provenance.WORD), provenance),
        score=np.ascontiguousarray(records["score"], dtype=np.float64),
        runs=column("runs").astype(np.float64),
        at_days=column("micros") / 86_400e6,
        tags=_load_tags(column("event"), column("kind")),
    )


def _fill_teams(
    cohort: NDArray[np.int64],
    kind: NDArray[np.int64],
    assistant: NDArray[np.int64],
    is_old: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The team of each event; of an old measured event, which was stored without one, that of its assistant."""
    missing = is_old & np.isin(kind, sorted(evidence_kinds.MEASURED)) & (assistant >= 0)
    if not missing.any():
        return cohort
    team = dict(
        Assistant.objects.filter(pk__in=np.unique(assistant[missing]).tolist()).values_list(
            "id", "team_id"
        )
    )
    filled = cohort.copy()
    filled[missing] = [team[a] for a in assistant[missing].tolist()]
    return filled


def _load_tags(event: NDArray[np.int64], kind: NDArray[np.int64]) -> list[tuple[str, ...]]:
    """The tags of each rating event; other events get none."""
    tags: list[tuple[str, ...]] = [()] * event.size
    indices = np.flatnonzero(kind == evidence_kinds.EvidenceKind.RATING).tolist()
    for chunk in itertools.batched(indices, 5000):
        index_by_event = {int(event[index]): index for index in chunk}
        tag_rows = Event.objects.filter(pk__in=list(index_by_event)).values_list("id", "tags")
        for pk, event_tags in tag_rows:
            tags[index_by_event[pk]] = tuple(event_tags)
    return tags


def count_events(*, up_to: LogPosition) -> int:
    """The number of events in the log up to and including a position."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM evidence_event WHERE (xid, id) <= (%s, %s)",
            [up_to.xid, up_to.event],
        )
        return int(cursor.fetchone()[0])


def check_cluster() -> None:
    """Raise an error if the log was restored into another cluster; see `watermark.check_cluster`."""
    watermark.check_cluster(table="evidence_event")


def get_xid(event: int) -> int:
    """The transaction that wrote an event (0 on SQLite)."""
    return Event.objects.values_list("xid", flat=True).get(pk=event)


def to_epoch_days(moments: Sequence[datetime]) -> NDArray[np.float64]:
    """Days since 1970-01-01 UTC, exact to the microsecond they are stored with; a naive time is UTC."""
    return np.array([_to_epoch_micros(moment) for moment in moments], dtype=np.int64) / 86_400e6


def _select_events(
    *,
    after: LogPosition,
    limit: int | None = None,
    batch: int | None = None,
    up_to: LogPosition | None = None,
) -> NDArray[np.void]:
    """Events as records, in log order."""
    postgresql = connection.vendor == "postgresql"
    # SQLite, whose xid is always 0, would search an index for the first of two columns and scan from there.
    clauses = ["(xid, id) > (%s, %s)" if postgresql else "id > %s", watermark.get_visible_sql()]
    arguments: list[Any] = _to_arguments(after)
    if batch is not None:
        clauses, arguments = [*clauses, "batch_id = %s"], [*arguments, batch]
    if up_to is not None:
        clauses.append("(xid, id) <= (%s, %s)" if postgresql else "id <= %s")
        arguments += _to_arguments(up_to)
    order = "xid, id" if postgresql else "id"
    sql = f"{_READ_SQL[connection.vendor]} WHERE {' AND '.join(clauses)} ORDER BY {order}"
    if limit is not None:
        sql, arguments = f"{sql} LIMIT %s", [*arguments, limit]
    with connection.cursor() as cursor:
        if postgresql:
            return _copy_rows(cursor, sql, arguments)
        cursor.execute(sql, arguments)
        return np.array(cursor.fetchall(), dtype=_RECORD_DTYPE)


def _to_arguments(position: LogPosition) -> list[int]:
    if connection.vendor == "postgresql":
        return [position.xid, position.event]
    return [position.event]


def _copy_rows(cursor: Any, sql: str, arguments: Sequence[Any]) -> NDArray[np.void]:
    """The rows of a query in PostgreSQL's binary format, which has a header, then for each row the number of its
    columns, and each column after its length. All columns must take eight bytes and none may be NULL."""
    statement = f"COPY ({sql}) TO STDOUT (FORMAT BINARY)"
    # The driver's own cursor: Django's, when it logs queries, takes no arguments here.
    with connection.wrap_database_errors, cursor.cursor.copy(statement, arguments) as copy:
        raw = b"".join(copy)
    return np.frombuffer(raw[_COPY_HEADER_BYTES:-_COPY_TRAILER_BYTES], dtype=_COPY_DTYPE)[
        list(_RECORD_DTYPE.names or ())
    ]


def _to_epoch_micros(moment: datetime) -> int:
    since = moment - (_EPOCH if moment.tzinfo is not None else _NAIVE_EPOCH)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
