"""Seals of a book: each is the Merkle root over a range of rows, chained to the seal before it.

Seal n covers the rows after the end of seal n − 1 up to its own end, so that the seals part the sealed book without a
gap, and whatever is changed, removed or slipped in there no longer gives the root. Its digest is SHA-256 over the
canonical bytes (`database.canonical`) of

    [book, number, first xid, first id, last xid, last id, count, root, digest of the seal before, sealed at]

where that of the seal before the first is 32 zero bytes. Who removes the last seals, or rewrites rows and all seals
after them, leaves a chain that is right in itself: only a head written down elsewhere tells (`departed`).
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from django.db import connection, models, transaction

from mintmark.core import merkle

from . import canonical, settled
from .findings import Finding, first

ROWS = 10_000
"""How many rows a seal covers at most: a range that does not verify is no longer than that."""

_HEAD = re.compile(r"([a-z]+):(\d{1,18}):([0-9a-f]{64})")
_EVERY = 100


class Seal(models.Model):
    """One link of the chain over a book. Triggers refuse UPDATE and DELETE."""

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
        return f"seal {self.number}"

    def computed_digest(self, *, book: str) -> bytes:
        """What `digest` must be."""
        said = (
            book, self.number, self.first_xid, self.first_id, self.last_xid, self.last_id, self.count,
            bytes(self.root), bytes(self.previous), canonical.micros(self.sealed_at),
        )  # fmt: skip
        return hashlib.sha256(canonical.encoded(said)).digest()


class Position(NamedTuple):
    """A place in a book's order; on SQLite, where xid is 0, the id alone."""

    xid: int
    id: int


class Leaf(NamedTuple):
    """A row of a book: where it stands, and its canonical bytes."""

    at: Position
    record: bytes


@dataclass(frozen=True, kw_only=True)
class Span:
    """Which rows: those after a position (from the first without one), and either up to another one, or only settled
    ones and at most `limit`."""

    after: Position | None
    upto: Position | None = None
    limit: int | None = None

    @property
    def sql(self) -> tuple[str, list[Any]]:
        """The condition on the table that a query calls `leaf`, and its arguments."""
        postgresql = connection.vendor == "postgresql"
        # SQLite would search an index for the first of two columns and scan from there.
        column, mark = ("(leaf.xid, leaf.id)", "(%s, %s)") if postgresql else ("leaf.id", "%s")
        clauses = [] if self.upto is not None else [settled.clause()]
        arguments: list[Any] = []
        for sign, position in ((">", self.after), ("<=", self.upto)):
            if position is not None:
                clauses.append(f"{column} {sign} {mark}")
                arguments += position if postgresql else position[1:]
        return f"WHERE {' AND '.join(clauses)}", arguments

    @property
    def rest(self) -> str:
        """The order and the limit, in SQL."""
        order = "leaf.xid, leaf.id" if connection.vendor == "postgresql" else "leaf.id"
        return f"ORDER BY {order}" + (f" LIMIT {self.limit:d}" if self.limit is not None else "")


@dataclass(frozen=True, kw_only=True)
class Book:
    """What is sealed: its name, table and seals, its rows in order, and what can be said of single rows of a range that
    does not verify. `lock` is any number of its own: who holds that advisory lock is the one sealer."""

    name: str
    table: str
    model: type[Seal]
    lock: int
    read: Callable[[Span], list[Leaf]]
    suspects: Callable[[Span], Iterator[str]] = lambda _: iter(())


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last seal of a book's chain, to be written down elsewhere: `book:number:digest`. Number 0: none yet."""

    book: str
    number: int
    digest: bytes

    def __str__(self) -> str:
        return f"{self.book}:{self.number}:{self.digest.hex()}"

    @classmethod
    def parsed(cls, text: str) -> "Head":
        """A head as it is printed; ValueError for anything else."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not BOOK:NUMBER:DIGEST, with a digest of 64 hex digits")
        return cls(book=found[1], number=int(found[2]), digest=bytes.fromhex(found[3]))


def seal(book: Book, *, now: datetime, at_most: int = ROWS) -> list[Seal]:
    """Seal all that is settled and not yet sealed, `at_most` rows a seal; the new seals, none where nothing is new.

    Each is a transaction of its own (or the caller's). `settled.ClockOfAnotherCluster` after a restore that lost the
    order.
    """
    made = []
    while (one := seal_next(book, now=now, at_most=at_most)) is not None:
        made.append(one)
        # What others wrote meanwhile is for the next time: a busy book would never end.
        if one.count < at_most:
            break
    return made


def seal_next(book: Book, *, now: datetime, at_most: int = ROWS) -> Seal | None:
    """The next seal alone, or None where nothing is new."""
    settled.check_clock(table=book.table)
    with transaction.atomic():
        _lock(book)
        last = book.model._default_manager.order_by("-number").first()
        leaves = book.read(Span(after=_end(last), limit=at_most))
        if not leaves:
            return None
        made = book.model(
            number=last.number + 1 if last else 1,
            first_xid=leaves[0].at.xid,
            first_id=leaves[0].at.id,
            last_xid=leaves[-1].at.xid,
            last_id=leaves[-1].at.id,
            count=len(leaves),
            root=merkle.root(leaf.record for leaf in leaves),
            previous=bytes(last.digest) if last else bytes(32),
            sealed_at=now,
        )
        made.digest = made.computed_digest(book=book.name)
        made.save(force_insert=True)
        return made


def head(book: Book) -> Head:
    """Where the chain stands now."""
    last = book.model._default_manager.order_by("-number").first()
    if last is None:
        return Head(book=book.name, number=0, digest=bytes(32))
    return Head(book=book.name, number=last.number, digest=bytes(last.digest))


def departed(book: Book, remembered: Head) -> str | None:
    """Why a remembered head is no longer part of the chain; None while it is. `verify` says that the chain is right."""
    if remembered.number == 0 and not any(remembered.digest):
        return None
    found = book.model._default_manager.filter(number=remembered.number).first()
    if found is None:
        return f"{remembered}: the chain has no seal {remembered.number}; it ended at {head(book)}"
    if bytes(found.digest) != remembered.digest:
        return f"{remembered}: seal {found.number} now has the digest {bytes(found.digest).hex()}"
    return None


def verify(book: Book, *, progress: Callable[[str], None] = lambda _: None) -> Finding:
    """Compute every root and the chain anew; names the first seals and ranges of rows that differ, and how."""
    seals = book.model._default_manager.order_by("number")
    total = seals.count()

    def broken() -> Iterator[str]:
        before: Seal | None = None
        for n, one in enumerate(seals.iterator(chunk_size=_EVERY), start=1):
            yield from _link_breaks(one, before=before)
            if one.computed_digest(book=book.name) == bytes(one.digest):
                yield from _range_breaks(book, one, before=before)
            else:  # and what it says of its rows is nobody's word
                yield f"seal {one.number} was changed: its digest is not that of what it says"
            before = one
            if n % _EVERY == 0:
                progress(f"{book.name}: {n:,} of {total:,} seals verified")

    return Finding(
        code=f"{book.name}_seals",
        says=f"every seal of the {book.name} book has its rows, and follows on the one before",
        checked=total,
        broken=first(broken()),
    )


def _link_breaks(one: Seal, *, before: Seal | None) -> Iterator[str]:
    number, digest = (before.number, bytes(before.digest)) if before else (0, bytes(32))
    if one.number == number + 2:
        yield f"seal {number + 1} is missing"
    elif one.number != number + 1:
        yield f"seals {number + 1} to {one.number - 1} are missing"
    elif bytes(one.previous) != digest:
        yield f"seal {one.number} does not follow on seal {number}: the chain is broken there"


def _range_breaks(book: Book, one: Seal, *, before: Seal | None) -> Iterator[str]:
    follows = one.number == (before.number + 1 if before else 1)
    # Where seals are missing, what lay between is none of this one's.
    after = _end(before) if follows else Position(one.first_xid, one.first_id - 1)
    span = Span(after=after, upto=Position(one.last_xid, one.last_id))
    leaves = book.read(span)
    if merkle.root(leaf.record for leaf in leaves) == bytes(one.root):
        return
    where = f"seal {one.number}, rows {_told(one)}"
    more = len(leaves) - one.count
    if more > 0:
        yield f"{where}: {more:,} more than the {one.count:,} that were sealed: inserted since"
    elif more < 0:
        yield f"{where}: {-more:,} of the {one.count:,} that were sealed are missing"
    else:
        yield f"{where}: the {one.count:,} rows are not those that were sealed: changed since"
    yield from book.suspects(span)


def _told(one: Seal) -> str:
    if one.first_xid == one.last_xid == 0:
        return f"{one.first_id} to {one.last_id}"
    return f"{one.first_id} (transaction {one.first_xid}) to {one.last_id} (transaction {one.last_xid})"


def _end(last: Seal | None) -> Position | None:
    return Position(last.last_xid, last.last_id) if last else None


def _lock(book: Book) -> None:
    """Wait until no other sealer of this book is at work, and hold the lock to the end of the transaction.

    SQLite has one writer from the beginning of its transaction on.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [book.lock])
