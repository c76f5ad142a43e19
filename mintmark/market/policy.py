"""The constants of trade. A marketplace is constructed with them."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPolicy:
    """Rates in basis points of a price (royalties: of what the fee leaves); `recent_days` is how far back adoption and
    tags look; `half_life_days` how fast uses stop counting in the usage score."""

    fee_bp: int
    royalty_cap_bp: int = 5_000
    recent_days: int = 30
    half_life_days: float = 30.0


def get_current_policy() -> MarketPolicy:
    """The policy that the settings say."""
    return MarketPolicy(fee_bp=settings.MARKET_FEE_BP)
