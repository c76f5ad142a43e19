"""The page of a listing: what one would buy, what speaks for it, who is paid, and what to do with it step by step."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.market import listings, warranties
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase
from mintmark.market.price_breakdown import PriceBreakdownItem
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust.results import AssistantTrust
from mintmark.trust.tracker import AssistantTrustTracker

from .. import decorators, query_params
from ..scores import edit_effect_panel
from . import licences, prompt_checklist

OTHERS_AT_FIRST = 10
MAX_OWN_ASSISTANTS = 100
DISPUTES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceShare:
    """A part of the price, with its generation (0: not a royalty, 1: to the parent, 2: to the parent's parent …)."""

    share: PriceBreakdownItem
    generation: int


@decorators.get_view
def show_listing(request: HttpRequest, listing_id: int) -> HttpResponseBase:
    """`/market/prompts/<id>`, and its preview as a fragment for a dialog."""
    every_assistant = query_params.parse_flag(request.GET, "every_assistant")
    listing = listings.get_listing(pk=listing_id)
    caller = decorators.get_caller(request)
    context = _build_preview(listing, caller=caller)
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/listing.html#preview", context)
    now = timezone.now()
    return render(
        request,
        "web/listing.html",
        context | _build_context(listing, caller=caller, now=now, every_assistant=every_assistant),
    )


def _build_preview(listing: PromptTokenListing, *, caller: Caller) -> dict[str, Any]:
    """What is said of the text: all of it to the entitled, else its preview and its measures alone."""
    prompt = listing.prompt
    return {
        "listing": listing,
        "prompt": prompt,
        "may_read": prompts.may_read_text(caller=caller, prompt=prompt),
        "is_own": prompt.team_id in caller.team_ids,
        "allowed": licences.describe_permissions(listing.licence),
        "characters": len(prompt.text),
        "standing": _find_replacement(listing),
    }


def _build_context(
    listing: PromptTokenListing, *, caller: Caller, now: datetime, every_assistant: bool
) -> dict[str, Any]:
    prompt = listing.prompt
    market = SymbolicPromptTokenMarketplace()
    own_assistants, other_assistants = _split_assistants(prompt, caller=caller, now=now)
    return {
        "steps": prompt_checklist.build_steps(caller=caller, listing=listing),
        **edit_effect_panel.build_edit_effect(
            prompt=prompt, caller=caller, ledger=PromptReputationLedger()
        ),
        "reputation": PromptReputationLedger().get_reputation(prompt=prompt, now=now),
        "parts": _build_price_shares(market.build_price_breakdown(listing=listing)),
        "metrics": market.compute_scores(prompt=prompt, now=now),
        "record": warranties.get_history(listing=listing),
        "disputes": warranties.list_disputes(prompt=prompt)[:DISPUTES_SHOWN],
        "sales": Purchase.objects.filter(prompt=prompt).aggregate(
            count=Count("pk"), teams=Count("team", distinct=True), last=Max("bought_at")
        ),
        "sets": PromptSet.objects.filter(items__prompt=prompt, withdrawn_at__isnull=True),
        "own": own_assistants,
        "others": other_assistants if every_assistant else other_assistants[:OTHERS_AT_FIRST],
        "others_in_all": len(other_assistants),
        "may_manage": caller.has_role(Role.AUTHOR, team_id=prompt.team_id),
        "tombstone": getattr(prompt, "tombstone", None),
    }


def _find_replacement(listing: PromptTokenListing) -> PromptTokenListing | None:
    """The listing that stands in the place of a withdrawn one."""
    if listing.withdrawn_at is None:
        return None
    return listings.find_active_listing(prompt=listing.prompt)


def _build_price_shares(shares: list[PriceBreakdownItem]) -> list[PriceShare]:
    generation, price_shares = 0, []
    for share in shares:
        generation += share.role == "royalty"
        price_shares.append(
            PriceShare(share=share, generation=generation if share.role == "royalty" else 0)
        )
    return price_shares


def _split_assistants(
    prompt: Prompt, *, caller: Caller, now: datetime
) -> tuple[list[AssistantTrust], list[AssistantTrust]]:
    """The caller's own assistants with their trust, measured or predicted; and those of others that measured it."""
    tracker = AssistantTrustTracker()
    known = tracker.list_assistants(prompt=prompt, now=now, caller=caller)
    own = [row for row in known if row.is_own]
    own_ids = {row.assistant.pk for row in own}
    for assistant in assistants.list_own(caller=caller).order_by("name")[:MAX_OWN_ASSISTANTS]:
        if assistant.pk not in own_ids:
            trust = tracker.get_estimates(assistant=assistant, prompts=[prompt], now=now)[prompt.pk]
            own.append(AssistantTrust(assistant=assistant, trust=trust, is_own=True))
    return own, [row for row in known if not row.is_own and row.trust.runs > 0]
