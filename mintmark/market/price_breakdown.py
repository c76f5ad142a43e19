"""Shares: who gets what of a listing's price, as it would be parted now."""

from dataclasses import dataclass

from mintmark.accounts.models import Principal
from mintmark.common import revenue_split
from mintmark.common.revenue_split import Royalty
from mintmark.registry.models import Prompt

from . import lineage
from .models import PromptTokenListing
from .policy import MarketPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBreakdownItem:
    """One part of a price: `role` is fee, royalty or seller; a royalty names the ancestor that it is for (`reference`;
    `ancestor` None where that is another installation's) and its rate in hundredths of a percent of what the nearer
    generations leave; the fee has no holder."""

    role: str
    holder: Principal | None
    ancestor: Prompt | None
    rate_bp: int
    amount_micro: int
    reference: str = ""


def build_price_breakdown(
    *, policy: MarketPolicy, listing: PromptTokenListing
) -> list[PriceBreakdownItem]:
    """The parts of a listing's price: the house's fee, royalties from the nearest generation on, the seller's rest."""
    royalties_due = lineage.list_royalties(prompt=listing.prompt)
    price_split = revenue_split.split_price(
        price_micro=listing.price_micro,
        fee_bp=policy.fee_bp,
        royalties=[Royalty(holder=term.holder_id, rate_bp=term.rate_bp) for term in royalties_due],
        royalty_cap_bp=policy.royalty_cap_bp,
    )
    fee_share = PriceBreakdownItem(
        role="fee",
        holder=None,
        ancestor=None,
        rate_bp=policy.fee_bp,
        amount_micro=price_split.fee_micro,
    )
    royalty_shares = [
        PriceBreakdownItem(
            role="royalty",
            holder=term.holder,
            ancestor=term.ancestor,
            rate_bp=term.rate_bp,
            amount_micro=amount,
            reference=term.reference,
        )
        for term, amount in zip(royalties_due, price_split.royalties_micro, strict=True)
    ]
    seller_share = PriceBreakdownItem(
        role="seller",
        holder=listing.seller,
        ancestor=None,
        rate_bp=0,
        amount_micro=price_split.seller_micro,
    )
    return [fee_share, *royalty_shares, seller_share]
