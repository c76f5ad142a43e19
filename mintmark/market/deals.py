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

from mintmark.core import errors, money, splits
from mintmark.database import rows, steps
from mintmark.registry.models import Entitlement
from mintmark.tokens import book, house
from mintmark.tokens.book import Leg, Order, Posted
from mintmark.tokens.models import Account, Transfer

from .policy import MarketPolicy
from .terms import Terms

_STEPS = steps.read(Path(__file__).parent / "buy.sqlite.sql")
_CALL = (
    "SELECT transfer, is_new FROM market_buy(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
    "%s, %s, %s)"
)
# Exact fractions take their time, and most sales are of what was sold at that price before.
_split = functools.lru_cache(maxsize=10_000)(splits.split)
# Chance only spreads sales over the shards of the house's accounts; nothing that is told depends on it.
_SPREAD = random.Random()


class PriceChanged(errors.Refusal):
    """The listing is not offered at this price now: it was repriced or withdrawn. Nothing was charged."""

    code = "price_changed"


class AlreadyOwned(errors.Refusal):
    """The team may use the prompt already: it is its own, was bought, or was granted; or the buyer sells it himself.
    Nothing was charged."""

    code = "already_owned"


class OverLimit(errors.Refusal):
    """A purchase beyond what the assistant may spend by itself; a person has to confirm it."""

    code = "over_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the buyer may spend by himself, in micro-tokens: on one purchase, and on a day of UTC."""

    per_purchase_micro: int
    per_day_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A price that waits in the account `escrow` until `ends_at`; `split` is who gets it then, as JSON."""

    escrow: int
    split: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A purchase about to be made. `paid`, in micro-tokens, and `waiting` are in the order of `terms`."""

    buyer: int
    team: int
    terms: tuple[Terms, ...]
    paid: tuple[int, ...]
    order: Order
    prompt_set: int | None
    limits: Limits | None
    waiting: tuple[Waiting | None, ...]


def drawn_up(
    *,
    policy: MarketPolicy,
    buyer: int,
    team: int,
    terms: Sequence[Terms],
    paid: Sequence[int],
    prompt_set: int | None,
    key: str,
    asked: str,
    limits: Limits | None,
    now: datetime,
) -> Deal:
    """The legs of a purchase: who pays and who gets now, and what waits in escrow for its warranty.

    `key` and `asked` are those of the transfer (see `book.Order`); `paid` is in micro-tokens, in the order of `terms`.
    """
    treasury = house.shard(Account.Kind.TREASURY, rng=_SPREAD)
    escrow = house.shard(Account.Kind.ESCROW, rng=_SPREAD)
    legs = [Leg(buyer, -sum(paid))]
    waiting: list[Waiting | None] = []
    for one, price in zip(terms, paid, strict=True):
        parts = _parts(policy=policy, terms=one, price_micro=price, treasury=treasury)
        if one.warranty_days is None:
            legs += parts
            waiting.append(None)
        else:
            legs.append(Leg(escrow, price))
            ends_at = now + timedelta(days=one.warranty_days)
            waiting.append(Waiting(escrow=escrow, split=json.dumps(parts), ends_at=ends_at))
    more = f" and {len(terms) - 1} more" if len(terms) > 1 else ""
    order = Order(
        key=key,
        asked=asked,
        cause=Transfer.Cause.PURCHASE,
        actor=buyer,
        legs=legs,
        memo=f"{terms[0].reference[:180]}{more}",
    )
    return Deal(
        buyer=buyer,
        team=team,
        terms=tuple(terms),
        paid=tuple(paid),
        order=order,
        prompt_set=prompt_set,
        limits=limits,
        waiting=tuple(waiting),
    )


def _parts(*, policy: MarketPolicy, terms: Terms, price_micro: int, treasury: int) -> list[Leg]:
    parted = _split(
        price_micro=price_micro,
        fee_bp=policy.fee_bp,
        royalties=terms.royalties,
        royalty_cap_bp=policy.royalty_cap_bp,
    )
    owed = zip(terms.royalties, parted.royalties_micro, strict=True)
    legs = [
        Leg(treasury, parted.fee_micro),
        *[Leg(royalty.holder, amount) for royalty, amount in owed],
        Leg(terms.seller, parted.seller_micro),
    ]
    return [leg for leg in legs if leg.amount_micro]


def post(deal: Deal, *, now: datetime) -> Posted:
    """Make the purchase in one transaction, or leave nothing of it."""
    book.check(deal.order)
    with book.refusals(deal.order):
        if connection.vendor == "postgresql":
            return _post_at_once(deal, now=now)
        with transaction.atomic():
            return _post_step_by_step(deal, now=now)


def _post_at_once(deal: Deal, *, now: datetime) -> Posted:
    order, one_by_one, column = deal.order, deal.terms, rows.array
    legs = book.moves(order)
    arguments: list[Any] = [
        order.key, order.digest, order.memo, deal.buyer, deal.team, now,
        column([leg.account for leg in legs]), column([leg.amount_micro for leg in legs]),
        column([one.listing for one in one_by_one]), column([one.prompt for one in one_by_one]),
        column([one.parties for one in one_by_one]), column([one.price_micro for one in one_by_one]),
        column(deal.paid), deal.prompt_set,
        _day(now), deal.limits.per_day_micro if deal.limits is not None else None,
        column([waits and waits.escrow for waits in deal.waiting]),
        column([waits and waits.split for waits in deal.waiting]),
        column([waits and waits.ends_at for waits in deal.waiting]),
    ]  # fmt: skip
    try:
        with book.whole(), connection.cursor() as cursor:
            cursor.execute(_CALL, arguments)
            transfer, is_new = cursor.fetchone()
    except DatabaseError as failed:
        state = getattr(failed.__cause__, "sqlstate", None)
        if state == "MM011":
            raise _changed(deal) from None
        if state == "MM012":
            raise _owned(deal) from None
        if state == "MM013":
            raise _over_the_day(deal) from None
        if state == "MM014":
            raise _set_withdrawn() from None
        if state == "MM015":
            raise _mandate_lowered() from None
        raise
    return Posted(transfer=transfer, is_new=is_new)


def _post_step_by_step(deal: Deal, *, now: datetime) -> Posted:
    posted = book.step_by_step(order=deal.order, now=now)
    if not posted.is_new:
        return posted
    moment = connection.ops.adapt_datetimefield_value
    at = moment(now)
    with book.bare_cursor() as cursor:
        offered = (
            deal.prompt_set is None
            or cursor.execute(_STEPS["offered_set"], [deal.prompt_set]).fetchone()
        )
        if not offered:
            raise _set_withdrawn()
        for one, paid, waits in zip(deal.terms, deal.paid, deal.waiting, strict=True):
            if not cursor.execute(_STEPS["standing"], [one.listing, one.price_micro]).fetchone():
                raise _changed(deal)
            granted = cursor.execute(_STEPS["grant"], [one.prompt, deal.team, at]).fetchone()
            if granted is None:
                raise _owned(deal)
            (purchase,) = cursor.execute(
                _STEPS["bought"],
                [
                    posted.transfer, one.listing, one.prompt, deal.prompt_set, deal.buyer, deal.team, paid,
                    granted[0], at,
                ],
            ).fetchone()  # fmt: skip
            if waits is not None:
                cursor.execute(
                    _STEPS["warranted"],
                    [purchase, waits.escrow, waits.split, moment(waits.ends_at)],
                )
        if deal.limits is not None:
            mandate = cursor.execute(_STEPS["mandate"], [deal.buyer]).fetchone()
            if mandate is not None and (
                mandate[0] < sum(deal.paid) or mandate[1] < deal.limits.per_day_micro
            ):
                raise _mandate_lowered()
            day = moment(_day(now))
            (spent,) = cursor.execute(_STEPS["spent"], [deal.buyer, day]).fetchone()
            if spent > deal.limits.per_day_micro:
                raise _over_the_day(deal)
    return posted


def _changed(deal: Deal) -> PriceChanged:
    references = ", ".join(one.reference for one in deal.terms[:3])
    return PriceChanged(
        f"{references}: repriced or withdrawn at that moment. Nothing was charged; look again."
    )


def _owned(deal: Deal) -> AlreadyOwned:
    held = set(
        Entitlement.objects.filter(
            prompt__in=[one.prompt for one in deal.terms], team=deal.team, ended_at__isnull=True
        ).values_list("prompt_id", flat=True)
    )
    names = ", ".join(one.reference for one in deal.terms if one.prompt in held)
    return AlreadyOwned(f"The team may use {names or 'this'} already. Nothing was charged.")


def _set_withdrawn() -> PriceChanged:
    return PriceChanged("The set was withdrawn at that moment. Nothing was charged.")


def _mandate_lowered() -> OverLimit:
    return OverLimit("The assistant's mandate was lowered at that moment.")


def _over_the_day(deal: Deal) -> OverLimit:
    assert deal.limits is not None
    return OverLimit(
        f"The assistant may spend {money.shown(deal.limits.per_day_micro)} tokens a day (UTC) by itself, and "
        f"with these {money.shown(sum(deal.paid))} it would spend more."
    )


def _day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
