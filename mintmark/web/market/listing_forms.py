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
from mintmark.common import errors
from mintmark.deployments.models import Injection
from mintmark.market import listings, policy, warranties
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase, Warranty
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Prompt, Ritual

from .. import decorators, query_params
from . import licences

REPRICE, WITHDRAW, WITHDRAW_PERMANENTLY = "reprice", "withdraw", "revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingForm:
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


@decorators.form_view
def create_listing(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/list`: for authors of the prompt's team."""
    prompt = prompts.resolve(reference=str(prompt_id))
    caller = decorators.get_caller(request)
    listings.require_author(caller=caller, prompt=prompt)
    current_listing = listings.find_active_listing(prompt=prompt)
    if current_listing is not None:
        return redirect("manage_listing", current_listing.pk)
    form, error_message = _build_initial_form(prompt), ""
    if request.method == "POST":
        form = _parse_form(request.POST)
        try:
            listing = _list_prompt(
                request.POST, form, prompt=prompt, caller=caller, now=timezone.now()
            )
        except errors.DomainError as error:
            error_message = error.message
        else:
            messages.success(request, f"{prompt.reference} is listed for {listing.price} credits.")
            return redirect("listing", listing.pk)
    current_policy = policy.get_current_policy()
    context = {
        "prompt": prompt,
        "typed": form,
        "refusal": error_message,
        "licences": licences.list_choices(only=prompt.licence),
        "rituals": _list_newest_rituals(),
        "fee_bp": current_policy.fee_bp,
        "royalty_cap_bp": current_policy.royalty_cap_bp,
        "preview_length": listings.MAX_PREVIEW_LENGTH,
    }
    return render(request, "web/list_prompt.html", context, status=422 if error_message else 200)


@decorators.form_view
def manage_listing(request: HttpRequest, listing_id: int) -> HttpResponseBase:
    """`/market/prompts/<id>/manage`: for authors of the prompt's team."""
    listing = listings.get_listing(pk=listing_id)
    caller, now = decorators.get_caller(request), timezone.now()
    listings.require_author(caller=caller, prompt=listing.prompt)
    error_message, action = "", ""
    if request.method == "POST":
        action = query_params.parse_choice(
            request.POST, "do", allowed=(REPRICE, WITHDRAW, WITHDRAW_PERMANENTLY), default=REPRICE
        )
        try:
            messages.success(
                request, _apply_change(request.POST, action, listing, caller=caller, now=now)
            )
        except errors.DomainError as error:
            error_message = error.message
        else:
            return redirect("manage_listing", listing.pk)
    context = _build_context(listing) | {
        "refusal": error_message,
        "refused": action,
        "reason": request.POST.get("reason", "")[:400],
        "typed_cost": request.POST.get("token_cost", listing.price)[:40],
    }
    return render(request, "web/manage.html", context, status=422 if error_message else 200)


def _apply_change(
    data: QueryDict, action: str, listing: PromptTokenListing, *, caller: Caller, now: datetime
) -> str:
    """Do what a button says; returns what was done, in words."""
    market, reason = SymbolicPromptTokenMarketplace(), data.get("reason", "").strip()
    if action == REPRICE:
        previous_price = listing.price
        repriced_listing = market.reprice(
            caller=caller, listing=listing, token_cost=data.get("token_cost", "").strip()
        )
        return f"The price is now {repriced_listing.price} credits; it was {previous_price}."
    if action == WITHDRAW:
        market.withdraw_listing(caller=caller, listing=listing, reason=reason, now=now)
        return "The listing was withdrawn. Buyers keep the prompt, and you can list it again."
    market.withdraw_permanently(caller=caller, prompt=listing.prompt, reason=reason, now=now)
    return f"{listing.prompt.reference} was revoked: no assistant gets it any more."


def _build_context(listing: PromptTokenListing) -> dict[str, Any]:
    """The listing, and what each step would do to whom."""
    prompt = listing.prompt
    waiting = Warranty.objects.filter(state=Warranty.State.OPEN, purchase__prompt=prompt)
    return {
        "listing": listing,
        "prompt": prompt,
        "standing": listings.find_active_listing(prompt=prompt),
        "tombstone": getattr(prompt, "tombstone", None),
        "allowed": licences.describe_permissions(listing.licence),
        "injections": Injection.objects.filter(prompt=prompt, ended_at__isnull=True).count(),
        "waiting": waiting.aggregate(count=Count("pk"), micro=Sum("purchase__price_micro")),
        "sales": Purchase.objects.filter(prompt=prompt).aggregate(
            count=Count("pk"), teams=Count("team", distinct=True)
        ),
        "sets": PromptSet.objects.filter(items__prompt=prompt, withdrawn_at__isnull=True),
        "record": warranties.get_history(listing=listing),
    }


def _build_initial_form(prompt: Prompt) -> ListingForm:
    """The form before anything was typed; what was said at the last listing is said again."""
    last = PromptTokenListing.objects.filter(prompt=prompt).order_by("-id").first()
    return ListingForm(
        token_cost=last.price.replace(",", "") if last is not None else "",
        licence=prompt.licence or (last.licence if last is not None else ""),
        preview=prompt.preview,
    )


def _parse_form(data: QueryDict) -> ListingForm:
    return ListingForm(
        token_cost=data.get("token_cost", "").strip()[:60],
        licence=data.get("licence", "")[:64],
        preview=data.get("preview", "").replace("\r\n", "\n")[:2_000],
        royalty=data.get("royalty", "").strip()[:20],
        max_discount=data.get("max_discount", "").strip()[:20],
        ritual=query_params.parse_integer(data, "ritual"),
        floor=data.get("floor", "").strip()[:20],
        runs=data.get("runs", "").strip()[:20],
        days=data.get("days", "").strip()[:20],
    )


def _list_prompt(
    data: QueryDict, form: ListingForm, *, prompt: Prompt, caller: Caller, now: datetime
) -> PromptTokenListing:
    return SymbolicPromptTokenMarketplace().list_prompt(
        caller=caller,
        offer=ListingOffer(
            prompt=prompt,
            token_cost=form.token_cost,
            licence=form.licence,
            preview=form.preview,
            royalty_bp=query_params.parse_basis_points(data, "royalty"),
            max_discount_bp=query_params.parse_basis_points(data, "max_discount"),
            warranty=_parse_warranty(data, form),
        ),
        now=now,
    )


def _parse_warranty(data: QueryDict, form: ListingForm) -> WarrantyTerms | None:
    """The warranty that was typed; none where no task was chosen."""
    if form.ritual is None:
        return None
    return WarrantyTerms(
        ritual=rituals.resolve(reference=str(form.ritual)),
        floor=query_params.parse_share(data, "floor") or 0.0,
        runs=query_params.parse_integer(data, "runs") or 0,
        days=query_params.parse_integer(data, "days") or 0,
    )


def _list_newest_rituals() -> list[Ritual]:
    """The newest version of each ritual, by name."""
    newest: dict[str, Ritual] = {}
    for ritual in Ritual.objects.order_by("name", "version"):
        newest[ritual.name] = ritual
    return list(newest.values())
