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
from mintmark.core import errors, money
from mintmark.market import prompt_sets, requests
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest
from mintmark.registry.models import Assistant
from mintmark.reputation.answers import Estimate
from mintmark.tokens.models import Account
from mintmark.trust.tracker import AssistantTrustTracker

from . import doors, parameters

MOST_WAITING = 50
DECIDED_A_PAGE = 25
_DECISIONS = ("buy", "decline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
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
    def lacks(self) -> str:
        """What the wallet lacks, as a form takes it; "" where it holds enough."""
        return money.shown(-self.after_micro).replace(",", "") if self.after_micro < 0 else ""

    @property
    def stands(self) -> bool:
        """Whether the purchase would go through at the price that was asked for."""
        return self.price_now_micro == self.request.price_micro


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/market/requests`; its buttons buy what was asked for, or decline it."""
    caller, now = doors.caller(request), timezone.now()
    problem = ""
    if request.method == "POST":
        number = parameters.whole(request.POST, "request")
        decision = parameters.choice(
            request.POST, "decision", allowed=_DECISIONS, default=_DECISIONS[0]
        )
        asked = requests.visible_to(caller=caller).filter(pk=number or 0).first()
        if asked is None:
            raise errors.NotFound(f"There is no request {number} of your assistants.")
        try:
            said = _decided(asked, decision, caller=caller, now=now)
        except errors.Forbidden:
            raise
        except errors.Refusal as refusal:
            problem = refusal.message
        else:
            messages.success(request, said)
            return redirect("requests")
    context = read(caller, before=parameters.whole(request.GET, "before"), now=now)
    status = 422 if problem else 200
    return render(request, "web/requests.html", context | {"problem": problem}, status=status)


def read(caller: Caller, *, before: int | None, now: datetime) -> dict[str, Any]:
    """What waits, oldest first, and what was decided, newest first."""
    rows = requests.visible_to(caller=caller).select_related(
        "decided_by", "buyer__assistant", "listing__prompt__team"
    )
    waiting = rows.filter(state=PurchaseRequest.State.WAITING).order_by("id")[:MOST_WAITING]
    decided = rows.exclude(state=PurchaseRequest.State.WAITING)
    if before is not None:
        decided = decided.filter(pk__lt=before)
    found = list(decided[: DECIDED_A_PAGE + 1])
    return {
        "waiting": _with_what_it_takes(list(waiting), caller=caller, now=now),
        "decided": found[:DECIDED_A_PAGE],
        "more": found[DECIDED_A_PAGE - 1].pk if len(found) > DECIDED_A_PAGE else None,
        "before": before,
    }


def _decided(asked: PurchaseRequest, decision: str, *, caller: Caller, now: datetime) -> str:
    """Do it; what was done, in words."""
    marketplace = SymbolicPromptTokenMarketplace()
    if decision == "decline":
        marketplace.decline(caller=caller, request=asked, now=now)
        return f"Declined: {asked.buyer} will find its request refused. Nothing was charged."
    receipt = marketplace.confirm(caller=caller, request=asked, now=now)
    return f"Bought for {money.shown(receipt.total_micro)} tokens from {asked.buyer}'s wallet."


def _with_what_it_takes(
    rows: Sequence[PurchaseRequest], *, caller: Caller, now: datetime
) -> list[Waiting]:
    balances = dict(
        Account.objects.filter(pk__in={row.buyer_id for row in rows}).values_list(
            "pk", "balance_micro"
        )
    )
    return [
        Waiting(
            request=row,
            assistant=row.buyer.assistant,
            price_now_micro=_price_now(row),
            balance_micro=balances.get(row.buyer_id, 0),
            trust=_trust(row, now=now),
            may_decide=caller.has_role(Role.OPERATOR, team_id=row.buyer.team_id),
        )
        for row in rows
    ]


def _price_now(row: PurchaseRequest) -> int | None:
    if row.listing is not None:
        return row.listing.price_micro if row.listing.withdrawn_at is None else None
    assert row.prompt_set is not None
    quote = prompt_sets.quote(prompt_set=row.prompt_set, team_id=row.buyer.team_id)
    offered = quote.is_complete and row.prompt_set.withdrawn_at is None
    return quote.total_micro if offered else None


def _trust(row: PurchaseRequest, *, now: datetime) -> Estimate | None:
    if row.listing is None:
        return None
    prompt = row.listing.prompt
    found = AssistantTrustTracker().estimates(
        assistant=row.buyer.assistant, prompts=[prompt], now=now
    )
    return found[prompt.pk]
