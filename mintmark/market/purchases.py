"""Purchases: check, price, post, grant; one prompt, or a whole set, in one transfer."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role, Team
from mintmark.core import errors, money, splits
from mintmark.tokens import book, wallets
from mintmark.tokens.models import Transfer

from . import deals, prompt_sets, receipts, terms, tidings
from .deals import AlreadyOwned, Deal, Limits, OverLimit, PriceChanged
from .models import PromptSet
from .policy import MarketPolicy
from .receipts import Line, Receipt
from .terms import Terms


class InvalidKey(errors.Refusal):
    """An idempotency key that can't be kept, or none where one is needed."""

    code = "invalid_key"


def buy(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    listing: int,
    price_micro: int,
    key: str,
    now: datetime,
    limits: Limits | None = None,
) -> Receipt:
    """Buy one listing for a team, at the price that the buyer has seen.

    Raises `PriceChanged`, `AlreadyOwned`, `book.InsufficientFunds`, `OverLimit`, `errors.KeyReused`; then nothing is
    left of it. The same key with the same request again answers as it did.
    """
    check_key(key)

    def made(found: Terms) -> Receipt:
        deal = deals.drawn_up(
            policy=policy,
            buyer=buyer.pk,
            team=team,
            terms=[found],
            paid=[price_micro],
            prompt_set=None,
            key=_key(buyer, key),
            asked=f"buy {team} {listing} {price_micro}",
            limits=limits,
            now=now,
        )
        return _made(deal, seen=[price_micro], buyer=buyer, now=now)

    known = terms.remembered(listing=listing, price_micro=price_micro)
    if known is not None:
        # What refuses it may be what changed since: that is read anew, and the buyer told how it stands.
        with suppress(errors.Refusal):
            return made(known)
    return made(terms.of([listing])[0])


def buy_set(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    prompt_set: PromptSet,
    price_micro: int,
    key: str,
    now: datetime,
    limits: Limits | None = None,
) -> Receipt:
    """Buy a set for a team in one transfer, at its discount and the total that the buyer has seen; what the team may
    use already is left out. Raises what `buy` does, and `InvalidPromptSet` where a prompt is not offered now."""
    check_key(key)
    asked = f"buy set {team} {prompt_set.pk} {price_micro}"
    made = made_before(buyer=buyer, key=key)
    if made is not None:
        return _as_before(made, key=_key(buyer, key), asked=asked)
    listings = prompt_sets.to_buy(prompt_set=prompt_set, team_id=team)
    if not listings:
        raise AlreadyOwned(
            f"The team may use all of {prompt_set.name} already. Nothing was charged."
        )
    found = terms.of(listings)
    seen = [one.price_micro for one in found]
    discount_bp = prompt_set.discount_bp
    paid = [splits.discounted(price_micro=price, discount_bp=discount_bp) for price in seen]
    deal = deals.drawn_up(
        policy=policy,
        buyer=buyer.pk,
        team=team,
        terms=found,
        paid=paid,
        prompt_set=prompt_set.pk,
        key=_key(buyer, key),
        asked=asked,
        limits=limits,
        now=now,
    )
    if sum(paid) != price_micro:
        raise PriceChanged(
            f"The set {prompt_set.name} costs {money.shown(sum(paid))} tokens now, not "
            f"{money.shown(price_micro)}. Nothing was charged; look again and send the price you see."
        )
    return _made(deal, seen=seen, buyer=buyer, now=now)


def team_of(*, caller: Caller, team: Team | None) -> int:
    """The team that a caller buys for: the one named, else his own. It takes the role operator or author there; an
    assistant buys for its own team."""
    own = caller.principal.team_id
    team_id = team.pk if team is not None else own
    if team_id is None:
        raise errors.Forbidden("The caller has no team; name the one to buy for.")
    if caller.is_assistant:
        if team_id != own:
            raise errors.Forbidden("An assistant buys for its own team.")
    elif not caller.has_role(Role.OPERATOR, Role.AUTHOR, team_id=team_id):
        raise errors.Forbidden("Buying takes the role 'operator' or 'author' in the team.")
    return team_id


def made_before(*, buyer: Principal, key: str) -> Transfer | None:
    """The purchase that this buyer made under this key."""
    return Transfer.objects.filter(key=_key(buyer, key)).first()


def check_key(key: str) -> None:
    """Refuse a key that can't be kept."""
    if not (1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
        raise InvalidKey(
            f"The key {key[:60]!r}: use 1 to 200 printable ASCII characters, new for each purchase."
        )


def _made(deal: Deal, *, seen: Sequence[int], buyer: Principal, now: datetime) -> Receipt:
    try:
        _check(deal, seen=seen)
    except errors.Refusal:
        # What stands in the way now may have come after the purchase that this key made.
        known = Transfer.objects.filter(key=deal.order.key).first()
        if known is None:
            raise
        return _as_before(known, key=deal.order.key, asked=deal.order.asked)
    try:
        posted = tidings.posted(deal, now=now)
    except book.NoAccount:
        wallets.opened(principal=buyer, now=now)
        posted = tidings.posted(deal, now=now)
    if not posted.is_new:
        return receipts.of(transfer=posted.transfer)
    lines = [
        Line(listing=one.listing, prompt=one.prompt, price_micro=price)
        for one, price in zip(deal.terms, deal.paid, strict=True)
    ]
    return Receipt(transfer=posted.transfer, is_new=True, lines=tuple(lines))


def _as_before(known: Transfer, *, key: str, asked: str) -> Receipt:
    """The receipt of what this key did before, if it was asked for the same."""
    if bytes(known.digest) != book.digest(asked):
        raise book.key_reused(key)
    return receipts.of(transfer=known.pk)


def _check(deal: Deal, *, seen: Sequence[int]) -> None:
    for one, price in zip(deal.terms, seen, strict=True):
        if not one.stands:
            raise PriceChanged(
                f"{one.reference} was withdrawn from the market. Nothing was charged."
            )
        if one.price_micro != price:
            raise PriceChanged(
                f"{one.reference} costs {money.shown(one.price_micro)} tokens now, not {money.shown(price)}. "
                "Nothing was charged; look again and send the price you see."
            )
        if one.owner_team == deal.team:
            raise AlreadyOwned(f"{one.reference} is the team's own. Nothing was charged.")
        if one.seller == deal.buyer:
            # All but the fee would come back: of the smallest prices all of it, and the transfer would move nothing.
            raise AlreadyOwned(
                f"The buyer himself sells {one.reference}; he may grant it to the team. Nothing was charged."
            )
    limits, total = deal.limits, sum(deal.paid)
    if limits is not None and total > limits.per_purchase_micro:
        raise OverLimit(
            f"The assistant may spend {money.shown(limits.per_purchase_micro)} tokens on a purchase by itself, "
            f"and this costs {money.shown(total)}."
        )


def _key(buyer: Principal, key: str) -> str:
    return f"buy:{buyer.pk}:{key}"
