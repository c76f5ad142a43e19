"""A purchase as a Django programmer writes it without a second thought: the same checks and the same rows in the same
tables, by the ORM alone."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterator

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from mintmark.common import revenue_split
from mintmark.common.revenue_split import Royalty
from mintmark.market.models import PromptTokenListing, Purchase, RoyaltyTerm
from mintmark.market.policy import MarketPolicy
from mintmark.registry.models import Entitlement, Prompt
from mintmark.tokens.models import Account, Entry, Transfer

from .client import Work

_TREASURY = -1_000


def buying(
    *, pairs: Iterator[tuple[tuple[int, int], tuple[int, int]]], policy: MarketPolicy
) -> Work:
    """Each time another listing for another team."""

    def buy() -> None:
        (buyer, team), (listing, price) = next(pairs)
        _buy(buyer=buyer, team=team, listing_id=listing, price_micro=price, policy=policy)

    return buy


@transaction.atomic
def _buy(
    *, buyer: int, team: int, listing_id: int, price_micro: int, policy: MarketPolicy
) -> Purchase:
    now = timezone.now()
    listing = PromptTokenListing.objects.select_related("prompt").get(pk=listing_id)
    prompt = listing.prompt
    if listing.withdrawn_at is not None or listing.price_micro != price_micro:
        raise RuntimeError("the price changed")
    royalties = _royalties(prompt)
    parted = revenue_split.split_price(
        price_micro=price_micro,
        fee_bp=policy.fee_bp,
        royalties=royalties,
        royalty_cap_bp=policy.royalty_cap_bp,
    )
    amounts: Counter[int] = Counter({buyer: -price_micro, _TREASURY: parted.fee_micro})
    amounts[listing.seller_id] += parted.seller_micro
    for royalty, owed in zip(royalties, parted.royalties_micro, strict=True):
        amounts[royalty.holder] += owed

    accounts = {
        account.pk: account
        for account in Account.objects.select_for_update().filter(pk__in=amounts).order_by("pk")
    }
    if accounts[buyer].balance_micro < price_micro:
        raise RuntimeError("too little")
    if Entitlement.objects.filter(prompt=prompt, team=team, ended_at__isnull=True).exists():
        raise RuntimeError("bought already")
    transfer = Transfer.objects.create(
        key=uuid.uuid4().hex,
        digest=hashlib.sha256(f"buy {team} {listing_id} {price_micro}".encode()).digest(),
        cause=Transfer.Cause.PURCHASE,
        memo=prompt.reference,
        actor_id=buyer,
        posted_at=now,
    )
    for account, amount in amounts.items():
        Account.objects.filter(pk=account).update(balance_micro=F("balance_micro") + amount)
    Entry.objects.bulk_create(
        [
            Entry(
                transfer=transfer,
                account_id=account,
                amount_micro=amount,
                balance_micro=accounts[account].balance_micro + amount,
            )
            for account, amount in amounts.items()
        ]
    )
    entitlement = Entitlement.objects.create(
        prompt=prompt, team_id=team, reason="bought", granted_at=now
    )
    return Purchase.objects.create(
        transfer=transfer,
        listing=listing,
        prompt=prompt,
        buyer_id=buyer,
        team_id=team,
        price_micro=price_micro,
        entitlement=entitlement,
        bought_at=now,
    )


def _royalties(prompt: Prompt) -> list[Royalty]:
    """What its forebears are owed, the nearest first."""
    found = []
    one: Prompt | None = prompt
    while one is not None and one.parent_id is not None:
        term = RoyaltyTerm.objects.get(prompt=one)
        found.append(Royalty(holder=term.holder_id, rate_bp=term.rate_bp))
        one = one.parent
    return found
