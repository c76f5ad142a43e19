"""Selling: the form that offers a prompt, and the page that reprices a listing or takes it off the market."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.core import errors
from mintmark.market import listings, policy, warranties
from mintmark.market.listings import Offer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Injection, PromptSet, PromptTokenListing, Purchase, Warranty
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Prompt, Ritual

from . import doors, licences, parameters

REPRICE, WITHDRAW, ENTOMB = "reprice", "withdraw", "entomb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form of an offer as it was typed."""

    token_cost: str = ""
    licence: str = ""
    preview: str = ""
    royalty: str = ""
    max_discount: str = ""
    ritual: int | None = None
    floor: str = ""
    runs: str = ""
    days: str = ""


@doors.form
def offer(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/list`: for authors of the prompt's team."""
    prompt = prompts.named(reference=str(prompt_id))
    caller = doors.caller(request)
    listings.require_author(caller=caller, prompt=prompt)
    standing = listings.standing(prompt=prompt)
    if standing is not None:
        return redirect("manage_listing", standing.pk)
    typed, refusal = _first(prompt), ""
    if request.method == "POST":
        typed = _typed(request.POST)
        try:
            made = _offered(request.POST, typed, prompt=prompt, caller=caller, now=timezone.now())
        except errors.Refusal as refused:
            refusal = refused.message
        else:
            messages.success(
                request, f"{prompt.reference} is on the market for {made.price} tokens."
            )
            return redirect("listing", made.pk)
    in_force = policy.in_force()
    context = {
        "prompt": prompt,
        "typed": typed,
        "refusal": refusal,
        "licences": licences.choices(only=prompt.licence),
        "rituals": _rituals(),
        "fee_bp": in_force.fee_bp,
        "royalty_cap_bp": in_force.royalty_cap_bp,
        "preview_length": listings.PREVIEW_LENGTH,
    }
    return render(request, "web/list_prompt.html", context, status=422 if refusal else 200)


@doors.form
def manage(request: HttpRequest, listing_id: int) -> HttpResponseBase:
    """`/market/prompts/<id>/manage`: for authors of the prompt's team."""
    listing = listings.of(pk=listing_id)
    caller, now = doors.caller(request), timezone.now()
    listings.require_author(caller=caller, prompt=listing.prompt)
    refusal, done = "", ""
    if request.method == "POST":
        done = parameters.choice(
            request.POST, "do", allowed=(REPRICE, WITHDRAW, ENTOMB), default=REPRICE
        )
        try:
            messages.success(request, _changed(request.POST, done, listing, caller=caller, now=now))
        except errors.Refusal as refused:
            refusal = refused.message
        else:
            return redirect("manage_listing", listing.pk)
    context = _shown(listing) | {
        "refusal": refusal,
        "refused": done,
        "reason": request.POST.get("reason", "")[:400],
        "typed_cost": request.POST.get("token_cost", listing.price)[:40],
    }
    return render(request, "web/manage.html", context, status=422 if refusal else 200)


def _changed(
    given: QueryDict, done: str, listing: PromptTokenListing, *, caller: Caller, now: datetime
) -> str:
    """Do what a button says; returns what was done, in words."""
    market, reason = SymbolicPromptTokenMarketplace(), given.get("reason", "").strip()
    if done == REPRICE:
        before = listing.price
        made = market.reprice(
            caller=caller, listing=listing, token_cost=given.get("token_cost", "").strip()
        )
        return f"It costs {made.price} tokens from now on; it was {before}."
    if done == WITHDRAW:
        market.withdraw_listing(caller=caller, listing=listing, reason=reason, now=now)
        return "It is off the market. Those who bought it keep it, and you can list it again."
    market.entomb(caller=caller, prompt=listing.prompt, reason=reason, now=now)
    return f"{listing.prompt.reference} is withdrawn for good: it is served to nobody any more."


def _shown(listing: PromptTokenListing) -> dict[str, Any]:
    """The listing, and what each step would do to whom."""
    prompt = listing.prompt
    waiting = Warranty.objects.filter(state=Warranty.State.OPEN, purchase__prompt=prompt)
    return {
        "listing": listing,
        "prompt": prompt,
        "standing": listings.standing(prompt=prompt),
        "tombstone": getattr(prompt, "tombstone", None),
        "allowed": licences.allowed_by(listing.licence),
        "injections": Injection.objects.filter(prompt=prompt, ended_at__isnull=True).count(),
        "waiting": waiting.aggregate(count=Count("pk"), micro=Sum("purchase__price_micro")),
        "sales": Purchase.objects.filter(prompt=prompt).aggregate(
            count=Count("pk"), teams=Count("team", distinct=True)
        ),
        "sets": PromptSet.objects.filter(items__prompt=prompt, withdrawn_at__isnull=True),
        "record": warranties.record(listing=listing),
    }


def _first(prompt: Prompt) -> Typed:
    """The form before anything was typed; what was said at the last listing is said again."""
    last = PromptTokenListing.objects.filter(prompt=prompt).order_by("-id").first()
    return Typed(
        token_cost=last.price.replace(",", "") if last is not None else "",
        licence=prompt.licence or (last.licence if last is not None else ""),
        preview=prompt.preview,
    )


def _typed(given: QueryDict) -> Typed:
    return Typed(
        token_cost=given.get("token_cost", "").strip()[:60],
        licence=given.get("licence", "")[:64],
        preview=given.get("preview", "").replace("\r\n", "\n")[:2_000],
        royalty=given.get("royalty", "").strip()[:20],
        max_discount=given.get("max_discount", "").strip()[:20],
        ritual=parameters.whole(given, "ritual"),
        floor=given.get("floor", "").strip()[:20],
        runs=given.get("runs", "").strip()[:20],
        days=given.get("days", "").strip()[:20],
    )


def _offered(
    given: QueryDict, typed: Typed, *, prompt: Prompt, caller: Caller, now: datetime
) -> PromptTokenListing:
    return SymbolicPromptTokenMarketplace().list_prompt(
        caller=caller,
        offer=Offer(
            prompt=prompt,
            token_cost=typed.token_cost,
            licence=typed.licence,
            preview=typed.preview,
            royalty_bp=parameters.basis_points(given, "royalty"),
            max_discount_bp=parameters.basis_points(given, "max_discount"),
            warranty=_warranty(given, typed),
        ),
        now=now,
    )


def _warranty(given: QueryDict, typed: Typed) -> WarrantyTerms | None:
    """The warranty that was typed; none where no task was chosen."""
    if typed.ritual is None:
        return None
    return WarrantyTerms(
        ritual=rituals.named(reference=str(typed.ritual)),
        floor=parameters.share(given, "floor") or 0.0,
        runs=parameters.whole(given, "runs") or 0,
        days=parameters.whole(given, "days") or 0,
    )


def _rituals() -> list[Ritual]:
    """The newest version of each ritual, by name."""
    newest: dict[str, Ritual] = {}
    for ritual in Ritual.objects.order_by("name", "version"):
        newest[ritual.name] = ritual
    return list(newest.values())
