"""The page of an assistant's context: what is at work in it, what it may do by itself, and what was before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors, money
from mintmark.market import injections, mandates
from mintmark.market.injections import Served
from mintmark.market.mandates import InvalidMandate
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Injection, Mandate, Purchase
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.reputation.answers import Estimate
from mintmark.tokens.models import Account
from mintmark.trust.tracker import AssistantTrustTracker

from . import doors, injection, parameters

ROWS_A_PAGE = 25
BY_HAND = "withdrawn by hand"
_BACK = ("context", "mine")


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A prompt at work in a slot, with the trust that the assistant can put in it; `fixed` are the variables that the
    injection fills in."""

    served: Served
    trust: Estimate

    @property
    def fixed(self) -> Sequence[tuple[str, str]]:
        return list(self.served.injection.variables.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A mandate as typed: two amounts of tokens and a lower bound of trust."""

    per_purchase: str
    per_day: str
    trust_floor: str


@doors.form
def page(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/context`; its form says what the assistant may do by itself."""
    assistant = assistants.named(reference=str(assistant_id))
    caller, now = doors.caller(request), timezone.now()
    typed, problem = None, ""
    if request.method == "POST":
        typed = _typed(request)
        try:
            _give(typed, caller=caller, assistant=assistant, now=now)
        except (InvalidMandate, money.InvalidAmount) as refusal:
            problem = refusal.message
        else:
            messages.success(request, f"{assistant} keeps to these limits from now on.")
            return redirect(f"{reverse('context', args=[assistant.pk])}#mandate")
    before = parameters.whole(request.GET, "before")
    if before is not None and request.headers.get("HX-Request") == "true":
        injections.require_may_read(caller=caller, assistant=assistant)
        return render(request, "web/context.html#history", _history(assistant, before))
    context = read(assistant, caller=caller, before=before, now=now) | {
        "typed": typed or shown(mandates.of(assistant=assistant)),
        "problem": problem,
        "withdrawn": withdrawn(request, caller=caller),
    }
    return render(request, "web/context.html", context, status=422 if problem else 200)


@doors.action
def withdraw(request: HttpRequest, injection_id: int) -> HttpResponseBase:
    """`/injections/<id>/withdraw`: out of the context; the page that it leads to offers to put it back."""
    one = _named(injection_id)
    back = parameters.choice(request.POST, "back", allowed=_BACK, default="context")
    reason = parameters.text(request.POST, "reason", longest=400) or BY_HAND
    SymbolicPromptTokenMarketplace().withdraw_injection(
        caller=doors.caller(request), injection=one, reason=reason, now=timezone.now()
    )
    return redirect(f"{_address(back, one)}?withdrawn={one.pk}")


@doors.action
def put_back(request: HttpRequest, injection_id: int) -> HttpResponseBase:
    """`/injections/<id>/put-back`: the undo of a withdrawal, an injection like the one that ended."""
    ended = _named(injection_id)
    back = parameters.choice(request.POST, "back", allowed=_BACK, default="context")
    try:
        SymbolicPromptTokenMarketplace().inject(
            caller=doors.caller(request),
            prompt=ended.prompt,
            assistant=ended.assistant,
            slot=ended.slot,
            variables=ended.variables,
            override_reason=ended.override_reason,
            now=timezone.now(),
        )
    except injections.GateClosed as refusal:
        # What stood open then is closed now: the desk shows which gate, and takes a reason.
        messages.warning(request, refusal.message)
        return redirect(injection.address(like=ended))
    messages.success(
        request,
        f"{ended.prompt.reference} is at work in {ended.assistant} again, in its slot {ended.slot}.",
    )
    return redirect(_address(back, ended))


def read(
    assistant: Assistant, *, caller: Caller, before: int | None, now: datetime
) -> dict[str, Any]:
    """All that the page shows, to the assistant's own team."""
    served = SymbolicPromptTokenMarketplace().context(caller=caller, assistant=assistant)
    trust = AssistantTrustTracker().estimates(
        assistant=assistant, prompts=[one.prompt for one in served], now=now
    )
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = Purchase.objects.filter(buyer=assistant.principal_id, bought_at__gte=day)
    wallet = Account.objects.filter(pk=assistant.principal_id).first()
    return {
        "at_work": [AtWork(served=one, trust=trust[one.prompt.pk]) for one in served],
        "may_change": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        "mandate": mandates.of(assistant=assistant),
        "spent_micro": spent.aggregate(spent=Sum("price_micro"))["spent"] or 0,
        "balance_micro": wallet.balance_micro if wallet is not None else 0,
        **_history(assistant, before),
    }


def withdrawn(request: HttpRequest, *, caller: Caller) -> Injection | None:
    """What was withdrawn just now, if the address says so and it can still be put back by this caller."""
    number = parameters.whole(request.GET, "withdrawn")
    ended = _known().filter(pk=number, ended_at__isnull=False).first() if number else None
    if ended is None or not caller.has_role(Role.OPERATOR, team_id=ended.assistant.team_id):
        return None
    stands = Injection.objects.filter(
        assistant=ended.assistant, prompt=ended.prompt, slot=ended.slot, ended_at__isnull=True
    )
    return None if stands.exists() else ended


def shown(mandate: Mandate) -> Limits:
    """A mandate as the form has it."""
    return Limits(
        per_purchase=money.shown(mandate.per_purchase_micro).replace(",", ""),
        per_day=money.shown(mandate.per_day_micro).replace(",", ""),
        trust_floor=f"{mandate.trust_floor:g}",
    )


def _typed(request: HttpRequest) -> Limits:
    return Limits(
        per_purchase=request.POST.get("per_purchase", "").strip(),
        per_day=request.POST.get("per_day", "").strip(),
        trust_floor=request.POST.get("trust_floor", "").strip(),
    )


def _give(typed: Limits, *, caller: Caller, assistant: Assistant, now: datetime) -> None:
    try:
        trust_floor = float(typed.trust_floor or "0")
    except ValueError:
        trust_floor = math.nan
    SymbolicPromptTokenMarketplace().give_mandate(
        caller=caller,
        assistant=assistant,
        per_purchase_micro=_limit(typed.per_purchase),
        per_day_micro=_limit(typed.per_day),
        trust_floor=trust_floor,
        now=now,
    )


def _limit(amount: str) -> int:
    """A limit in micro-tokens; unlike an amount that moves it may be 0."""
    return 0 if amount in ("", "0") else money.micro(amount)


def _history(assistant: Assistant, before: int | None) -> dict[str, Any]:
    rows = injections.history(assistant=assistant)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    shown_rows = found[:ROWS_A_PAGE]
    return {
        "assistant": assistant,
        "history": shown_rows,
        "more": shown_rows[-1].pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
    }


def _known() -> Any:
    return Injection.objects.select_related(
        "prompt__team", "assistant__team", "assistant__principal"
    )


def _named(injection_id: int) -> Injection:
    found: Injection | None = _known().filter(pk=injection_id).first()
    if found is None:
        raise errors.NotFound(f"There is no injection {injection_id}.")
    return found


def _address(back: str, one: Injection) -> str:
    return reverse("mine") if back == "mine" else reverse("context", args=[one.assistant_id])
