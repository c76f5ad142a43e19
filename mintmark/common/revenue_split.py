"""The parts of a price: exact shares, and whole micro-tokens by the largest remainder."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

BASIS_POINTS = 10_000
"""Basis points in the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Royalty:
    """The royalty of one generation of the lineage: `rate_bp` basis points of what the nearer ones left."""

    holder: int
    rate_bp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueSplit:
    """A price in micro-tokens, split without a remainder; `royalties_micro` are in the order of the royalties."""

    fee_micro: int
    royalties_micro: tuple[int, ...]
    seller_micro: int


def split_price(
    *, price_micro: int, fee_bp: int, royalties: Sequence[Royalty], royalty_cap_bp: int
) -> RevenueSplit:
    """Split a price: the fee first; of the rest, each generation its percentage of what is left, nearest first and
    capped in sum; then the seller. The parts add up to the price exactly."""
    net = 1 - Fraction(fee_bp, BASIS_POINTS)
    shares = [Fraction(fee_bp, BASIS_POINTS)]
    remaining, cap_left = Fraction(1), Fraction(royalty_cap_bp, BASIS_POINTS)
    for royalty in royalties:
        royalty_share = min(remaining * Fraction(royalty.rate_bp, BASIS_POINTS), cap_left)
        remaining -= royalty_share
        cap_left -= royalty_share
        shares.append(net * royalty_share)
    fee, *owed, seller = apportion(total=price_micro, shares=[*shares, net * remaining])
    return RevenueSplit(fee_micro=fee, royalties_micro=tuple(owed), seller_micro=seller)


def apportion(*, total: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole units for `shares` that sum to 1: each its floor, what remains to the largest remainders (Hamilton's
    method; of equal remainders the later share's goes first, so that the seller loses last).
    """
    exact = [total * share for share in shares]
    floors = [int(exact_share) for exact_share in exact]
    order = sorted(range(len(shares)), key=lambda n: (exact[n] - floors[n], n), reverse=True)
    for n in order[: total - sum(floors)]:
        floors[n] += 1
    return floors


def apply_discount(*, price_micro: int, discount_bp: int) -> int:
    """A price less a discount, rounded up to the micro-token, so that no price becomes 0."""
    return -(-price_micro * (BASIS_POINTS - discount_bp) // BASIS_POINTS)
