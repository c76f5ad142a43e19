"""Shares: who gets what of a listing's price, as it would be parted now."""

from dataclasses import dataclass

from mintmark.accounts.models import Principal
from mintmark.core import splits
from mintmark.core.splits import Royalty
from mintmark.registry.models import Prompt

from . import lineage
from .models import PromptTokenListing
from .policy import MarketPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One part of a price: `role` is fee, royalty or seller; a royalty names the ancestor that it is for (`reference`;
    `ancestor` None where that is another installation's) and its rate in hundredths of a percent of what the nearer
    generations leave; the fee has no holder."""

    role: str
    holder: Principal | None
    ancestor: Prompt | None
    rate_bp: int
    amount_micro: int
    reference: str = ""


def of(*, policy: MarketPolicy, listing: PromptTokenListing) -> list[Share]:
    """The parts of a listing's price: the house's fee, royalties from the nearest generation on, the seller's rest."""
    owed = lineage.royalties_of(prompt=listing.prompt)
    parted = splits.split(
        price_micro=listing.price_micro,
        fee_bp=policy.fee_bp,
        royalties=[Royalty(holder=term.holder_id, rate_bp=term.rate_bp) for term in owed],
        royalty_cap_bp=policy.royalty_cap_bp,
    )
    fee = Share(
        role="fee", holder=None, ancestor=None, rate_bp=policy.fee_bp, amount_micro=parted.fee_micro
    )
    royalties = [
        Share(
            role="royalty",
            holder=term.holder,
            ancestor=term.ancestor,
            rate_bp=term.rate_bp,
            amount_micro=amount,
            reference=term.reference,
        )
        for term, amount in zip(owed, parted.royalties_micro, strict=True)
    ]
    rest = Share(
        role="seller",
        holder=listing.seller,
        ancestor=None,
        rate_bp=0,
        amount_micro=parted.seller_micro,
    )
    return [fee, *royalties, rest]
