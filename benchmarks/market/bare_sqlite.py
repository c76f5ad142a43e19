"""The statements of a purchase on SQLite by the bare `sqlite3`: the same ones in the same order, and no more."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

import mintmark.market
import mintmark.tokens
from mintmark.market import listing_snapshot, purchases
from mintmark.market.policy import MarketPolicy
from mintmark.storage import named_sql

from .client import Work

_BOOK = named_sql.load_statements(Path(mintmark.tokens.__path__[0]) / "book.sqlite.sql")
_BUY = named_sql.load_statements(Path(mintmark.market.__path__[0]) / "buy.sqlite.sql")
_TERMS = (Path(mintmark.market.__path__[0]) / "terms.sql").read_text().format(these="IN (?)")
_ANY = datetime(2026, 1, 1, tzinfo=UTC)


def buying(
    *,
    pairs: Iterator[tuple[tuple[int, int], tuple[int, int]]],
    listings: Sequence[int],
    policy: MarketPolicy,
) -> Work:
    """Each time another of these listings for another team; who gets what is worked out now."""
    database = settings.DATABASES["default"]
    driver = sqlite3.connect(
        database["NAME"], timeout=30, isolation_level=None, check_same_thread=False
    )
    for pragma in database["OPTIONS"]["init_command"].split(";"):
        driver.execute(pragma)
    drawn = {
        each.listing: _deal(each, policy=policy)
        for each in listing_snapshot.load_snapshots(listings)
    }

    def buy() -> None:
        (buyer, team), (listing, _) = next(pairs)
        _buy(driver, deal=drawn[listing], buyer=buyer, team=team)

    return buy


def _deal(
    each: listing_snapshot.ListingSnapshot, *, policy: MarketPolicy
) -> purchases.PurchaseOrder:
    """The purchase of a listing by nobody in particular."""
    return purchases.build_order(
        policy=policy,
        buyer=0,
        team=0,
        snapshots=[each],
        charged_micro=[each.price_micro],
        prompt_set=None,
        idempotency_key="",
        request_fingerprint="",
        limits=None,
        now=_ANY,
    )


def _buy(
    driver: sqlite3.Connection, *, deal: purchases.PurchaseOrder, buyer: int, team: int
) -> None:
    (one,), (paid,) = deal.snapshots, deal.charged_micro
    now = str(datetime.now())
    key = f"buy:{buyer}:{uuid.uuid4().hex}"
    driver.execute(_TERMS, [one.listing] * 2).fetchall()
    driver.execute("BEGIN IMMEDIATE")
    assert driver.execute(_BOOK["known"], [key]).fetchone() is None
    transfer = _returned(
        driver, _BOOK["transfer"], [key, b"", "purchase", deal.transfer_order.memo, buyer, now]
    )
    for account, amount in sorted(
        (leg.account or buyer, leg.amount_micro) for leg in deal.transfer_order.legs
    ):
        held = _returned(driver, _BOOK["move"], [amount, account])
        driver.execute(_BOOK["entry"], [transfer, account, amount, held])
    assert _returned(driver, _BUY["standing"], [one.listing, one.price_micro]) == 1
    granted = _returned(driver, _BUY["grant"], [one.prompt, team, now])
    bought = [transfer, one.listing, one.prompt, None, buyer, team, paid, granted, now]
    _returned(driver, _BUY["bought"], bought)
    driver.execute("COMMIT")


def _returned(driver: sqlite3.Connection, statement: str, values: Sequence[Any]) -> int:
    (value,) = driver.execute(statement, values).fetchone()
    return int(value)
