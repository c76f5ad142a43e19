"""Refund what was sold when its seller withdraws the prompt for good."""

from collections import Counter
from datetime import datetime

from django.db.models import F

from mintmark.accounts.models import Principal
from mintmark.common import amounts
from mintmark.registry.models import Prompt
from mintmark.tokens import book
from mintmark.tokens.book import Leg, TransferOrder
from mintmark.tokens.models import Transfer

from . import notifications
from .models import Purchase, PurchaseRefund, Warranty


def list_refundable(*, prompt: Prompt) -> list[Purchase]:
    """The purchases of a prompt by other teams, and other people than its seller, whose right to it has not ended and
    whose price was paid out."""
    held = Purchase.objects.filter(
        prompt=prompt, entitlement__ended_at__isnull=True, refund__isnull=True
    )
    paid = held.exclude(warranty__state=Warranty.State.OPEN).exclude(team=prompt.team_id)
    paid = paid.exclude(buyer=F("listing__seller"))
    return list(paid.select_related("prompt", "listing").order_by("id"))


def refund_sold(*, prompt: Prompt, actor: Principal, now: datetime) -> list[PurchaseRefund]:
    """Give back the price of every such purchase, from whoever sold it, in one transfer.

    Joins the caller's transaction. Raises `book.InsufficientFunds` where a seller holds less than they owe: nothing is
    refunded then.
    """
    purchases = list_refundable(prompt=prompt)
    if not purchases:
        return []
    owed: Counter[int] = Counter()
    for purchase in purchases:
        owed[purchase.listing.seller_id] += purchase.price_micro
        owed[purchase.buyer_id] -= purchase.price_micro
    legs = [Leg(account, -amount) for account, amount in sorted(owed.items()) if amount]
    sellers = {purchase.listing.seller_id for purchase in purchases}
    _require_funds(prompt, {seller: owed[seller] for seller in sellers}, teams=len(purchases))
    posting = book.post(
        order=TransferOrder(
            idempotency_key=f"withdrawn:{prompt.pk}",
            request_fingerprint=f"withdrawn {prompt.pk}",
            cause=Transfer.Cause.WITHDRAWAL,
            actor=actor.pk,
            legs=legs,
            memo=f"{prompt.reference} was withdrawn by its seller"[:200],
        ),
        now=now,
    )
    refunds = PurchaseRefund.objects.bulk_create(
        PurchaseRefund(purchase=purchase, transfer_id=posting.transfer, refunded_at=now)
        for purchase in purchases
    )
    for purchase in purchases:
        notifications.notify_refund(purchase=purchase, score=None, runs=0, now=now)
    return refunds


def _require_funds(prompt: Prompt, owed: dict[int, int], *, teams: int) -> None:
    """Say what withdrawing would cost before the book refuses it in its own words."""
    balances = book.get_balances(list(owed))
    for seller, amount in owed.items():
        if amount > balances.get(seller, 0):
            raise book.InsufficientFunds(
                f"{prompt.reference} was sold {teams} times and the buyers keep their right to it: to take it from "
                f"them costs its seller {amounts.format_tokens(amount)} credits, who holds "
                f"{amounts.format_tokens(balances.get(seller, 0))}. Withdraw the listing instead (buyers keep what "
                "they bought), or ask an administrator to withdraw it for safety."
            )
