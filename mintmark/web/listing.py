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
from mintmark.market.shares import Share
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust.answers import AssistantTrust
from mintmark.trust.tracker import AssistantTrustTracker

from . import doors, gained, licences, parameters, steps

OTHERS_AT_FIRST = 10
MOST_OWN = 100
DISPUTES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the price, with its generation (0: not a royalty, 1: to the parent, 2: to the parent's parent …)."""

    share: Share
    generation: int


@doors.page
def page(request: HttpRequest, listing_id: int) -> HttpResponseBase:
    """`/market/prompts/<id>`, and its preview as a fragment for a dialog."""
    every_assistant = parameters.flag(request.GET, "every_assistant")
    listing = listings.of(pk=listing_id)
    caller = doors.caller(request)
    context = _preview(listing, caller=caller)
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/listing.html#preview", context)
    now = timezone.now()
    return render(
        request,
        "web/listing.html",
        context | _told(listing, caller=caller, now=now, every_assistant=every_assistant),
    )


def _preview(listing: PromptTokenListing, *, caller: Caller) -> dict[str, Any]:
    """What is said of the text: all of it to the entitled, else its preview and its measures alone."""
    prompt = listing.prompt
    return {
        "listing": listing,
        "prompt": prompt,
        "may_read": prompts.may_read_text(caller=caller, prompt=prompt),
        "is_own": prompt.team_id in caller.team_ids,
        "allowed": licences.allowed_by(listing.licence),
        "characters": len(prompt.text),
        "standing": _standing(listing),
    }


def _told(
    listing: PromptTokenListing, *, caller: Caller, now: datetime, every_assistant: bool
) -> dict[str, Any]:
    prompt = listing.prompt
    market = SymbolicPromptTokenMarketplace()
    own, others = _assistants(prompt, caller=caller, now=now)
    return {
        "steps": steps.of(caller=caller, listing=listing),
        **gained.of(prompt=prompt, caller=caller),
        "reputation": PromptReputationLedger().reputation(prompt=prompt, now=now),
        "parts": _parts(market.shares(listing=listing)),
        "metrics": market.metrics(prompt=prompt, now=now),
        "record": warranties.record(listing=listing),
        "disputes": warranties.disputes(prompt=prompt)[:DISPUTES_SHOWN],
        "sales": Purchase.objects.filter(prompt=prompt).aggregate(
            count=Count("pk"), teams=Count("team", distinct=True), last=Max("bought_at")
        ),
        "sets": PromptSet.objects.filter(items__prompt=prompt, withdrawn_at__isnull=True),
        "own": own,
        "others": others if every_assistant else others[:OTHERS_AT_FIRST],
        "others_in_all": len(others),
        "may_manage": caller.has_role(Role.AUTHOR, team_id=prompt.team_id),
        "tombstone": getattr(prompt, "tombstone", None),
    }


def _standing(listing: PromptTokenListing) -> PromptTokenListing | None:
    """The listing that stands in the place of a withdrawn one."""
    if listing.withdrawn_at is None:
        return None
    return listings.standing(prompt=listing.prompt)


def _parts(shares: list[Share]) -> list[Part]:
    generation, parts = 0, []
    for share in shares:
        generation += share.role == "royalty"
        parts.append(Part(share=share, generation=generation if share.role == "royalty" else 0))
    return parts


def _assistants(
    prompt: Prompt, *, caller: Caller, now: datetime
) -> tuple[list[AssistantTrust], list[AssistantTrust]]:
    """The caller's own assistants with their trust, measured or predicted; and those of others that measured it."""
    tracker = AssistantTrustTracker()
    known = tracker.assistants_of(prompt=prompt, now=now, caller=caller)
    own = [one for one in known if one.mine]
    seen = {one.assistant.pk for one in own}
    for assistant in assistants.of_teams(caller=caller).order_by("name")[:MOST_OWN]:
        if assistant.pk not in seen:
            trust = tracker.estimates(assistant=assistant, prompts=[prompt], now=now)[prompt.pk]
            own.append(AssistantTrust(assistant=assistant, trust=trust, mine=True))
    return own, [one for one in known if not one.mine and one.trust.runs > 0]
