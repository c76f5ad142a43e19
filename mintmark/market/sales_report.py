"""Sales: what the teams of a caller offer or offered, how often each was sold, and what that brought."""

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from mintmark.accounts.callers import Caller

from .models import PromptTokenListing, Warranty


def list_sales(*, caller: Caller) -> "QuerySet[Any]":
    """The listings of the caller's teams and those they made, newest first: how often each was `sold`, what buyers
    paid (`paid_micro`), what of it may still go back (`waiting_micro`) and what went back (`refunded_micro`), in
    micro-tokens."""
    rows = PromptTokenListing.objects.filter(
        Q(prompt__team__in=caller.team_ids) | Q(seller=caller.principal)
    )
    price_column = "purchases__price_micro"
    return (
        rows.select_related("prompt", "seller")
        .annotate(
            sold=Count("purchases"),
            paid_micro=Sum(price_column, default=0),
            waiting_micro=Sum(
                price_column, filter=Q(purchases__warranty__state=Warranty.State.OPEN), default=0
            ),
            refunded_micro=Sum(
                price_column,
                filter=Q(purchases__warranty__state=Warranty.State.FAILED)
                | Q(purchases__refund__isnull=False),
                default=0,
            ),
        )
        .order_by("-id")
    )
