"""Receipts: what was bought in one transfer, and what was paid for it."""

from dataclasses import dataclass

from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role

from .models import Purchase


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchasedItem:
    """One prompt of a receipt, with what was paid for it."""

    listing: int
    prompt: int
    price_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseResult:
    """A purchase that was made; not `is_new` where its key had made it before."""

    transfer: int
    is_new: bool
    items: tuple[PurchasedItem, ...]

    @property
    def total_micro(self) -> int:
        return sum(item.price_micro for item in self.items)


def get_purchase_result(*, transfer: int) -> PurchaseResult:
    """The receipt of a purchase that was made."""
    purchase_rows = Purchase.objects.filter(transfer=transfer).order_by("id")
    return PurchaseResult(
        transfer=transfer,
        is_new=False,
        items=tuple(
            PurchasedItem(
                listing=purchase.listing_id,
                prompt=purchase.prompt_id,
                price_micro=purchase.price_micro,
            )
            for purchase in purchase_rows
        ),
    )


def list_transfer_purchases(*, transfer: int) -> QuerySet[Purchase]:
    """The purchases of one transfer, in their order. Whether the caller may see them is for the caller to ask."""
    return _select_purchases().filter(transfer=transfer).order_by("id")


def visible_to(*, caller: Caller) -> QuerySet[Purchase]:
    """The purchases that a caller may see: of his teams; of all teams, to an admin or an auditor. Newest first."""
    rows = _select_purchases().order_by("-id")
    if caller.has_role(Role.AUDITOR, team_id=None):
        return rows
    return rows.filter(team__in=caller.team_ids)


def _select_purchases() -> QuerySet[Purchase]:
    return Purchase.objects.select_related(
        "prompt", "prompt_set", "team", "buyer", "entitlement", "warranty"
    )
