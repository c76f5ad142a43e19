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

from mintmark.common import amounts, errors
from mintmark.storage import named_sql

from .models import Account, Transfer

_STEPS = named_sql.load_statements(Path(__file__).parent / "book.sqlite.sql")


class InsufficientFunds(errors.DomainError):
    """An account holds less than it should pay; nothing moved, and the key is free."""

    code = "insufficient_funds"


class NoAccount(errors.DomainError):
    """A leg names an account that was never opened."""

    code = "no_account"


class Leg(NamedTuple):
    """What one account gets (negative: pays), in micro-credits."""

    account: int
    amount_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOrder:
    """A transfer to be posted. `request_fingerprint` is all that the caller asked for under the key, as text: its
    SHA-256 is what the same key must come with again. `actor` is the id of the principal who causes it."""

    idempotency_key: str
    request_fingerprint: str
    cause: Transfer.Cause
    actor: int
    legs: Sequence[Leg]
    memo: str = ""

    @property
    def digest(self) -> bytes:
        return hash_request(self.request_fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A transfer that stands in the book; not `is_new` where its key was used for it before."""

    transfer: int
    is_new: bool


def post(*, order: TransferOrder, now: datetime) -> Posting:
    """Post a transfer: all of its legs, or nothing. The same key with the same request again answers as it did.

    Joins the caller's transaction. Raises `errors.IdempotencyKeyReused`, `InsufficientFunds`, `NoAccount`; legs that
    do not sum to 0 are a ValueError. Legs of one account are added up; accounts are locked in the order of their ids.
    """
    check_balanced(order)
    if connection.vendor == "postgresql":
        legs = net_legs(order)
        with translate_errors(order), atomic_statement(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT transfer, is_new FROM tokens_post(%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    order.idempotency_key, order.digest, order.cause, order.memo, order.actor, now,
                    [leg.account for leg in legs], [leg.amount_micro for leg in legs],
                ],
            )  # fmt: skip
            transfer, is_new = cursor.fetchone()
        return Posting(transfer=transfer, is_new=is_new)
    with translate_errors(order), transaction.atomic():
        return post_sqlite(order=order, now=now)


def hash_request(request_fingerprint: str) -> bytes:
    """What the book keeps of a request, so that its key can be held to it."""
    return hashlib.sha256(request_fingerprint.encode()).digest()


def check_balanced(order: TransferOrder) -> None:
    """Refuse what no caller may ever build: legs that do not balance."""
    if not order.legs or sum(leg.amount_micro for leg in order.legs) != 0:
        raise ValueError(f"the legs of {order.idempotency_key} do not sum to 0: {order.legs}")


def net_legs(order: TransferOrder) -> list[Leg]:
    """What each account gets in all, in the order of their ids; those that neither get nor pay are left out."""
    sums: Counter[int] = Counter()
    for account, amount in order.legs:
        sums[account] += amount
    return [Leg(account, amount) for account, amount in sorted(sums.items()) if amount]


def post_sqlite(*, order: TransferOrder, now: datetime) -> Posting:
    """What `tokens_post` does on PostgreSQL, for SQLite, in a transaction that the caller undoes if this raises."""
    with open_raw_cursor() as cursor:
        known = cursor.execute(_STEPS["known"], [order.idempotency_key]).fetchone()
        if known is not None:
            if known[1] != order.digest:
                raise build_key_reused_error(order.idempotency_key)
            return Posting(transfer=known[0], is_new=False)
        posted_at = connection.ops.adapt_datetimefield_value(now)
        (transfer,) = cursor.execute(
            _STEPS["transfer"],
            [order.idempotency_key, order.digest, order.cause, order.memo, order.actor, posted_at],
        ).fetchone()
        for account, amount in net_legs(order):
            balance_row = cursor.execute(_STEPS["move"], [amount, account]).fetchone()
            if balance_row is None:
                raise NoAccount(f"there is no account {account}")
            cursor.execute(_STEPS["entry"], [transfer, account, amount, balance_row[0]])
    return Posting(transfer=transfer, is_new=True)


@contextmanager
def open_raw_cursor() -> Iterator[sqlite3.Cursor]:
    """The SQLite driver's own cursor, within a transaction; what it raises is Django's errors."""
    with connection.wrap_database_errors, closing(connection.connection.cursor()) as cursor:
        yield cursor


def atomic_statement() -> AbstractContextManager[object]:
    """Around one statement: it is a transaction by itself, and within a transaction a savepoint."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


@contextmanager
def translate_errors(order: TransferOrder) -> Iterator[None]:
    """Turn what the database refuses into the caller's errors."""
    try:
        yield
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        if state == "MM001":
            raise build_key_reused_error(order.idempotency_key) from None
        if state == "MM003":
            raise NoAccount(str(error).splitlines()[0]) from None
        if isinstance(error, IntegrityError) and "account_not_below_floor" in str(error):
            raise _build_insufficient_funds(order) from None
        raise


def build_key_reused_error(idempotency_key: str) -> errors.IdempotencyKeyReused:
    """The refusal of a key that came with another request before."""
    # The part before the caller's own key is Mintmark's.
    caller_key = idempotency_key.split(":", 2)[-1][:200]
    return errors.IdempotencyKeyReused(
        f"The key {caller_key!r} was used before for another request; send a new key with a new request."
    )


def get_balances(accounts: Sequence[int]) -> dict[int, int]:
    """What these accounts hold, in micro-credits, by id; those never opened are left out."""
    return dict(Account.objects.filter(pk__in=accounts).values_list("pk", "balance_micro"))


def _build_insufficient_funds(order: TransferOrder) -> InsufficientFunds:
    paying = [leg for leg in net_legs(order) if leg.amount_micro < 0]
    balances_by_account = get_balances([leg.account for leg in paying])
    for account, amount in paying:
        if balances_by_account.get(account, 0) + amount < 0:
            return InsufficientFunds(
                f"This takes {amounts.format_tokens(-amount)} credits, and the wallet holds "
                f"{amounts.format_tokens(balances_by_account.get(account, 0))}. Nothing was moved."
            )
    return InsufficientFunds("The wallet held too little at that moment. Nothing was moved.")
