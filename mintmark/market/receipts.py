"""Receipts: what was bought in one transfer, and what was paid for it."""

from dataclasses import dataclass

from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role

from .models import Purchase


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One prompt of a receipt, with what was paid for it."""

    listing: int
    prompt: int
    price_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A purchase that was made; not `is_new` where its key had made it before."""

    transfer: int
    is_new: bool
    lines: tuple[Line, ...]

    @property
    def total_micro(self) -> int:
        return sum(line.price_micro for line in self.lines)


def of(*, transfer: int) -> Receipt:
    """The receipt of a purchase that was made."""
    lines = Purchase.objects.filter(transfer=transfer).order_by("id")
    return Receipt(
        transfer=transfer,
        is_new=False,
        lines=tuple(
            Line(listing=p.listing_id, prompt=p.prompt_id, price_micro=p.price_micro) for p in lines
        ),
    )


def lines(*, transfer: int) -> QuerySet[Purchase]:
    """The purchases of one transfer, in their order. Whether the caller may see them is for the caller to ask."""
    return _whole().filter(transfer=transfer).order_by("id")


def visible_to(*, caller: Caller) -> QuerySet[Purchase]:
    """The purchases that a caller may see: of his teams; of all teams, to an admin or an auditor. Newest first."""
    rows = _whole().order_by("-id")
    if caller.has_role(Role.AUDITOR, team_id=None):
        return rows
    return rows.filter(team__in=caller.team_ids)


def _whole() -> QuerySet[Purchase]:
    return Purchase.objects.select_related(
        "prompt", "prompt_set", "team", "buyer", "entitlement", "warranty"
    )
