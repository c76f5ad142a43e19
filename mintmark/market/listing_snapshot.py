"""What a purchase needs to know of a listing: its price as it stands, whose it is, who is owed what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from django.db import connection

from mintmark.common import errors
from mintmark.common.revenue_split import Royalty

_SNAPSHOT_SQL = (Path(__file__).parent / "listing_snapshot.sql").read_text()
_MAX_CACHED = 10_000
_cached_snapshots: "dict[int, ListingSnapshot]" = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingSnapshot:
    """A listing as it stood when it was read. `seller` and the holders of `royalties` (nearest generation first) are
    ids of principals, and so of their wallets; `warranty_days` is None where the seller gives no warranty."""

    listing: int
    prompt: int
    reference: str
    price_micro: int
    seller: int
    is_active: bool
    max_discount_bp: int
    warranty_days: int | None
    owner_team: int
    royalties: tuple[Royalty, ...]

    @property
    def payees_fingerprint(self) -> str:
        """Whom the price goes to, as `market_buy` holds it against the book on PostgreSQL."""
        return " ".join(
            [
                str(self.seller),
                *[f"{royalty.holder}:{royalty.rate_bp}" for royalty in self.royalties],
            ]
        )


def get_cached_snapshot(*, listing: int, price_micro: int) -> ListingSnapshot | None:
    """A listing as a buyer saw it, if this process read it before: the cached snapshot, at the price that they saw.

    For `market_buy` alone, which refuses what does not stand so. None on SQLite, where nothing holds what is
    remembered against the book.
    """
    cached = _cached_snapshots.get(listing)
    return cached and replace(cached, price_micro=price_micro, is_active=True)


def load_snapshots(listings: Sequence[int]) -> list[ListingSnapshot]:
    """The terms of these listings, in their order; `NotFound` names the first that there is not."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_SNAPSHOT_SQL.format(these="= ANY(%s)"), [list(listings)] * 2)
        else:
            placeholders = ", ".join(["%s"] * len(listings))
            cursor.execute(
                _SNAPSHOT_SQL.format(these=f"IN ({placeholders})"), [*listings, *listings]
            )
        rows = cursor.fetchall()
    snapshots: dict[int, ListingSnapshot] = {}
    for (
        listing, prompt, cost, seller, withdrawn_at, max_discount_bp, warranty_days, team, namespace, name, revision,
        holder, rate_bp,
    ) in rows:  # fmt: skip
        nearer_royalties = snapshots[listing].royalties if listing in snapshots else ()
        new_royalties = () if holder is None else (Royalty(holder=holder, rate_bp=rate_bp),)
        snapshots[listing] = ListingSnapshot(
            listing=listing,
            prompt=prompt,
            reference=f"{namespace}/{name}@{revision}",
            # SQLite keeps decimals as doubles, which hold every price to the micro-token.
            price_micro=round(Decimal(cost) * 1_000_000),
            seller=seller,
            is_active=withdrawn_at is None,
            max_discount_bp=max_discount_bp,
            warranty_days=warranty_days,
            owner_team=team,
            royalties=nearer_royalties + new_royalties,
        )
    for listing in listings:
        if listing not in snapshots:
            raise errors.NotFound(f"There is no listing {listing}.")
    if connection.vendor == "postgresql":
        if len(_cached_snapshots) > _MAX_CACHED:
            _cached_snapshots.clear()
        _cached_snapshots.update(snapshots)
    return [snapshots[listing] for listing in listings]
