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
from mintmark.common import amounts, errors
from mintmark.deployments import injections, mandates
from mintmark.deployments.injections import ActivePrompt
from mintmark.deployments.mandates import InvalidMandate
from mintmark.deployments.models import Injection, Mandate
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Purchase
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.scoring.estimate import Estimate
from mintmark.tokens.models import Account
from mintmark.trust.tracker import AssistantTrustTracker

from .. import decorators, query_params
from ..market import injection_form

ROWS_PER_PAGE = 25
DEFAULT_REASON = "withdrawn by a person"
_RETURN_PAGES = ("context", "mine")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePromptRow:
    """A prompt at work in a slot, with the trust that the assistant can put in it; `fixed` are the variables that the
    injection fills in."""

    active_prompt: ActivePrompt
    trust: Estimate

    @property
    def fixed_variables(self) -> Sequence[tuple[str, str]]:
        return list(self.active_prompt.injection.variables.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateForm:
    """A mandate as typed: two amounts of tokens and a lower bound of trust."""

    per_purchase: str
    per_day: str
    trust_floor: str


@decorators.form_view
def show_context(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/context`; its form says what the assistant may do by itself."""
    assistant = assistants.resolve(reference=str(assistant_id))
    caller, now = decorators.get_caller(request), timezone.now()
    form, error_message = None, ""
    if request.method == "POST":
        form = _parse_form(request)
        try:
            _give_mandate(form, caller=caller, assistant=assistant, now=now)
        except (InvalidMandate, amounts.InvalidAmount) as error:
            error_message = error.message
        else:
            messages.success(request, f"These limits of {assistant} are in force now.")
            return redirect(f"{reverse('context', args=[assistant.pk])}#mandate")
    before = query_params.parse_integer(request.GET, "before")
    if before is not None and request.headers.get("HX-Request") == "true":
        injections.require_may_read(caller=caller, assistant=assistant)
        return render(request, "web/context.html#history", _build_history(assistant, before))
    context = build_context(assistant, caller=caller, before=before, now=now) | {
        "typed": form or build_mandate_form(mandates.get_mandate(assistant=assistant)),
        "problem": error_message,
        "withdrawn": find_withdrawn_injection(request, caller=caller),
    }
    return render(request, "web/context.html", context, status=422 if error_message else 200)


@decorators.post_view
def withdraw_injection(request: HttpRequest, injection_id: int) -> HttpResponseBase:
    """`/injections/<id>/withdraw`: out of the context; the page that it leads to offers to put it back."""
    injection_row = _get_injection(injection_id)
    back = query_params.parse_choice(request.POST, "back", allowed=_RETURN_PAGES, default="context")
    reason = query_params.parse_text(request.POST, "reason", max_length=400) or DEFAULT_REASON
    SymbolicPromptTokenMarketplace().withdraw_injection(
        caller=decorators.get_caller(request),
        injection=injection_row,
        reason=reason,
        now=timezone.now(),
    )
    return redirect(f"{_get_return_url(back, injection_row)}?withdrawn={injection_row.pk}")


@decorators.post_view
def restore_injection(request: HttpRequest, injection_id: int) -> HttpResponseBase:
    """`/injections/<id>/put-back`: the undo of a withdrawal, an injection like the one that ended."""
    ended_injection = _get_injection(injection_id)
    back = query_params.parse_choice(request.POST, "back", allowed=_RETURN_PAGES, default="context")
    try:
        SymbolicPromptTokenMarketplace().inject(
            caller=decorators.get_caller(request),
            prompt=ended_injection.prompt,
            assistant=ended_injection.assistant,
            slot=ended_injection.slot,
            variables=ended_injection.variables,
            override_reason=ended_injection.override_reason,
            now=timezone.now(),
        )
    except injections.GateClosed as error:
        # What stood open then is closed now: the desk shows which gate, and takes a reason.
        messages.warning(request, error.message)
        return redirect(injection_form.build_url(like=ended_injection))
    messages.success(
        request,
        f"{ended_injection.prompt.reference} is at work in {ended_injection.assistant} again, slot "
        f"{ended_injection.slot}.",
    )
    return redirect(_get_return_url(back, ended_injection))


def build_context(
    assistant: Assistant, *, caller: Caller, before: int | None, now: datetime
) -> dict[str, Any]:
    """All that the page shows, to the assistant's own team."""
    active_prompts = SymbolicPromptTokenMarketplace().list_active_prompts(
        caller=caller, assistant=assistant
    )
    trust = AssistantTrustTracker().get_estimates(
        assistant=assistant,
        prompts=[active_prompt.prompt for active_prompt in active_prompts],
        now=now,
    )
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = Purchase.objects.filter(buyer=assistant.principal_id, bought_at__gte=day)
    wallet = Account.objects.filter(pk=assistant.principal_id).first()
    return {
        "at_work": [
            ActivePromptRow(active_prompt=active_prompt, trust=trust[active_prompt.prompt.pk])
            for active_prompt in active_prompts
        ],
        "may_change": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        "mandate": mandates.get_mandate(assistant=assistant),
        "spent_micro": spent.aggregate(spent=Sum("price_micro"))["spent"] or 0,
        "balance_micro": wallet.balance_micro if wallet is not None else 0,
        **_build_history(assistant, before),
    }


def find_withdrawn_injection(request: HttpRequest, *, caller: Caller) -> Injection | None:
    """What was withdrawn just now, if the address says so and it can still be put back by this caller."""
    injection_id = query_params.parse_integer(request.GET, "withdrawn")
    ended_injection = (
        _query_injections().filter(pk=injection_id, ended_at__isnull=False).first()
        if injection_id
        else None
    )
    if ended_injection is None or not caller.has_role(
        Role.OPERATOR, team_id=ended_injection.assistant.team_id
    ):
        return None
    active_rows = Injection.objects.filter(
        assistant=ended_injection.assistant,
        prompt=ended_injection.prompt,
        slot=ended_injection.slot,
        ended_at__isnull=True,
    )
    return None if active_rows.exists() else ended_injection


def build_mandate_form(mandate: Mandate) -> MandateForm:
    """A mandate as the form has it."""
    return MandateForm(
        per_purchase=amounts.format_tokens(mandate.per_purchase_micro).replace(",", ""),
        per_day=amounts.format_tokens(mandate.per_day_micro).replace(",", ""),
        trust_floor=f"{mandate.trust_floor:g}",
    )


def _parse_form(request: HttpRequest) -> MandateForm:
    return MandateForm(
        per_purchase=request.POST.get("per_purchase", "").strip(),
        per_day=request.POST.get("per_day", "").strip(),
        trust_floor=request.POST.get("trust_floor", "").strip(),
    )


def _give_mandate(
    form: MandateForm, *, caller: Caller, assistant: Assistant, now: datetime
) -> None:
    try:
        trust_floor = float(form.trust_floor or "0")
    except ValueError:
        trust_floor = math.nan
    SymbolicPromptTokenMarketplace().set_mandate(
        caller=caller,
        assistant=assistant,
        per_purchase_micro=_parse_limit(form.per_purchase),
        per_day_micro=_parse_limit(form.per_day),
        trust_floor=trust_floor,
        now=now,
    )


def _parse_limit(amount: str) -> int:
    """A limit in micro-tokens; unlike an amount that moves it may be 0."""
    return 0 if amount in ("", "0") else amounts.to_micro(amount)


def _build_history(assistant: Assistant, before: int | None) -> dict[str, Any]:
    rows = injections.list_injections(assistant=assistant)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    shown_rows = fetched_rows[:ROWS_PER_PAGE]
    return {
        "assistant": assistant,
        "history": shown_rows,
        "more": shown_rows[-1].pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
    }


def _query_injections() -> Any:
    return Injection.objects.select_related(
        "prompt__team", "assistant__team", "assistant__principal"
    )


def _get_injection(injection_id: int) -> Injection:
    injection_row: Injection | None = _query_injections().filter(pk=injection_id).first()
    if injection_row is None:
        raise errors.NotFound(f"There is no injection {injection_id}.")
    return injection_row


def _get_return_url(back: str, injection_row: Injection) -> str:
    return (
        reverse("mine") if back == "mine" else reverse("context", args=[injection_row.assistant_id])
    )
