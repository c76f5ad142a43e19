"""Deals: who pays and who gets in a purchase, and how it is made in one transaction, on either database."""

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction

from mintmark.common import amounts, errors, revenue_split
from mintmark.deployments.mandates import SpendingLimits
from mintmark.registry.models import Entitlement
from mintmark.storage import bulk, named_sql
from mintmark.tokens import book, system_accounts
from mintmark.tokens.book import Leg, Posting, TransferOrder
from mintmark.tokens.models import Account, Transfer

from .listing_snapshot import ListingSnapshot
from .policy import MarketPolicy

_SQLITE_STEPS = named_sql.load_statements(Path(__file__).parent / "buy.sqlite.sql")
_MARKET_BUY_SQL = (
    "SELECT transfer, is_new FROM market_buy(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
    "%s, %s, %s)"
)
# Exact fractions take their time, and most sales are of what was sold at that price before.
_split_price = functools.lru_cache(maxsize=10_000)(revenue_split.split_price)
# Chance only spreads sales over the shards of the house's accounts; nothing that is told depends on it.
_SHARD_RNG = random.Random()


class PriceChanged(errors.DomainError):
    """The listing is not offered at this price now: it was repriced or withdrawn. Nothing was charged."""

    code = "price_changed"


class AlreadyOwned(errors.DomainError):
    """The team may use the prompt already: it is its own, was bought, or was granted; or the buyer sells it himself.
    Nothing was charged."""

    code = "already_owned"


class OverLimit(errors.DomainError):
    """A purchase beyond what the assistant may spend by itself; a person has to confirm it."""

    code = "over_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowedPrice:
    """A price that waits in the account `escrow` until `ends_at`; `split` is who gets it then, as JSON."""

    escrow: int
    split: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseOrder:
    """A purchase about to be made. `paid`, in micro-tokens, and `waiting` are in the order of `terms`."""

    buyer: int
    team: int
    snapshots: tuple[ListingSnapshot, ...]
    charged_micro: tuple[int, ...]
    transfer_order: TransferOrder
    prompt_set: int | None
    limits: SpendingLimits | None
    escrowed: tuple[EscrowedPrice | None, ...]


def build_order(
    *,
    policy: MarketPolicy,
    buyer: int,
    team: int,
    snapshots: Sequence[ListingSnapshot],
    charged_micro: Sequence[int],
    prompt_set: int | None,
    idempotency_key: str,
    request_fingerprint: str,
    limits: SpendingLimits | None,
    now: datetime,
) -> PurchaseOrder:
    """The legs of a purchase: who pays and who gets now, and what waits in escrow for its warranty.

    `key` and `asked` are those of the transfer (see `book.Order`); `paid` is in micro-tokens, in the order of `terms`.
    """
    treasury = system_accounts.pick_shard(Account.Kind.TREASURY, rng=_SHARD_RNG)
    escrow = system_accounts.pick_shard(Account.Kind.ESCROW, rng=_SHARD_RNG)
    legs = [Leg(buyer, -sum(charged_micro))]
    escrowed: list[EscrowedPrice | None] = []
    for snapshot, price in zip(snapshots, charged_micro, strict=True):
        price_legs = _build_price_legs(
            policy=policy, snapshot=snapshot, price_micro=price, treasury=treasury
        )
        if snapshot.warranty_days is None:
            legs += price_legs
            escrowed.append(None)
        else:
            legs.append(Leg(escrow, price))
            ends_at = now + timedelta(days=snapshot.warranty_days)
            escrowed.append(
                EscrowedPrice(escrow=escrow, split=json.dumps(price_legs), ends_at=ends_at)
            )
    suffix = f" and {len(snapshots) - 1} more" if len(snapshots) > 1 else ""
    transfer_order = TransferOrder(
        idempotency_key=idempotency_key,
        request_fingerprint=request_fingerprint,
        cause=Transfer.Cause.PURCHASE,
        actor=buyer,
        legs=legs,
        memo=f"{snapshots[0].reference[:180]}{suffix}",
    )
    return PurchaseOrder(
        buyer=buyer,
        team=team,
        snapshots=tuple(snapshots),
        charged_micro=tuple(charged_micro),
        transfer_order=transfer_order,
        prompt_set=prompt_set,
        limits=limits,
        escrowed=tuple(escrowed),
    )


def _build_price_legs(
    *, policy: MarketPolicy, snapshot: ListingSnapshot, price_micro: int, treasury: int
) -> list[Leg]:
    price_split = _split_price(
        price_micro=price_micro,
        fee_bp=policy.fee_bp,
        royalties=snapshot.royalties,
        royalty_cap_bp=policy.royalty_cap_bp,
    )
    royalty_amounts = zip(snapshot.royalties, price_split.royalties_micro, strict=True)
    legs = [
        Leg(treasury, price_split.fee_micro),
        *[Leg(royalty.holder, amount) for royalty, amount in royalty_amounts],
        Leg(snapshot.seller, price_split.seller_micro),
    ]
    return [leg for leg in legs if leg.amount_micro]


def post_order(order: PurchaseOrder, *, now: datetime) -> Posting:
    """Make the purchase in one transaction, or leave nothing of it."""
    book.check_balanced(order.transfer_order)
    with book.translate_errors(order.transfer_order):
        if connection.vendor == "postgresql":
            return _post_postgresql(order, now=now)
        with transaction.atomic():
            return _post_sqlite(order, now=now)


def _post_postgresql(order: PurchaseOrder, *, now: datetime) -> Posting:
    transfer_order, snapshots, to_array = order.transfer_order, order.snapshots, bulk.to_pg_array
    legs = book.net_legs(transfer_order)
    arguments: list[Any] = [
        transfer_order.idempotency_key, transfer_order.digest, transfer_order.memo, order.buyer, order.team, now,
        to_array([leg.account for leg in legs]), to_array([leg.amount_micro for leg in legs]),
        to_array([snapshot.listing for snapshot in snapshots]), to_array([snapshot.prompt for snapshot in snapshots]),
        to_array([snapshot.payees_fingerprint for snapshot in snapshots]),
        to_array([snapshot.price_micro for snapshot in snapshots]), to_array(order.charged_micro), order.prompt_set,
        _get_day_start(now), order.limits.per_day_micro if order.limits is not None else None,
        to_array([escrow and escrow.escrow for escrow in order.escrowed]),
        to_array([escrow and escrow.split for escrow in order.escrowed]),
        to_array([escrow and escrow.ends_at for escrow in order.escrowed]),
    ]  # fmt: skip
    try:
        with book.atomic_statement(), connection.cursor() as cursor:
            cursor.execute(_MARKET_BUY_SQL, arguments)
            transfer, is_new = cursor.fetchone()
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        if state == "MM011":
            raise _build_price_changed_error(order) from None
        if state == "MM012":
            raise _build_already_owned_error(order) from None
        if state == "MM013":
            raise _build_daily_limit_error(order) from None
        if state == "MM014":
            raise _set_withdrawn() from None
        if state == "MM015":
            raise _mandate_lowered() from None
        raise
    return Posting(transfer=transfer, is_new=is_new)


def _post_sqlite(order: PurchaseOrder, *, now: datetime) -> Posting:
    posted = book.post_sqlite(order=order.transfer_order, now=now)
    if not posted.is_new:
        return posted
    to_column = connection.ops.adapt_datetimefield_value
    bought_at = to_column(now)
    with book.open_raw_cursor() as cursor:
        offered = (
            order.prompt_set is None
            or cursor.execute(_SQLITE_STEPS["offered_set"], [order.prompt_set]).fetchone()
        )
        if not offered:
            raise _set_withdrawn()
        for snapshot, price_micro, escrow in zip(
            order.snapshots, order.charged_micro, order.escrowed, strict=True
        ):
            if not cursor.execute(
                _SQLITE_STEPS["standing"], [snapshot.listing, snapshot.price_micro]
            ).fetchone():
                raise _build_price_changed_error(order)
            granted = cursor.execute(
                _SQLITE_STEPS["grant"], [snapshot.prompt, order.team, bought_at]
            ).fetchone()
            if granted is None:
                raise _build_already_owned_error(order)
            (purchase,) = cursor.execute(
                _SQLITE_STEPS["bought"],
                [
                    posted.transfer, snapshot.listing, snapshot.prompt, order.prompt_set, order.buyer, order.team,
                    price_micro, granted[0], bought_at,
                ],
            ).fetchone()  # fmt: skip
            if escrow is not None:
                cursor.execute(
                    _SQLITE_STEPS["warranted"],
                    [purchase, escrow.escrow, escrow.split, to_column(escrow.ends_at)],
                )
        if order.limits is not None:
            mandate = cursor.execute(_SQLITE_STEPS["mandate"], [order.buyer]).fetchone()
            if mandate is not None and (
                mandate[0] < sum(order.charged_micro) or mandate[1] < order.limits.per_day_micro
            ):
                raise _mandate_lowered()
            day = to_column(_get_day_start(now))
            (spent,) = cursor.execute(_SQLITE_STEPS["spent"], [order.buyer, day]).fetchone()
            if spent > order.limits.per_day_micro:
                raise _build_daily_limit_error(order)
    return posted


def _build_price_changed_error(order: PurchaseOrder) -> PriceChanged:
    references = ", ".join(snapshot.reference for snapshot in order.snapshots[:3])
    return PriceChanged(
        f"{references}: repriced or withdrawn at that moment. Nothing was charged; look again."
    )


def _build_already_owned_error(order: PurchaseOrder) -> AlreadyOwned:
    owned_ids = set(
        Entitlement.objects.filter(
            prompt__in=[snapshot.prompt for snapshot in order.snapshots],
            team=order.team,
            ended_at__isnull=True,
        ).values_list("prompt_id", flat=True)
    )
    names = ", ".join(
        snapshot.reference for snapshot in order.snapshots if snapshot.prompt in owned_ids
    )
    return AlreadyOwned(f"The team may use {names or 'this'} already. Nothing was charged.")


def _set_withdrawn() -> PriceChanged:
    return PriceChanged("The set was withdrawn at that moment. Nothing was charged.")


def _mandate_lowered() -> OverLimit:
    return OverLimit("The assistant's mandate was lowered at that moment.")


def _build_daily_limit_error(order: PurchaseOrder) -> OverLimit:
    assert order.limits is not None
    return OverLimit(
        f"The assistant may spend {amounts.format_tokens(order.limits.per_day_micro)} tokens a day (UTC) by itself, "
        f"and with these {amounts.format_tokens(sum(order.charged_micro))} it would spend more."
    )


def _get_day_start(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
