"""Checkpoints of a log: each is the Merkle root over a range of rows, chained to the checkpoint before it.

Checkpoint n covers the rows after the end of checkpoint n − 1 up to its own end. So the checkpoints divide the log
without a gap, and a row that is changed, removed or inserted there later no longer gives the root. The digest of a
checkpoint is SHA-256 over the canonical bytes (`storage.row_encoding`) of

    [book, number, first xid, first id, last xid, last id, count, root, digest of the checkpoint before, sealed at]

where the digest before the first is 32 zero bytes. Somebody who removes the last checkpoints, or rewrites rows and all
checkpoints after them, leaves a valid chain: only a head that was written down elsewhere shows it
(`explain_missing_head`).
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from django.db import connection, models, transaction

from mintmark.signing import merkle

from . import row_encoding, watermark
from .audit_results import InvariantResult, take_first

MAX_ROWS = 10_000
"""The most rows of a checkpoint: a range that does not verify is no longer than that."""

_HEAD_PATTERN = re.compile(r"([a-z]+):(\d{1,18}):([0-9a-f]{64})")
_PROGRESS_EVERY = 100


class Checkpoint(models.Model):
    """One link of the chain of checkpoints over a table. Triggers refuse UPDATE and DELETE."""

    number = models.BigIntegerField(primary_key=True)
    first_xid = models.BigIntegerField()
    first_id = models.BigIntegerField()
    last_xid = models.BigIntegerField()
    last_id = models.BigIntegerField()
    count = models.PositiveIntegerField()
    root = models.BinaryField(max_length=32)
    previous = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(number__gte=1, count__gte=1), name="%(app_label)s_seal_bounds"
            ),
        ]

    def __str__(self) -> str:
        return f"checkpoint {self.number}"

    def compute_digest(self, *, book: str) -> bytes:
        """The digest that the checkpoint must have."""
        content = (
            book, self.number, self.first_xid, self.first_id, self.last_xid, self.last_id, self.count,
            bytes(self.root), bytes(self.previous), row_encoding.to_micros(self.sealed_at),
        )  # fmt: skip
        return hashlib.sha256(row_encoding.encode(content)).digest()


class RowPosition(NamedTuple):
    """A position in a table's order; on SQLite, where xid is 0, the id alone."""

    xid: int
    id: int


class Leaf(NamedTuple):
    """A row of a table: its position, and its canonical bytes."""

    position: RowPosition
    record: bytes


@dataclass(frozen=True, kw_only=True)
class RowRange:
    """A range of rows: those after a position (or from the first), and either up to another one, or the settled ones
    and at most `limit`."""

    after: RowPosition | None
    until: RowPosition | None = None
    limit: int | None = None

    @property
    def where_sql(self) -> tuple[str, list[Any]]:
        """The condition on the table with the alias `leaf`, and its arguments."""
        postgresql = connection.vendor == "postgresql"
        # SQLite would search an index for the first of two columns and scan from there.
        column, mark = ("(leaf.xid, leaf.id)", "(%s, %s)") if postgresql else ("leaf.id", "%s")
        clauses = [] if self.until is not None else [watermark.get_visible_sql()]
        arguments: list[Any] = []
        for sign, position in ((">", self.after), ("<=", self.until)):
            if position is not None:
                clauses.append(f"{column} {sign} {mark}")
                arguments += position if postgresql else position[1:]
        return f"WHERE {' AND '.join(clauses)}", arguments

    @property
    def order_sql(self) -> str:
        """The ORDER BY and LIMIT clauses."""
        order = "leaf.xid, leaf.id" if connection.vendor == "postgresql" else "leaf.id"
        return f"ORDER BY {order}" + (f" LIMIT {self.limit:d}" if self.limit is not None else "")


@dataclass(frozen=True, kw_only=True)
class CheckpointedTable:
    """A table with checkpoints: its name, its SQL table and checkpoint model, its rows in order, and a check of single
    rows for a range that does not verify. `lock` is a unique number: the holder of that advisory lock is the only
    writer of checkpoints."""

    name: str
    table: str
    model: type[Checkpoint]
    lock: int
    read: Callable[[RowRange], list[Leaf]]
    suspects: Callable[[RowRange], Iterator[str]] = lambda _: iter(())


@dataclass(frozen=True, kw_only=True)
class ChainHead:
    """The last checkpoint of a chain, to be written down elsewhere: `book:number:digest`. Number 0: none yet."""

    book: str
    number: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.book}:{self.number}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> "ChainHead":
        """Parse a head as it is printed. Raises ValueError for anything else."""
        match = _HEAD_PATTERN.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not BOOK:NUMBER:DIGEST, with a digest of 64 hex digits")
        return cls(book=match[1], number=int(match[2]), digest=bytes.fromhex(match[3]))


def create_checkpoints(
    book: CheckpointedTable, *, now: datetime, max_rows: int = MAX_ROWS
) -> list[Checkpoint]:
    """Create checkpoints over all settled rows without one, at most `max_rows` rows each. Returns the new checkpoints.

    Each is a transaction of its own (or the caller's). Raises `watermark.WrongDatabaseCluster` after a restore that
    lost the order.
    """
    checkpoints = []
    while (checkpoint := create_next_checkpoint(book, now=now, max_rows=max_rows)) is not None:
        checkpoints.append(checkpoint)
        # Rows that others write meanwhile wait for the next call: a busy table would never end.
        if checkpoint.count < max_rows:
            break
    return checkpoints


def create_next_checkpoint(
    book: CheckpointedTable, *, now: datetime, max_rows: int = MAX_ROWS
) -> Checkpoint | None:
    """Create the next checkpoint alone; None where nothing is new."""
    watermark.check_cluster(table=book.table)
    with transaction.atomic():
        _lock(book)
        last = book.model._default_manager.order_by("-number").first()
        leaves = book.read(RowRange(after=_get_end(last), limit=max_rows))
        if not leaves:
            return None
        checkpoint = book.model(
            number=last.number + 1 if last else 1,
            first_xid=leaves[0].position.xid,
            first_id=leaves[0].position.id,
            last_xid=leaves[-1].position.xid,
            last_id=leaves[-1].position.id,
            count=len(leaves),
            root=merkle.compute_root(leaf.record for leaf in leaves),
            previous=bytes(last.digest) if last else bytes(32),
            sealed_at=now,
        )
        checkpoint.digest = checkpoint.compute_digest(book=book.name)
        checkpoint.save(force_insert=True)
        return checkpoint


def get_head(book: CheckpointedTable) -> ChainHead:
    """The current head of the chain."""
    last = book.model._default_manager.order_by("-number").first()
    if last is None:
        return ChainHead(book=book.name, number=0, digest=bytes(32))
    return ChainHead(book=book.name, number=last.number, digest=bytes(last.digest))


def explain_missing_head(book: CheckpointedTable, known_head: ChainHead) -> str | None:
    """Why a known head is no longer part of the chain; None while it is. `verify` checks the chain itself."""
    if known_head.number == 0 and not any(known_head.digest):
        return None
    checkpoint = book.model._default_manager.filter(number=known_head.number).first()
    if checkpoint is None:
        return f"{known_head}: the chain has no checkpoint {known_head.number}; it ended at {get_head(book)}"
    if bytes(checkpoint.digest) != known_head.digest:
        return f"{known_head}: checkpoint {checkpoint.number} now has the digest {bytes(checkpoint.digest).hex()}"
    return None


def verify(
    book: CheckpointedTable, *, progress: Callable[[str], None] = lambda _: None
) -> InvariantResult:
    """Recompute every root and the chain; lists the first checkpoints and ranges of rows that differ, and how."""
    checkpoints = book.model._default_manager.order_by("number")
    total = checkpoints.count()

    def find_breaks() -> Iterator[str]:
        before: Checkpoint | None = None
        for n, checkpoint in enumerate(checkpoints.iterator(chunk_size=_PROGRESS_EVERY), start=1):
            yield from _find_link_breaks(checkpoint, before=before)
            if checkpoint.compute_digest(book=book.name) == bytes(checkpoint.digest):
                yield from _find_range_breaks(book, checkpoint, before=before)
            else:  # its digest is invalid, so what it says of its rows proves nothing
                yield f"checkpoint {checkpoint.number} was changed: its digest does not match its content"
            before = checkpoint
            if n % _PROGRESS_EVERY == 0:
                progress(f"{book.name}: {n:,} of {total:,} checkpoints verified")

    return InvariantResult(
        code=f"{book.name}_seals",
        description=f"every checkpoint of the {book.name} log matches its rows, and follows the one before",
        checked=total,
        broken=take_first(find_breaks()),
    )


def _find_link_breaks(checkpoint: Checkpoint, *, before: Checkpoint | None) -> Iterator[str]:
    number, digest = (before.number, bytes(before.digest)) if before else (0, bytes(32))
    if checkpoint.number == number + 2:
        yield f"checkpoint {number + 1} is missing"
    elif checkpoint.number != number + 1:
        yield f"checkpoints {number + 1} to {checkpoint.number - 1} are missing"
    elif bytes(checkpoint.previous) != digest:
        yield f"checkpoint {checkpoint.number} does not follow checkpoint {number}: the chain is broken there"


def _find_range_breaks(
    book: CheckpointedTable, checkpoint: Checkpoint, *, before: Checkpoint | None
) -> Iterator[str]:
    follows = checkpoint.number == (before.number + 1 if before else 1)
    # Where checkpoints are missing, the rows between belong to none of them.
    after = (
        _get_end(before) if follows else RowPosition(checkpoint.first_xid, checkpoint.first_id - 1)
    )
    row_range = RowRange(after=after, until=RowPosition(checkpoint.last_xid, checkpoint.last_id))
    leaves = book.read(row_range)
    if merkle.compute_root(leaf.record for leaf in leaves) == bytes(checkpoint.root):
        return
    location = f"checkpoint {checkpoint.number}, rows {_format_range(checkpoint)}"
    surplus = len(leaves) - checkpoint.count
    if surplus > 0:
        yield f"{location}: {surplus:,} more than the {checkpoint.count:,} in the checkpoint: inserted since"
    elif surplus < 0:
        yield f"{location}: {-surplus:,} of the {checkpoint.count:,} in the checkpoint are missing"
    else:
        yield f"{location}: the {checkpoint.count:,} rows differ from those in the checkpoint: changed since"
    yield from book.suspects(row_range)


def _format_range(checkpoint: Checkpoint) -> str:
    if checkpoint.first_xid == checkpoint.last_xid == 0:
        return f"{checkpoint.first_id} to {checkpoint.last_id}"
    return (
        f"{checkpoint.first_id} (transaction {checkpoint.first_xid}) to {checkpoint.last_id} (transaction "
        f"{checkpoint.last_xid})"
    )


def _get_end(last: Checkpoint | None) -> RowPosition | None:
    return RowPosition(last.last_xid, last.last_id) if last else None


def _lock(book: CheckpointedTable) -> None:
    """Wait until no other process creates checkpoints of this table, and hold the lock to the end of the transaction.

    SQLite has a single writer from the beginning of its transaction on.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [book.lock])
