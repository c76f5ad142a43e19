"""The audit of the token book: each invariant with how much was checked and what broke it.

The book has no foreign keys between transfers, entries and accounts: what those would hold is proved here.
"""

import itertools
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.db import connection

from mintmark.common import amounts
from mintmark.storage import audit_results, named_sql
from mintmark.storage.audit_results import InvariantResult

from . import checkpoints
from .models import Account, Entry, Transfer

APPEND_ONLY = ("tokens_transfer", "tokens_entry", "tokens_account", "tokens_seal")
_STEPS = named_sql.load_statements(Path(__file__).parent / "audit.sql")
_FETCH_SIZE = 10_000


def audit(*, progress: Callable[[str], None] = lambda _: None) -> list[InvariantResult]:
    """Check every invariant; reads everything and changes nothing."""
    results = []
    for check in (
        _check_append_only,
        _check_sum,
        _check_transfers,
        _check_balances,
        _check_floors,
        _check_references,
        _check_keys,
        lambda: checkpoints.verify(progress),
    ):
        result = check()
        progress(result.description)
        results.append(result)
    return results


def _check_append_only() -> InvariantResult:
    return audit_results.check_append_only(
        APPEND_ONLY,
        code="tokens_append_only",
        description="triggers refuse to change or remove rows of the token book",
    )


def _check_sum() -> InvariantResult:
    total = checked = 0
    # Added up here: a tampered amount may go beyond what SQLite can add.
    for (amount,) in _read_rows("amounts"):
        total += amount
        checked += 1
    return InvariantResult(
        code="tokens_sum",
        description="no token came from nowhere: all entries sum to 0",
        checked=checked,
        broken=(f"all entries together are {amounts.format_tokens(total)} credits",)
        if total
        else (),
    )


def _check_transfers() -> InvariantResult:
    def find_broken() -> Iterator[str]:
        for transfer, legs in itertools.groupby(_read_rows("transfers"), key=itemgetter(0)):
            values = [amount for _, amount in legs if amount is not None]
            if len(values) < 2:
                yield f"transfer {transfer}: it has {len(values)} entries, and takes at least 2"
            elif sum(values):
                yield f"transfer {transfer}: its entries sum to {amounts.format_tokens(sum(values))} credits"

    return InvariantResult(
        code="tokens_transfers",
        description="every transfer has two entries or more, which sum to 0",
        checked=Transfer.objects.count(),
        broken=audit_results.take_first(find_broken()),
    )


def _check_balances() -> InvariantResult:
    """The running balance of each account, entry by entry, and at its end what the account says."""

    def find_broken() -> Iterator[str]:
        for account, entries in itertools.groupby(_read_rows("accounts"), key=itemgetter(1)):
            entry_sum = recorded_balance = account_balance = 0
            is_account_known = True
            for entry, _, amount, balance_after, existing_account_id, balance, _ in entries:
                entry_sum += amount
                if balance_after != recorded_balance + amount:
                    yield (
                        f"entry {entry} of account {account}: {amounts.format_tokens(recorded_balance)} and "
                        f"{amounts.format_tokens(amount)} credits do not make the "
                        f"{amounts.format_tokens(balance_after)} written there"
                    )
                recorded_balance, account_balance, is_account_known = (
                    balance_after,
                    balance,
                    existing_account_id is not None,
                )
            if is_account_known and not entry_sum == recorded_balance == account_balance:
                yield (
                    f"account {account}: it holds {amounts.format_tokens(account_balance)} credits, its last entry "
                    f"says {amounts.format_tokens(recorded_balance)}, and its entries sum to "
                    f"{amounts.format_tokens(entry_sum)}"
                )
        for account, balance in _read_rows("untouched"):
            if balance:
                yield f"account {account}: it holds {amounts.format_tokens(balance)} credits and has no entry"

    return InvariantResult(
        code="tokens_balances",
        description="every account holds what its entries sum to and its last entry says",
        checked=Account.objects.count(),
        broken=audit_results.take_first(find_broken()),
    )


def _check_floors() -> InvariantResult:
    def find_broken() -> Iterator[str]:
        for entry, account, _, balance_after, _, _, floor in _read_rows("accounts"):
            if floor is not None and balance_after < floor:
                yield f"entry {entry}: account {account} then held {amounts.format_tokens(balance_after)} credits"
        accounts = Account.objects.order_by("id").values_list("id", "balance_micro", "floor_micro")
        for account, balance, floor in accounts:
            if floor is not None and balance < floor:
                yield (
                    f"account {account} holds {amounts.format_tokens(balance)} credits, its floor is "
                    f"{amounts.format_tokens(floor)}"
                )

    return InvariantResult(
        code="tokens_floors",
        description="no account is or was below its floor",
        checked=Account.objects.count(),
        broken=audit_results.take_first(find_broken()),
    )


def _check_references() -> InvariantResult:
    def find_broken() -> Iterator[str]:
        for entry, transfer in _read_rows("orphans"):
            yield f"entry {entry}: there is no transfer {transfer}"
        for entry, account, _, _, existing_account_id, _, _ in _read_rows("accounts"):
            if existing_account_id is None:
                yield f"entry {entry}: there is no account {account}"
        for transfer, actor in _read_rows("nobodies"):
            yield f"transfer {transfer}: there is no principal {actor}, who caused it"

    return InvariantResult(
        code="tokens_references",
        description="every entry has its transfer and its account, every transfer somebody who caused it",
        checked=Entry.objects.count() + Transfer.objects.count(),
        broken=audit_results.take_first(find_broken()),
    )


def _check_keys() -> InvariantResult:
    return InvariantResult(
        code="tokens_keys",
        description="no key was used for two transfers",
        checked=Transfer.objects.count(),
        broken=audit_results.take_first(
            f"the key {key!r} stands under {times} transfers, from {first_id} to {last_id}"
            for key, times, first_id, last_id in _read_rows("keys")
        ),
    )


def _read_rows(statement: str) -> Iterator[tuple[Any, ...]]:
    """The rows of one of the statements of audit.sql, some at a time."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_STEPS[statement])
        while rows := cursor.fetchmany(_FETCH_SIZE):
            yield from rows
