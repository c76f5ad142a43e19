"""The one primitive of the token book: post a balanced transfer, once for each key."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.db import DatabaseError, IntegrityError, connection, transaction

from mintmark.core import errors, money
from mintmark.database import steps

from .models import Account, Transfer

_STEPS = steps.read(Path(__file__).parent / "book.sqlite.sql")


class InsufficientFunds(errors.Refusal):
    """An account holds less than it should pay; nothing moved, and the key is free."""

    code = "insufficient_funds"


class NoAccount(errors.Refusal):
    """A leg names an account that was never opened."""

    code = "no_account"


class Leg(NamedTuple):
    """What one account gets (negative: pays), in micro-tokens."""

    account: int
    amount_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A transfer to be posted. `asked` is all that the caller asked for under `key`, as text: its SHA-256 is what the
    same key must come with again. `actor` is the id of the principal who causes it."""

    key: str
    asked: str
    cause: Transfer.Cause
    actor: int
    legs: Sequence[Leg]
    memo: str = ""

    @property
    def digest(self) -> bytes:
        return digest(self.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A transfer that stands in the book; not `is_new` where its key was used for it before."""

    transfer: int
    is_new: bool


def post(*, order: Order, now: datetime) -> Posted:
    """Post a transfer: all of its legs, or nothing. The same key with the same `asked` again answers as it did.

    Joins the caller's transaction. Raises `errors.KeyReused`, `InsufficientFunds`, `NoAccount`; legs that do not sum to
    0 are a ValueError. Legs of one account are added up; accounts are locked in the order of their ids.
    """
    check(order)
    if connection.vendor == "postgresql":
        legs = moves(order)
        with refusals(order), whole(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT transfer, is_new FROM tokens_post(%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    order.key, order.digest, order.cause, order.memo, order.actor, now,
                    [leg.account for leg in legs], [leg.amount_micro for leg in legs],
                ],
            )  # fmt: skip
            transfer, is_new = cursor.fetchone()
        return Posted(transfer=transfer, is_new=is_new)
    with refusals(order), transaction.atomic():
        return step_by_step(order=order, now=now)


def digest(asked: str) -> bytes:
    """What the book keeps of a request, so that its key can be held to it."""
    return hashlib.sha256(asked.encode()).digest()


def check(order: Order) -> None:
    """Refuse what no caller may ever build: legs that do not balance."""
    if not order.legs or sum(leg.amount_micro for leg in order.legs) != 0:
        raise ValueError(f"the legs of {order.key} do not sum to 0: {order.legs}")


def moves(order: Order) -> list[Leg]:
    """What each account gets in all, in the order of their ids; those that neither get nor pay are left out."""
    sums: Counter[int] = Counter()
    for account, amount in order.legs:
        sums[account] += amount
    return [Leg(account, amount) for account, amount in sorted(sums.items()) if amount]


def step_by_step(*, order: Order, now: datetime) -> Posted:
    """What `tokens_post` does on PostgreSQL, for SQLite, in a transaction that the caller undoes if this raises."""
    with bare_cursor() as cursor:
        known = cursor.execute(_STEPS["known"], [order.key]).fetchone()
        if known is not None:
            if known[1] != order.digest:
                raise key_reused(order.key)
            return Posted(transfer=known[0], is_new=False)
        moment = connection.ops.adapt_datetimefield_value(now)
        (transfer,) = cursor.execute(
            _STEPS["transfer"],
            [order.key, order.digest, order.cause, order.memo, order.actor, moment],
        ).fetchone()
        for account, amount in moves(order):
            moved = cursor.execute(_STEPS["move"], [amount, account]).fetchone()
            if moved is None:
                raise NoAccount(f"there is no account {account}")
            cursor.execute(_STEPS["entry"], [transfer, account, amount, moved[0]])
    return Posted(transfer=transfer, is_new=True)


@contextmanager
def bare_cursor() -> Iterator[sqlite3.Cursor]:
    """The SQLite driver's own cursor, within a transaction; what it raises is Django's errors."""
    with connection.wrap_database_errors, closing(connection.connection.cursor()) as cursor:
        yield cursor


def whole() -> AbstractContextManager[object]:
    """Around one statement: it is a transaction by itself, and within a transaction a savepoint."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


@contextmanager
def refusals(order: Order) -> Iterator[None]:
    """Turn what the database refuses into what the caller is told."""
    try:
        yield
    except DatabaseError as failed:
        state = getattr(failed.__cause__, "sqlstate", None)
        if state == "MM001":
            raise key_reused(order.key) from None
        if state == "MM003":
            raise NoAccount(str(failed).splitlines()[0]) from None
        if isinstance(failed, IntegrityError) and "account_not_below_floor" in str(failed):
            raise _insufficient(order) from None
        raise


def key_reused(key: str) -> errors.KeyReused:
    """The refusal of a key that came with another request before."""
    # The part before the caller's own key is the house's.
    shown = key.split(":", 2)[-1][:200]
    return errors.KeyReused(
        f"The key {shown!r} was used before for another request; send a new key with a new request."
    )


def balances(accounts: Sequence[int]) -> dict[int, int]:
    """What these accounts hold, in micro-tokens, by id; those never opened are left out."""
    return dict(Account.objects.filter(pk__in=accounts).values_list("pk", "balance_micro"))


def _insufficient(order: Order) -> InsufficientFunds:
    paying = [leg for leg in moves(order) if leg.amount_micro < 0]
    held = balances([leg.account for leg in paying])
    for account, amount in paying:
        if held.get(account, 0) + amount < 0:
            return InsufficientFunds(
                f"This takes {money.shown(-amount)} tokens, and the wallet holds "
                f"{money.shown(held.get(account, 0))}. Nothing was moved."
            )
    return InsufficientFunds("The wallet held too little at that moment. Nothing was moved.")
