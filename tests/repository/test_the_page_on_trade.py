"""The worked example of docs/market.md is what the code computes."""

import re
from decimal import Decimal
from pathlib import Path

from mintmark.common import amounts, licences, revenue_split
from mintmark.common.revenue_split import Royalty

PAGE = (Path(__file__).resolve().parents[2] / "docs/market.md").read_text()


def _rows() -> dict[str, tuple[str, str]]:
    """The table's rows by whom they pay: of what, and how much."""
    table = PAGE[PAGE.index("computes this table") :].split("\n\n")[1]
    found = re.findall(r"^\| ([^|]+?) \|\s*([^|]*?)\s*\| ([\d.]+) \|$", table, re.MULTILINE)
    return {who: (of_what, tokens) for who, of_what, tokens in found}


def test_the_shares_of_the_example_are_those_of_the_code() -> None:
    parted = revenue_split.split_price(
        price_micro=amounts.to_micro("8"),
        fee_bp=500,
        royalties=[Royalty(holder=1, rate_bp=2_000), Royalty(holder=2, rate_bp=1_000)],
        royalty_cap_bp=5_000,
    )
    shares = [parted.fee_micro, *parted.royalties_micro, parted.seller_micro]
    told = [tokens for _, tokens in _rows().values()]
    assert told == [*map(amounts.format_tokens, shares), "8"]
    assert sum(shares) == amounts.to_micro("8")


def test_each_row_of_the_example_says_of_what_it_is_a_part() -> None:
    rows = list(_rows().values())
    left = Decimal(8)
    for of_what, tokens in rows[:3]:
        percent, whole = re.fullmatch(r"(\d+)% of ([\d.]+)", of_what).groups()  # type: ignore[union-attr]
        assert Decimal(whole) == left
        assert left * Decimal(percent) / 100 == Decimal(tokens)
        left -= Decimal(tokens)
    assert rows[3] == ("the rest", f"{left.normalize():f}")


def test_the_page_says_of_licences_what_they_allow() -> None:
    refusing = {name for name, terms in licences.PERMISSIONS.items() if not terms.allows_forks}
    assert refusing == {name for name in licences.PERMISSIONS if "-ND-" in name} | {
        licences.PROPRIETARY
    }
