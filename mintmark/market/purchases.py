"""Purchases, in one file from the caller to the receipt: check -> quote -> post -> grant -> notify.

`buy` checks who may buy for which team. `_quote_listing` and `_quote_prompt_set` read what is bought and build the
order: who pays, who gets what, and what waits in escrow for a warranty. `_execute_order` posts it: transfer, grants and
the sellers' webhooks are one transaction, on PostgreSQL by one function, `market_buy` (buy.postgresql.sql).
"""

import functools
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team
from mintmark.common import amounts, errors, revenue_split
from mintmark.deployments import mandates
from mintmark.deployments.mandates import SpendingLimits
from mintmark.registry.models import Entitlement
from mintmark.storage import bulk, named_sql
from mintmark.tokens import book, system_accounts, wallets
from mintmark.tokens.book import Leg, Posting, TransferOrder
from mintmark.tokens.models import Account, Transfer
from mintmark.webhooks import outbox

from . import listing_snapshot, notifications, prompt_sets, warranties
from .listing_snapshot import ListingSnapshot
from .models import PromptSet, Purchase
from .policy import MarketPolicy

_SQLITE_STEPS = named_sql.load_statements(Path(__file__).parent / "buy.sqlite.sql")
_MARKET_BUY_SQL = (
    "SELECT transfer, is_new FROM market_buy(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
    "%s, %s, %s)"
)
# Exact fractions are slow, and most sales are of what was sold at that price before.
_split_price = functools.lru_cache(maxsize=10_000)(revenue_split.split_price)
# Chance only spreads sales over the shards of the system accounts; nothing that is shown depends on it.
_SHARD_RNG = random.Random()


class InvalidIdempotencyKey(errors.DomainError):
    """An idempotency key that can't be kept, or none where one is needed."""

    code = "invalid_idempotency_key"


class PriceChanged(errors.DomainError):
    """The listing is not offered at this price now: it was repriced or withdrawn. Nothing was charged."""

    code = "price_changed"


class AlreadyOwned(errors.DomainError):
    """The team may use the prompt already: it is its own, was bought, or was granted; or the buyer is its seller.
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
    """A purchase about to be made. `charged_micro` (micro-credits) and `escrowed` are in the order of `snapshots`."""

    buyer: int
    team: int
    snapshots: tuple[ListingSnapshot, ...]
    charged_micro: tuple[int, ...]
    transfer_order: TransferOrder
    prompt_set: int | None
    limits: SpendingLimits | None
    escrowed: tuple[EscrowedPrice | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchasedItem:
    """One prompt of a receipt, with what was paid for it."""

    listing: int
    prompt: int
    price_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseResult:
    """A purchase that was made; not `is_new` where its key had made it before."""

    transfer: int
    is_new: bool
    items: tuple[PurchasedItem, ...]

    @property
    def total_micro(self) -> int:
        return sum(item.price_micro for item in self.items)


def buy(
    *,
    policy: MarketPolicy,
    caller: Caller,
    listing: int | None,
    prompt_set: PromptSet | None,
    price_micro: int,
    idempotency_key: str,
    now: datetime,
    team: Team | None = None,
) -> PurchaseResult:
    """Buy a listing (by its id) or a set for a team of the caller, at the price that they have seen.

    Raises `errors.Forbidden` and what `buy_within` does. An assistant beyond its mandate gets `OverLimit`:
    `purchase_requests.buy_or_request` asks a person then.
    """
    return buy_within(
        policy=policy, buyer=caller.principal, team=require_may_buy(caller=caller, team=team), listing=listing,
        prompt_set=prompt_set, price_micro=price_micro, idempotency_key=idempotency_key, now=now,
        limits=mandates.get_spending_limits(assistant=caller.principal.assistant) if caller.is_assistant else None,
    )  # fmt: skip


def buy_within(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    listing: int | None,
    prompt_set: PromptSet | None,
    price_micro: int,
    idempotency_key: str,
    now: datetime,
    limits: SpendingLimits | None = None,
) -> PurchaseResult:
    """Buy from a buyer's wallet, within these limits; that the buyer may is for the caller to have checked.

    Of a set, what the team may use already is left out. The same key with the same request again answers as it did.
    Raises `InvalidIdempotencyKey`, `errors.IdempotencyKeyReused`, `errors.NotFound`, `PriceChanged`, `AlreadyOwned`,
    `OverLimit`, `book.InsufficientFunds`, and `prompt_sets.InvalidPromptSet` where a prompt of a set is not offered
    now; then nothing was charged.
    """
    check_idempotency_key(idempotency_key)
    if prompt_set is not None:
        return _buy_prompt_set(
            policy=policy, buyer=buyer, team=team, prompt_set=prompt_set, price_micro=price_micro,
            idempotency_key=idempotency_key, limits=limits, now=now,
        )  # fmt: skip
    assert listing is not None
    return _buy_listing(
        policy=policy, buyer=buyer, team=team, listing=listing, price_micro=price_micro,
        idempotency_key=idempotency_key, limits=limits, now=now,
    )  # fmt: skip


def require_may_buy(*, caller: Caller, team: Team | None) -> int:
    """The id of the team that a caller buys for: the one named, else their own. A person needs the role operator or
    author there; an assistant buys for its own team. Raises `errors.Forbidden`."""
    caller.require_scope("market")
    own_team_id = caller.principal.team_id
    team_id = team.pk if team is not None else own_team_id
    if team_id is None:
        raise errors.Forbidden("The caller has no team; name the one to buy for.")
    if caller.is_assistant:
        if team_id != own_team_id:
            raise errors.Forbidden("An assistant buys for its own team.")
    elif not caller.has_role(Role.OPERATOR, Role.AUTHOR, team_id=team_id):
        raise errors.Forbidden("Buying takes the role 'operator' or 'author' in the team.")
    return team_id


def check_idempotency_key(idempotency_key: str) -> None:
    """Refuse a key that can't be kept."""
    if not (
        1 <= len(idempotency_key) <= 200
        and idempotency_key.isascii()
        and idempotency_key.isprintable()
    ):
        raise InvalidIdempotencyKey(
            f"The key {idempotency_key[:60]!r}: use 1 to 200 printable ASCII characters, new for each purchase."
        )


# Quote: what is bought, and the order that pays for it.


def _buy_listing(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    listing: int,
    price_micro: int,
    idempotency_key: str,
    limits: SpendingLimits | None,
    now: datetime,
) -> PurchaseResult:
    def buy_at(snapshot: ListingSnapshot) -> PurchaseResult:
        order = build_order(
            policy=policy, buyer=buyer.pk, team=team, snapshots=[snapshot], charged_micro=[price_micro],
            prompt_set=None, idempotency_key=_build_transfer_key(buyer, idempotency_key),
            request_fingerprint=f"buy {team} {listing} {price_micro}", limits=limits, now=now,
        )  # fmt: skip
        return _execute_order(order, quoted_micro=[price_micro], buyer=buyer, now=now)

    cached = listing_snapshot.get_cached_snapshot(listing=listing, price_micro=price_micro)
    if cached is not None:
        # A refusal may come from what changed since the snapshot was read: read it again, and answer by that.
        with suppress(errors.DomainError):
            return buy_at(cached)
    return buy_at(listing_snapshot.load_snapshots([listing])[0])


def _buy_prompt_set(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    prompt_set: PromptSet,
    price_micro: int,
    idempotency_key: str,
    limits: SpendingLimits | None,
    now: datetime,
) -> PurchaseResult:
    transfer_key = _build_transfer_key(buyer, idempotency_key)
    request_fingerprint = f"buy set {team} {prompt_set.pk} {price_micro}"
    earlier = Transfer.objects.filter(key=transfer_key).first()
    if earlier is not None:
        return _repeat_result(
            earlier, transfer_key=transfer_key, request_fingerprint=request_fingerprint
        )
    listing_ids = prompt_sets.list_listings_to_buy(prompt_set=prompt_set, team_id=team)
    if not listing_ids:
        raise AlreadyOwned(
            f"The team may use all of {prompt_set.name} already. Nothing was charged."
        )
    snapshots = listing_snapshot.load_snapshots(listing_ids)
    quoted_micro = [snapshot.price_micro for snapshot in snapshots]
    discount_bp = prompt_set.discount_bp
    charged_micro = [
        revenue_split.apply_discount(price_micro=price, discount_bp=discount_bp)
        for price in quoted_micro
    ]
    order = build_order(
        policy=policy, buyer=buyer.pk, team=team, snapshots=snapshots, charged_micro=charged_micro,
        prompt_set=prompt_set.pk, idempotency_key=transfer_key, request_fingerprint=request_fingerprint,
        limits=limits, now=now,
    )  # fmt: skip
    if sum(charged_micro) != price_micro:
        raise PriceChanged(
            f"The set {prompt_set.name} costs {amounts.format_tokens(sum(charged_micro))} credits now, not "
            f"{amounts.format_tokens(price_micro)}. Nothing was charged; look again and send the price you see."
        )
    return _execute_order(order, quoted_micro=quoted_micro, buyer=buyer, now=now)


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
    """The legs of a purchase: who pays and who gets now, and what waits in escrow for its one warranty.

    `charged_micro` is in micro-credits, in the order of `snapshots`; the keys are those of a `book.TransferOrder`.
    """
    treasury = system_accounts.pick_shard(Account.Kind.TREASURY, rng=_SHARD_RNG)
    escrow = system_accounts.pick_shard(Account.Kind.ESCROW, rng=_SHARD_RNG)
    legs = [Leg(buyer, -sum(charged_micro))]
    spent = warranties.find_spent_by(team=team, snapshots=snapshots)
    escrowed: list[EscrowedPrice | None] = []
    for snapshot, price in zip(snapshots, charged_micro, strict=True):
        price_legs = _build_price_legs(
            policy=policy, snapshot=snapshot, price_micro=price, treasury=treasury
        )
        if snapshot.warranty_days is None or snapshot.prompt in spent:
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


def _build_transfer_key(buyer: Principal, idempotency_key: str) -> str:
    return f"buy:{buyer.pk}:{idempotency_key}"


# Check, post, grant and notify.


def _execute_order(
    order: PurchaseOrder, *, quoted_micro: Sequence[int], buyer: Principal, now: datetime
) -> PurchaseResult:
    try:
        _check_order(order, quoted_micro=quoted_micro)
    except errors.DomainError:
        # What refuses it now may have come after the purchase that this key made.
        earlier = Transfer.objects.filter(key=order.transfer_order.idempotency_key).first()
        if earlier is None:
            raise
        return _repeat_result(
            earlier,
            transfer_key=order.transfer_order.idempotency_key,
            request_fingerprint=order.transfer_order.request_fingerprint,
        )
    try:
        posting = _post_and_notify(order, now=now)
    except book.NoAccount:
        wallets.get_or_open(principal=buyer, now=now)
        posting = _post_and_notify(order, now=now)
    if not posting.is_new:
        return get_purchase_result(transfer=posting.transfer)
    items = [
        PurchasedItem(listing=snapshot.listing, prompt=snapshot.prompt, price_micro=price)
        for snapshot, price in zip(order.snapshots, order.charged_micro, strict=True)
    ]
    return PurchaseResult(transfer=posting.transfer, is_new=True, items=tuple(items))


def _check_order(order: PurchaseOrder, *, quoted_micro: Sequence[int]) -> None:
    for snapshot, price in zip(order.snapshots, quoted_micro, strict=True):
        if not snapshot.is_active:
            raise PriceChanged(
                f"{snapshot.reference} was withdrawn from the market. Nothing was charged."
            )
        if snapshot.price_micro != price:
            raise PriceChanged(
                f"{snapshot.reference} costs {amounts.format_tokens(snapshot.price_micro)} credits now, not "
                f"{amounts.format_tokens(price)}. Nothing was charged; look again and send the price you see."
            )
        if snapshot.owner_team == order.team:
            raise AlreadyOwned(f"{snapshot.reference} is the team's own. Nothing was charged.")
        if snapshot.seller == order.buyer:
            # All but the fee would come back; at the smallest prices all of it, and the transfer would move nothing.
            raise AlreadyOwned(
                f"The buyer is the seller of {snapshot.reference}, and may grant it to the team. Nothing was charged."
            )
    limits, total = order.limits, sum(order.charged_micro)
    if limits is not None and total > limits.per_purchase_micro:
        raise OverLimit(
            f"The assistant may spend {amounts.format_tokens(limits.per_purchase_micro)} credits on a purchase by "
            f"itself, and this costs {amounts.format_tokens(total)}."
        )


def _post_and_notify(order: PurchaseOrder, *, now: datetime) -> Posting:
    if not outbox.has_active_webhooks():
        return _post_and_grant(order, now=now)
    with transaction.atomic():
        posting = _post_and_grant(order, now=now)
        if posting.is_new:
            sold = list(zip(order.snapshots, order.charged_micro, strict=True))
            notifications.notify_sale(sold=sold, transfer=posting.transfer, now=now)
    return posting


def _post_and_grant(order: PurchaseOrder, *, now: datetime) -> Posting:
    book.check_balanced(order.transfer_order)
    with book.translate_errors(order.transfer_order):
        if connection.vendor == "postgresql":
            return _post_and_grant_postgresql(order, now=now)
        with transaction.atomic():
            posting = book.post_sqlite(order=order.transfer_order, now=now)
            if posting.is_new:
                _grant_sqlite(order, transfer=posting.transfer, now=now)
            return posting


def _post_and_grant_postgresql(order: PurchaseOrder, *, now: datetime) -> Posting:
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
            raise _build_set_withdrawn_error() from None
        if state == "MM015":
            raise _build_mandate_lowered_error() from None
        raise
    return Posting(transfer=transfer, is_new=is_new)


def _grant_sqlite(order: PurchaseOrder, *, transfer: int, now: datetime) -> None:
    to_column = connection.ops.adapt_datetimefield_value
    bought_at = to_column(now)
    with book.open_raw_cursor() as cursor:
        offered = (
            order.prompt_set is None
            or cursor.execute(_SQLITE_STEPS["offered_set"], [order.prompt_set]).fetchone()
        )
        if not offered:
            raise _build_set_withdrawn_error()
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
                    transfer, snapshot.listing, snapshot.prompt, order.prompt_set, order.buyer, order.team,
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
                raise _build_mandate_lowered_error()
            day = to_column(_get_day_start(now))
            (spent,) = cursor.execute(_SQLITE_STEPS["spent"], [order.buyer, day]).fetchone()
            if spent > order.limits.per_day_micro:
                raise _build_daily_limit_error(order)


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


def _build_set_withdrawn_error() -> PriceChanged:
    return PriceChanged("The set was withdrawn at that moment. Nothing was charged.")


def _build_mandate_lowered_error() -> OverLimit:
    return OverLimit("The assistant's mandate was lowered at that moment.")


def _build_daily_limit_error(order: PurchaseOrder) -> OverLimit:
    assert order.limits is not None
    return OverLimit(
        f"The assistant may spend {amounts.format_tokens(order.limits.per_day_micro)} credits a day (UTC) by itself, "
        f"and with these {amounts.format_tokens(sum(order.charged_micro))} it would spend more."
    )


def _get_day_start(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


# Receipts: what was bought, and what was paid for it.


def get_purchase_result(*, transfer: int) -> PurchaseResult:
    """The receipt of a purchase that was made."""
    purchase_rows = Purchase.objects.filter(transfer=transfer).order_by("id")
    return PurchaseResult(
        transfer=transfer,
        is_new=False,
        items=tuple(
            PurchasedItem(
                listing=purchase.listing_id,
                prompt=purchase.prompt_id,
                price_micro=purchase.price_micro,
            )
            for purchase in purchase_rows
        ),
    )


def list_transfer_purchases(*, transfer: int) -> QuerySet[Purchase]:
    """The purchases of one transfer, in their order. Whether they may be seen is for the caller to check."""
    return _select_purchases().filter(transfer=transfer).order_by("id")


def visible_to(*, caller: Caller) -> QuerySet[Purchase]:
    """The purchases that a caller may see: of their teams; of all teams, to an admin or an auditor. Newest first."""
    rows = _select_purchases().order_by("-id")
    if caller.has_role(Role.AUDITOR, team_id=None):
        return rows
    return rows.filter(team__in=caller.team_ids)


def _select_purchases() -> QuerySet[Purchase]:
    return Purchase.objects.select_related(
        "prompt", "prompt_set", "team", "buyer", "entitlement", "warranty"
    )


def _repeat_result(
    earlier: Transfer, *, transfer_key: str, request_fingerprint: str
) -> PurchaseResult:
    """The receipt of what this key did before, if it was asked for the same."""
    if bytes(earlier.digest) != book.hash_request(request_fingerprint):
        raise book.build_key_reused_error(transfer_key)
    return get_purchase_result(transfer=earlier.pk)
