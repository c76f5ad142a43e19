"""What a purchase needs to know of a listing: its price as it stands, whose it is, who is owed what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from django.db import connection

from mintmark.core import errors
from mintmark.core.splits import Royalty

_SQL = (Path(__file__).parent / "terms.sql").read_text()
_MOST_REMEMBERED = 10_000
_read_before: "dict[int, Terms]" = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A listing as it stood when it was read. `seller` and the holders of `royalties` (nearest generation first) are
    ids of principals, and so of their wallets; `warranty_days` is None where the seller gives no warranty."""

    listing: int
    prompt: int
    reference: str
    price_micro: int
    seller: int
    stands: bool
    max_discount_bp: int
    warranty_days: int | None
    owner_team: int
    royalties: tuple[Royalty, ...]

    @property
    def parties(self) -> str:
        """Whom the price goes to, as `market_buy` holds it against the book on PostgreSQL."""
        return " ".join(
            [str(self.seller), *[f"{one.holder}:{one.rate_bp}" for one in self.royalties]]
        )


def remembered(*, listing: int, price_micro: int) -> Terms | None:
    """The terms as a buyer saw them, if this process read them before: what is remembered, at the price he saw.

    For `market_buy` alone, which refuses what does not stand so. None on SQLite, where nothing holds what is
    remembered against the book.
    """
    known = _read_before.get(listing)
    return known and replace(known, price_micro=price_micro, stands=True)


def of(listings: Sequence[int]) -> list[Terms]:
    """The terms of these listings, in their order; `NotFound` names the first that there is not."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_SQL.format(these="= ANY(%s)"), [list(listings)] * 2)
        else:
            marks = ", ".join(["%s"] * len(listings))
            cursor.execute(_SQL.format(these=f"IN ({marks})"), [*listings, *listings])
        rows = cursor.fetchall()
    found: dict[int, Terms] = {}
    for (
        listing, prompt, cost, seller, withdrawn_at, max_discount_bp, warranty_days, team, namespace, name, revision,
        holder, rate_bp,
    ) in rows:  # fmt: skip
        before = found[listing].royalties if listing in found else ()
        own = () if holder is None else (Royalty(holder=holder, rate_bp=rate_bp),)
        found[listing] = Terms(
            listing=listing,
            prompt=prompt,
            reference=f"{namespace}/{name}@{revision}",
            # SQLite keeps decimals as doubles, which hold every price to the micro-token.
            price_micro=round(Decimal(cost) * 1_000_000),
            seller=seller,
            stands=withdrawn_at is None,
            max_discount_bp=max_discount_bp,
            warranty_days=warranty_days,
            owner_team=team,
            royalties=before + own,
        )
    for listing in listings:
        if listing not in found:
            raise errors.NotFound(f"There is no listing {listing}.")
    if connection.vendor == "postgresql":
        if len(_read_before) > _MOST_REMEMBERED:
            _read_before.clear()
        _read_before.update(found)
    return [found[listing] for listing in listings]
