"""Who gets what of a price: properties, and a worked example."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import amounts, revenue_split
from mintmark.common.revenue_split import Royalty

RATES = st.lists(st.integers(0, 5_000), max_size=12)


def _royalties(rates: list[int]) -> list[Royalty]:
    return [Royalty(holder=n, rate_bp=rate) for n, rate in enumerate(rates)]


def test_the_worked_example() -> None:
    """12.5 tokens, a fee of 5%, the parent's 10% and the grandparent's 20% of what is left."""
    parted = revenue_split.split_price(
        price_micro=12_500_000,
        fee_bp=500,
        royalties=_royalties([1_000, 2_000]),
        royalty_cap_bp=5_000,
    )
    assert parted.fee_micro == 625_000
    assert parted.royalties_micro == (1_187_500, 2_137_500)
    assert parted.seller_micro == 8_550_000


@given(st.integers(1, amounts.MAX_MICRO), st.integers(0, 5_000), RATES, st.integers(0, 5_000))
def test_the_parts_sum_to_the_price_and_none_is_negative(
    price: int, fee_bp: int, rates: list[int], cap_bp: int
) -> None:
    parted = revenue_split.split_price(
        price_micro=price, fee_bp=fee_bp, royalties=_royalties(rates), royalty_cap_bp=cap_bp
    )
    parts = [parted.fee_micro, *parted.royalties_micro, parted.seller_micro]
    assert sum(parts) == price
    assert min(parts) >= 0


@given(st.integers(1, amounts.MAX_MICRO), st.integers(0, 5_000), RATES, st.integers(0, 5_000))
def test_royalties_never_exceed_their_cap_nor_a_part_its_share_by_a_micro_token(
    price: int, fee_bp: int, rates: list[int], cap_bp: int
) -> None:
    parted = revenue_split.split_price(
        price_micro=price, fee_bp=fee_bp, royalties=_royalties(rates), royalty_cap_bp=cap_bp
    )
    net = price * (1 - Fraction(fee_bp, 10_000))
    assert sum(parted.royalties_micro) < net * Fraction(cap_bp, 10_000) + len(rates) + 1
    assert abs(parted.fee_micro - price * Fraction(fee_bp, 10_000)) < 1


def test_a_lineage_that_asks_for_more_than_the_whole_gets_the_cap_nearest_first() -> None:
    parted = revenue_split.split_price(
        price_micro=10_000_000,
        fee_bp=0,
        royalties=_royalties([4_000, 4_000, 4_000]),
        royalty_cap_bp=5_000,
    )
    assert parted.royalties_micro == (4_000_000, 1_000_000, 0)
    assert parted.seller_micro == 5_000_000


@pytest.mark.parametrize(
    ("price", "discount", "left"), [(10, 0, 10), (10, 2_000, 8), (1, 9_000, 1), (3, 5_000, 2)]
)
def test_a_discount_rounds_up_and_never_to_nothing(price: int, discount: int, left: int) -> None:
    assert revenue_split.apply_discount(price_micro=price, discount_bp=discount) == left


def test_equal_remainders_go_to_the_last_part_first() -> None:
    assert revenue_split.apportion(total=1, shares=[Fraction(1, 2), Fraction(1, 2)]) == [0, 1]
