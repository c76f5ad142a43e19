"""Who gets what of a price: exact shares, and whole micro-tokens by the largest remainder."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

BASIS_POINTS = 10_000
"""Basis points in the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Royalty:
    """What one generation of the lineage takes: `rate_bp` basis points of what the nearer ones left."""

    holder: int
    rate_bp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A price in micro-tokens, parted without a rest; `royalties_micro` are in the order of the royalties."""

    fee_micro: int
    royalties_micro: tuple[int, ...]
    seller_micro: int


def split(
    *, price_micro: int, fee_bp: int, royalties: Sequence[Royalty], royalty_cap_bp: int
) -> Split:
    """Part a price: the fee first; of the rest, each generation its percentage of what is left, nearest first and
    capped in sum; then the seller. The parts add up to the price exactly.
    """
    net = 1 - Fraction(fee_bp, BASIS_POINTS)
    shares = [Fraction(fee_bp, BASIS_POINTS)]
    left, cap_left = Fraction(1), Fraction(royalty_cap_bp, BASIS_POINTS)
    for royalty in royalties:
        taken = min(left * Fraction(royalty.rate_bp, BASIS_POINTS), cap_left)
        left -= taken
        cap_left -= taken
        shares.append(net * taken)
    fee, *owed, seller = apportion(whole=price_micro, shares=[*shares, net * left])
    return Split(fee_micro=fee, royalties_micro=tuple(owed), seller_micro=seller)


def apportion(*, whole: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole units for `shares` that sum to 1: each its floor, what remains to the largest remainders (Hamilton's
    method; of equal remainders the later share's goes first, so that the seller loses last).
    """
    exact = [whole * share for share in shares]
    floors = [int(part) for part in exact]
    order = sorted(range(len(shares)), key=lambda n: (exact[n] - floors[n], n), reverse=True)
    for n in order[: whole - sum(floors)]:
        floors[n] += 1
    return floors


def discounted(*, price_micro: int, discount_bp: int) -> int:
    """A price less a discount, rounded up to the micro-token, so that no price becomes 0."""
    return -(-price_micro * (BASIS_POINTS - discount_bp) // BASIS_POINTS)
