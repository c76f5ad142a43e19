"""Buying: a page that says what one gets and what it costs, and a button that does it, once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import amounts, errors
from mintmark.market import listings, prompt_sets, purchases, warranties
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing
from mintmark.market.purchases import PurchaseResult
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.scoring.estimate import Estimate
from mintmark.tokens import wallets

from .. import decorators, query_params
from . import licences

MAX_KEY_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedPrompt:
    """A prompt that one would get: what it costs here and by itself, on which terms, and how far it is trusted."""

    prompt: Prompt
    trust: Estimate
    listing: PromptTokenListing
    price_micro: int
    allowed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutQuote:
    """What is bought for one team, or why it can't be (`obstacle`). Prices in micro-tokens."""

    items: tuple[QuotedPrompt, ...]
    price_micro: int
    without_discount_micro: int
    obstacle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutItem:
    """What the page is about: a listing, or a set."""

    title: str
    back_url: str
    checkout_url: str
    listing: PromptTokenListing | None = None
    prompt_set: PromptSet | None = None


@decorators.form_view
def buy_listing(request: HttpRequest, listing_id: int) -> HttpResponseBase:
    """`/market/prompts/<id>/buy`."""
    listing = listings.get_listing(pk=listing_id)
    item = CheckoutItem(
        title=listing.prompt.reference,
        back_url=reverse("listing", args=[listing.pk]),
        checkout_url=reverse("buy_listing", args=[listing.pk]),
        listing=listing,
    )
    return _handle_checkout(request, item)


@decorators.form_view
def buy_prompt_set(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/market/sets/<name>/buy`."""
    prompt_set = prompt_sets.get_prompt_set(reference=name)
    item = CheckoutItem(
        title=prompt_set.title,
        back_url=reverse("set", args=[prompt_set.name]),
        checkout_url=reverse("buy_set", args=[prompt_set.name]),
        prompt_set=prompt_set,
    )
    return _handle_checkout(request, item)


def _handle_checkout(request: HttpRequest, item: CheckoutItem) -> HttpResponseBase:
    caller, now = decorators.get_caller(request), timezone.now()
    if request.method != "POST":
        return render(
            request, "web/buy.html", _build_context(request, item, caller=caller, now=now)
        )
    try:
        receipt = _buy(request, item, caller=caller, now=now)
    except query_params.BadParameter:
        raise
    except errors.DomainError as error:
        context = _build_context(request, item, caller=caller, now=now)
        quoted_micro = query_params.parse_integer(request.POST, "price") or 0
        is_price_changed = (
            isinstance(error, purchases.PriceChanged)
            and context["bill"].price_micro != quoted_micro
        )
        context |= {
            "refusal": error.message,
            "changed_from": quoted_micro if is_price_changed else None,
        }
        return render(request, "web/buy.html", context, status=422)
    if receipt.is_new:
        messages.success(
            request, f"Bought for {amounts.format_tokens(receipt.total_micro)} credits."
        )
    return redirect("receipt", receipt.transfer)


def _buy(
    request: HttpRequest, item: CheckoutItem, *, caller: Caller, now: datetime
) -> PurchaseResult:
    team_id = query_params.parse_integer(request.POST, "team")
    price_micro = query_params.parse_integer(request.POST, "price", maximum=amounts.MAX_MICRO * 100)
    receipt = SymbolicPromptTokenMarketplace().buy(
        caller=caller,
        listing=item.listing.pk if item.listing is not None else None,
        prompt_set=item.prompt_set,
        price_micro=price_micro or 0,
        idempotency_key=query_params.parse_text(request.POST, "key", max_length=MAX_KEY_LENGTH),
        team=Team.objects.filter(pk=team_id).first() if team_id is not None else None,
        now=now,
    )
    # A person is never asked to ask a person.
    assert isinstance(receipt, PurchaseResult)
    return receipt


def _build_context(
    request: HttpRequest, item: CheckoutItem, *, caller: Caller, now: datetime
) -> dict[str, Any]:
    teams = list_buying_teams(caller)
    requested_id = query_params.parse_integer(
        request.POST if request.method == "POST" else request.GET, "team"
    )
    team_id = requested_id or caller.principal.team_id
    team = next(
        (candidate for candidate in teams if candidate.pk == team_id), teams[0] if teams else None
    )
    quote = _build_quote(item, team=team, now=now)
    balance_micro = wallets.get_or_open(principal=caller.principal, now=now).balance_micro
    return {
        "goods": item,
        "bill": quote,
        "teams": teams,
        "team": team,
        "balance_micro": balance_micro,
        "after_micro": balance_micro - quote.price_micro,
        "short_micro": max(0, quote.price_micro - balance_micro),
        "key": uuid.uuid4().hex,
        "spent_warranties": warranties.find_spent(
            team=team.pk, prompt_ids=[line.prompt.pk for line in quote.items]
        )
        if team is not None
        else set(),
    }


def list_buying_teams(caller: Caller) -> list[Team]:
    """The teams that a caller may buy for, by name."""
    return [
        team
        for team in Team.objects.order_by("name")
        if caller.has_role(Role.OPERATOR, Role.AUTHOR, team_id=team.pk)
    ]


def _build_quote(item: CheckoutItem, *, team: Team | None, now: datetime) -> CheckoutQuote:
    if item.listing is not None:
        return _quote_listing(item.listing, team=team, now=now)
    assert item.prompt_set is not None
    return _quote_set(item.prompt_set, team=team, now=now)


def _quote_listing(
    listing: PromptTokenListing, *, team: Team | None, now: datetime
) -> CheckoutQuote:
    obstacle = ""
    if listing.withdrawn_at is not None or hasattr(listing.prompt, "tombstone"):
        obstacle = f"{listing.prompt.reference} is no longer for sale under this listing."
    elif team is not None and team.pk == listing.prompt.team_id:
        obstacle = f"Team {team.name} owns {listing.prompt.reference}."
    elif team is not None and _is_usable(listing.prompt, team=team):
        obstacle = f"Team {team.name} already has {listing.prompt.reference}."
    return CheckoutQuote(
        items=_build_items([(listing.prompt, listing, listing.price_micro)], now=now),
        price_micro=listing.price_micro,
        without_discount_micro=listing.price_micro,
        obstacle=obstacle,
    )


def _is_usable(prompt: Prompt, *, team: Team) -> bool:
    usable_q = entitlements.build_usable_q(team_ids={team.pk})
    return Prompt.objects.filter(usable_q, pk=prompt.pk).exists()


def _quote_set(prompt_set: PromptSet, *, team: Team | None, now: datetime) -> CheckoutQuote:
    quote = prompt_sets.build_quote(
        prompt_set=prompt_set, team_id=team.pk if team is not None else None
    )
    obstacle = ""
    missing = [
        quote_line.prompt.reference
        for quote_line in quote.items_to_buy
        if quote_line.listing is None
    ]
    if prompt_set.withdrawn_at is not None:
        obstacle = "The set was withdrawn from the market."
    elif not quote.items_to_buy and team is not None:
        obstacle = f"Team {team.name} already has all prompts of the set."
    elif missing:
        obstacle = (
            f"{', '.join(missing)} of the set is not for sale at the set's discount now. "
            "You can buy the others one by one."
        )
    return CheckoutQuote(
        items=_build_items(
            [
                (quote_line.prompt, quote_line.listing, quote_line.price_micro)
                for quote_line in quote.items_to_buy
                if quote_line.listing is not None
            ],
            now=now,
        ),
        price_micro=quote.total_micro,
        without_discount_micro=quote.without_discount_micro,
        obstacle=obstacle,
    )


def _build_items(
    rows: Sequence[tuple[Prompt, PromptTokenListing, int]], *, now: datetime
) -> tuple[QuotedPrompt, ...]:
    trust = PromptReputationLedger().get_estimates(
        prompts=[prompt for prompt, _, _ in rows], now=now
    )
    return tuple(
        QuotedPrompt(
            prompt=prompt,
            trust=trust[prompt.pk],
            listing=listing,
            price_micro=price_micro,
            allowed=licences.describe_permissions(listing.licence),
        )
        for prompt, listing, price_micro in rows
    )
