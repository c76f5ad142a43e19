"""Tokens as integers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import amounts


@pytest.mark.parametrize(
    ("given", "micro"),
    [
        ("12.5", 12_500_000), (12.5, 12_500_000), (Decimal("0.000001"), 1), (1, 1_000_000), (0.1, 100_000),
        ("1e3", 1_000_000_000), (10**9, 10**15), ("1000000000", 10**15), ("1.500000000000", 1_500_000),
    ],
)  # fmt: skip
def test_tokens_are_read_exactly(given: str | float | Decimal, micro: int) -> None:
    assert amounts.to_micro(given) == micro


@pytest.mark.parametrize(
    "given",
    [
        "NaN", float("nan"), "inf", float("-inf"), "", " ", "abc", "12,5", "-1", -0.5, 0, "0", "0.0000001", "1e-7",
        10**30, 10.0**30, "1e30", "1000000000.000001", "9" * 5_000, 10**5_000, -(10**20), Decimal("1e-400"),
        "1.0000000000000000000000000000000001", "12.5 tokens", "１２.５.", "0x10",
    ],
    ids=lambda given: type(given).__name__,
)  # fmt: skip
def test_what_is_no_amount_is_refused_and_the_message_says_why(given: str | float) -> None:
    with pytest.raises(amounts.InvalidAmount) as refused:
        amounts.to_micro(given)
    assert "can't be used" in refused.value.message
    assert len(refused.value.message) < 200


@given(st.integers(1, amounts.MAX_MICRO))
def test_what_is_shown_reads_back(micro: int) -> None:
    assert amounts.to_micro(amounts.format_tokens(micro).replace(",", "")) == micro
    assert amounts.to_micro(amounts.to_tokens(micro)) == micro
    assert amounts.to_micro(float(amounts.to_tokens(micro))) == micro


@pytest.mark.parametrize(
    ("micro", "shown"),
    [(12_500_000, "12.5"), (1, "0.000001"), (-1, "-0.000001"), (10**9, "1,000"), (0, "0"), (10**7, "10")],
)  # fmt: skip
def test_amounts_are_shown_without_idle_zeros(micro: int, shown: str) -> None:
    assert amounts.format_tokens(micro) == shown
