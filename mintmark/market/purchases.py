"""Purchases: check, price, post, grant; one prompt, or a whole set, in one transfer."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team
from mintmark.common import amounts, errors, revenue_split
from mintmark.deployments.mandates import SpendingLimits
from mintmark.tokens import book, wallets
from mintmark.tokens.models import Transfer

from . import deals, listing_snapshot, notifications, prompt_sets, receipts
from .deals import AlreadyOwned, OverLimit, PriceChanged, PurchaseOrder
from .listing_snapshot import ListingSnapshot
from .models import PromptSet
from .policy import MarketPolicy
from .receipts import PurchasedItem, PurchaseResult


class InvalidIdempotencyKey(errors.DomainError):
    """An idempotency key that can't be kept, or none where one is needed."""

    code = "invalid_key"


def buy_listing(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    listing: int,
    price_micro: int,
    idempotency_key: str,
    now: datetime,
    limits: SpendingLimits | None = None,
) -> PurchaseResult:
    """Buy one listing for a team, at the price that the buyer has seen.

    Raises `PriceChanged`, `AlreadyOwned`, `book.InsufficientFunds`, `OverLimit`, `errors.KeyReused`; then nothing is
    left of it. The same key with the same request again answers as it did.
    """
    check_idempotency_key(idempotency_key)

    def buy_at(snapshot: ListingSnapshot) -> PurchaseResult:
        order = deals.build_order(
            policy=policy,
            buyer=buyer.pk,
            team=team,
            snapshots=[snapshot],
            charged_micro=[price_micro],
            prompt_set=None,
            idempotency_key=_build_transfer_key(buyer, idempotency_key),
            request_fingerprint=f"buy {team} {listing} {price_micro}",
            limits=limits,
            now=now,
        )
        return _execute_order(order, quoted_micro=[price_micro], buyer=buyer, now=now)

    cached = listing_snapshot.get_cached_snapshot(listing=listing, price_micro=price_micro)
    if cached is not None:
        # What refuses it may be what changed since: that is read anew, and the buyer told how it stands.
        with suppress(errors.DomainError):
            return buy_at(cached)
    return buy_at(listing_snapshot.load_snapshots([listing])[0])


def buy_prompt_set(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    prompt_set: PromptSet,
    price_micro: int,
    idempotency_key: str,
    now: datetime,
    limits: SpendingLimits | None = None,
) -> PurchaseResult:
    """Buy a set for a team in one transfer, at its discount and the total that the buyer has seen; what the team may
    use already is left out. Raises what `buy` does, and `InvalidPromptSet` where a prompt is not offered now."""
    check_idempotency_key(idempotency_key)
    request_fingerprint = f"buy set {team} {prompt_set.pk} {price_micro}"
    earlier = find_earlier_transfer(buyer=buyer, idempotency_key=idempotency_key)
    if earlier is not None:
        return _repeat_result(
            earlier,
            transfer_key=_build_transfer_key(buyer, idempotency_key),
            request_fingerprint=request_fingerprint,
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
    order = deals.build_order(
        policy=policy,
        buyer=buyer.pk,
        team=team,
        snapshots=snapshots,
        charged_micro=charged_micro,
        prompt_set=prompt_set.pk,
        idempotency_key=_build_transfer_key(buyer, idempotency_key),
        request_fingerprint=request_fingerprint,
        limits=limits,
        now=now,
    )
    if sum(charged_micro) != price_micro:
        raise PriceChanged(
            f"The set {prompt_set.name} costs {amounts.format_tokens(sum(charged_micro))} tokens now, not "
            f"{amounts.format_tokens(price_micro)}. Nothing was charged; look again and send the price you see."
        )
    return _execute_order(order, quoted_micro=quoted_micro, buyer=buyer, now=now)


def resolve_buying_team(*, caller: Caller, team: Team | None) -> int:
    """The team that a caller buys for: the one named, else his own. It takes the role operator or author there; an
    assistant buys for its own team."""
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


def find_earlier_transfer(*, buyer: Principal, idempotency_key: str) -> Transfer | None:
    """The purchase that this buyer made under this key."""
    return Transfer.objects.filter(key=_build_transfer_key(buyer, idempotency_key)).first()


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


def _execute_order(
    order: PurchaseOrder, *, quoted_micro: Sequence[int], buyer: Principal, now: datetime
) -> PurchaseResult:
    try:
        _check_order(order, quoted_micro=quoted_micro)
    except errors.DomainError:
        # What stands in the way now may have come after the purchase that this key made.
        earlier = Transfer.objects.filter(key=order.transfer_order.idempotency_key).first()
        if earlier is None:
            raise
        return _repeat_result(
            earlier,
            transfer_key=order.transfer_order.idempotency_key,
            request_fingerprint=order.transfer_order.request_fingerprint,
        )
    try:
        posted = notifications.post_with_notifications(order, now=now)
    except book.NoAccount:
        wallets.get_or_open(principal=buyer, now=now)
        posted = notifications.post_with_notifications(order, now=now)
    if not posted.is_new:
        return receipts.get_purchase_result(transfer=posted.transfer)
    items = [
        PurchasedItem(listing=snapshot.listing, prompt=snapshot.prompt, price_micro=price)
        for snapshot, price in zip(order.snapshots, order.charged_micro, strict=True)
    ]
    return PurchaseResult(transfer=posted.transfer, is_new=True, items=tuple(items))


def _repeat_result(
    earlier: Transfer, *, transfer_key: str, request_fingerprint: str
) -> PurchaseResult:
    """The receipt of what this key did before, if it was asked for the same."""
    if bytes(earlier.digest) != book.hash_request(request_fingerprint):
        raise book.build_key_reused_error(transfer_key)
    return receipts.get_purchase_result(transfer=earlier.pk)


def _check_order(order: PurchaseOrder, *, quoted_micro: Sequence[int]) -> None:
    for snapshot, price in zip(order.snapshots, quoted_micro, strict=True):
        if not snapshot.is_active:
            raise PriceChanged(
                f"{snapshot.reference} was withdrawn from the market. Nothing was charged."
            )
        if snapshot.price_micro != price:
            raise PriceChanged(
                f"{snapshot.reference} costs {amounts.format_tokens(snapshot.price_micro)} tokens now, not "
                f"{amounts.format_tokens(price)}. Nothing was charged; look again and send the price you see."
            )
        if snapshot.owner_team == order.team:
            raise AlreadyOwned(f"{snapshot.reference} is the team's own. Nothing was charged.")
        if snapshot.seller == order.buyer:
            # All but the fee would come back: of the smallest prices all of it, and the transfer would move nothing.
            raise AlreadyOwned(
                f"The buyer himself sells {snapshot.reference}; he may grant it to the team. Nothing was charged."
            )
    limits, total = order.limits, sum(order.charged_micro)
    if limits is not None and total > limits.per_purchase_micro:
        raise OverLimit(
            f"The assistant may spend {amounts.format_tokens(limits.per_purchase_micro)} tokens on a purchase by "
            f"itself, and this costs {amounts.format_tokens(total)}."
        )


def _build_transfer_key(buyer: Principal, idempotency_key: str) -> str:
    return f"buy:{buyer.pk}:{idempotency_key}"
