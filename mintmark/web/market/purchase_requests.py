"""The page of purchases that assistants asked for: those that wait for a person, and those that were decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import amounts, errors
from mintmark.market import prompt_sets, purchase_requests
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest
from mintmark.registry.models import Assistant
from mintmark.scoring.estimate import Estimate
from mintmark.tokens.models import Account
from mintmark.trust.tracker import AssistantTrustTracker

from .. import decorators, query_params

MAX_WAITING = 50
DECIDED_PER_PAGE = 25
_DECISIONS = ("buy", "decline")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """A request with what one needs to decide it: what it costs now and what the assistant's wallet holds, in
    micro-tokens (the price None where it is not offered any more), and its trust in the prompt (None for a set)."""

    request: PurchaseRequest
    assistant: Assistant
    price_now_micro: int | None
    balance_micro: int
    trust: Estimate | None
    may_decide: bool

    @property
    def after_micro(self) -> int:
        return self.balance_micro - self.request.price_micro

    @property
    def shortfall(self) -> str:
        """What the wallet lacks, as a form takes it; "" where it holds enough."""
        return (
            amounts.format_tokens(-self.after_micro).replace(",", "")
            if self.after_micro < 0
            else ""
        )

    @property
    def is_price_current(self) -> bool:
        """Whether the purchase would go through at the price that was asked for."""
        return self.price_now_micro == self.request.price_micro


@decorators.form_view
def manage_requests(request: HttpRequest) -> HttpResponseBase:
    """`/market/requests`; its buttons buy what was asked for, or decline it."""
    caller, now = decorators.get_caller(request), timezone.now()
    error_message = ""
    if request.method == "POST":
        request_id = query_params.parse_integer(request.POST, "request")
        decision = query_params.parse_choice(
            request.POST, "decision", allowed=_DECISIONS, default=_DECISIONS[0]
        )
        purchase_request = (
            purchase_requests.visible_to(caller=caller).filter(pk=request_id or 0).first()
        )
        if purchase_request is None:
            raise errors.NotFound(f"There is no request {request_id} of your assistants.")
        try:
            message = _apply_decision(purchase_request, decision, caller=caller, now=now)
        except errors.Forbidden:
            raise
        except errors.DomainError as error:
            error_message = error.message
        else:
            messages.success(request, message)
            return redirect("requests")
    context = build_context(
        caller, before=query_params.parse_integer(request.GET, "before"), now=now
    )
    status = 422 if error_message else 200
    return render(request, "web/requests.html", context | {"problem": error_message}, status=status)


def build_context(caller: Caller, *, before: int | None, now: datetime) -> dict[str, Any]:
    """What waits, oldest first, and what was decided, newest first."""
    rows = purchase_requests.visible_to(caller=caller).select_related(
        "decided_by", "buyer__assistant", "listing__prompt__team"
    )
    waiting = rows.filter(state=PurchaseRequest.State.WAITING).order_by("id")[:MAX_WAITING]
    decided = rows.exclude(state=PurchaseRequest.State.WAITING)
    if before is not None:
        decided = decided.filter(pk__lt=before)
    fetched_rows = list(decided[: DECIDED_PER_PAGE + 1])
    return {
        "waiting": _build_pending_requests(list(waiting), caller=caller, now=now),
        "decided": fetched_rows[:DECIDED_PER_PAGE],
        "more": fetched_rows[DECIDED_PER_PAGE - 1].pk
        if len(fetched_rows) > DECIDED_PER_PAGE
        else None,
        "before": before,
    }


def _apply_decision(
    purchase_request: PurchaseRequest, decision: str, *, caller: Caller, now: datetime
) -> str:
    """Do it; what was done, in words."""
    marketplace = SymbolicPromptTokenMarketplace()
    if decision == "decline":
        marketplace.decline_request(caller=caller, request=purchase_request, now=now)
        return f"The request of {purchase_request.buyer} was declined. Nothing was charged."
    receipt = marketplace.confirm_request(caller=caller, request=purchase_request, now=now)
    return f"Bought for {amounts.format_tokens(receipt.total_micro)} credits from {purchase_request.buyer}'s wallet."


def _build_pending_requests(
    rows: Sequence[PurchaseRequest], *, caller: Caller, now: datetime
) -> list[PendingRequest]:
    balances = dict(
        Account.objects.filter(pk__in={row.buyer_id for row in rows}).values_list(
            "pk", "balance_micro"
        )
    )
    return [
        PendingRequest(
            request=row,
            assistant=row.buyer.assistant,
            price_now_micro=_get_current_price(row),
            balance_micro=balances.get(row.buyer_id, 0),
            trust=_estimate_trust(row, now=now),
            may_decide=caller.has_role(Role.OPERATOR, team_id=row.buyer.team_id),
        )
        for row in rows
    ]


def _get_current_price(row: PurchaseRequest) -> int | None:
    if row.listing is not None:
        return row.listing.price_micro if row.listing.withdrawn_at is None else None
    assert row.prompt_set is not None
    quote = prompt_sets.build_quote(prompt_set=row.prompt_set, team_id=row.buyer.team_id)
    offered = quote.is_complete and row.prompt_set.withdrawn_at is None
    return quote.total_micro if offered else None


def _estimate_trust(row: PurchaseRequest, *, now: datetime) -> Estimate | None:
    if row.listing is None:
        return None
    prompt = row.listing.prompt
    estimates = AssistantTrustTracker().get_estimates(
        assistant=row.buyer.assistant, prompts=[prompt], now=now
    )
    return estimates[prompt.pk]
