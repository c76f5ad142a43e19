"""The audit of the token book: each invariant with how much was checked and what broke it.

The book has no foreign keys between transfers, entries and accounts: what those would hold is proved here.
"""

import itertools
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.db import connection

from mintmark.core import money
from mintmark.database import findings, steps
from mintmark.database.findings import Finding

from . import seals
from .models import Account, Entry, Transfer

APPEND_ONLY = ("tokens_transfer", "tokens_entry", "tokens_account", "tokens_seal")
_STEPS = steps.read(Path(__file__).parent / "audit.sql")
_AT_ONCE = 10_000


def audit(*, progress: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Check every invariant; reads everything and changes nothing."""
    found = []
    for check in (
        _append_only,
        _sum,
        _transfers,
        _balances,
        _floors,
        _references,
        _keys,
        lambda: seals.verify(progress),
    ):
        finding = check()
        progress(finding.says)
        found.append(finding)
    return found


def _append_only() -> Finding:
    return findings.append_only(
        APPEND_ONLY,
        code="tokens_append_only",
        says="triggers refuse to change or remove rows of the token book",
    )


def _sum() -> Finding:
    total = checked = 0
    # Added up here: a tampered amount may go beyond what SQLite can add.
    for (amount,) in _read("amounts"):
        total += amount
        checked += 1
    return Finding(
        code="tokens_sum",
        says="no token came from nowhere: all entries sum to 0",
        checked=checked,
        broken=(f"all entries together are {money.shown(total)} tokens",) if total else (),
    )


def _transfers() -> Finding:
    def broken() -> Iterator[str]:
        for transfer, legs in itertools.groupby(_read("transfers"), key=itemgetter(0)):
            amounts = [amount for _, amount in legs if amount is not None]
            if len(amounts) < 2:
                yield f"transfer {transfer}: it has {len(amounts)} entries, and takes at least 2"
            elif sum(amounts):
                yield f"transfer {transfer}: its entries sum to {money.shown(sum(amounts))} tokens"

    return Finding(
        code="tokens_transfers",
        says="every transfer has two entries or more, which sum to 0",
        checked=Transfer.objects.count(),
        broken=findings.first(broken()),
    )


def _balances() -> Finding:
    """The running balance of each account, entry by entry, and at its end what the account says."""

    def broken() -> Iterator[str]:
        for account, entries in itertools.groupby(_read("accounts"), key=itemgetter(1)):
            held = written = holds = 0
            is_there = True
            for entry, _, amount, after, found, balance, _ in entries:
                held += amount
                if after != written + amount:
                    yield (
                        f"entry {entry} of account {account}: {money.shown(written)} and {money.shown(amount)} "
                        f"tokens do not make the {money.shown(after)} written there"
                    )
                written, holds, is_there = after, balance, found is not None
            if is_there and not held == written == holds:
                yield (
                    f"account {account}: it holds {money.shown(holds)} tokens, its last entry says "
                    f"{money.shown(written)}, and its entries sum to {money.shown(held)}"
                )
        for account, balance in _read("untouched"):
            if balance:
                yield f"account {account}: it holds {money.shown(balance)} tokens and has no entry"

    return Finding(
        code="tokens_balances",
        says="every account holds what its entries sum to and its last entry says",
        checked=Account.objects.count(),
        broken=findings.first(broken()),
    )


def _floors() -> Finding:
    def broken() -> Iterator[str]:
        for entry, account, _, after, _, _, floor in _read("accounts"):
            if floor is not None and after < floor:
                yield f"entry {entry}: account {account} then held {money.shown(after)} tokens"
        accounts = Account.objects.order_by("id").values_list("id", "balance_micro", "floor_micro")
        for account, balance, floor in accounts:
            if floor is not None and balance < floor:
                yield f"account {account} holds {money.shown(balance)} tokens, its floor is {money.shown(floor)}"

    return Finding(
        code="tokens_floors",
        says="no account is or was below its floor",
        checked=Account.objects.count(),
        broken=findings.first(broken()),
    )


def _references() -> Finding:
    def broken() -> Iterator[str]:
        for entry, transfer in _read("orphans"):
            yield f"entry {entry}: there is no transfer {transfer}"
        for entry, account, _, _, found, _, _ in _read("accounts"):
            if found is None:
                yield f"entry {entry}: there is no account {account}"
        for transfer, actor in _read("nobodies"):
            yield f"transfer {transfer}: there is no principal {actor}, who caused it"

    return Finding(
        code="tokens_references",
        says="every entry has its transfer and its account, every transfer somebody who caused it",
        checked=Entry.objects.count() + Transfer.objects.count(),
        broken=findings.first(broken()),
    )


def _keys() -> Finding:
    return Finding(
        code="tokens_keys",
        says="no key was used for two transfers",
        checked=Transfer.objects.count(),
        broken=findings.first(
            f"the key {key!r} stands under {times} transfers, from {least} to {greatest}"
            for key, times, least, greatest in _read("keys")
        ),
    )


def _read(step: str) -> Iterator[tuple[Any, ...]]:
    """The rows of one of the statements of audit.sql, some at a time."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_STEPS[step])
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows
