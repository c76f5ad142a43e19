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
from mintmark.core import errors, money
from mintmark.market import deals, listings, prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing
from mintmark.market.receipts import Receipt
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.reputation.answers import Estimate
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.tokens import wallets

from . import doors, licences, parameters

KEY_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A prompt that one would get: what it costs here and by itself, on which terms, and how far it is trusted."""

    prompt: Prompt
    trust: Estimate
    listing: PromptTokenListing
    price_micro: int
    allowed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What is bought for one team, or why it can't be (`obstacle`). Prices in micro-tokens."""

    lines: tuple[Line, ...]
    price_micro: int
    without_discount_micro: int
    obstacle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What the page is about: a listing, or a set."""

    title: str
    back: str
    here: str
    listing: PromptTokenListing | None = None
    prompt_set: PromptSet | None = None


@doors.form
def listing(request: HttpRequest, listing_id: int) -> HttpResponseBase:
    """`/market/prompts/<id>/buy`."""
    found = listings.of(pk=listing_id)
    goods = Goods(
        title=found.prompt.reference,
        back=reverse("listing", args=[found.pk]),
        here=reverse("buy_listing", args=[found.pk]),
        listing=found,
    )
    return _answered(request, goods)


@doors.form
def prompt_set(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/market/sets/<name>/buy`."""
    found = prompt_sets.named(reference=name)
    goods = Goods(
        title=found.title,
        back=reverse("set", args=[found.name]),
        here=reverse("buy_set", args=[found.name]),
        prompt_set=found,
    )
    return _answered(request, goods)


def _answered(request: HttpRequest, goods: Goods) -> HttpResponseBase:
    caller, now = doors.caller(request), timezone.now()
    if request.method != "POST":
        return render(request, "web/buy.html", _shown(request, goods, caller=caller, now=now))
    try:
        receipt = _bought(request, goods, caller=caller, now=now)
    except parameters.BadParameter:
        raise
    except errors.Refusal as refusal:
        context = _shown(request, goods, caller=caller, now=now)
        seen = parameters.whole(request.POST, "price") or 0
        changed = isinstance(refusal, deals.PriceChanged) and context["bill"].price_micro != seen
        context |= {"refusal": refusal.message, "changed_from": seen if changed else None}
        return render(request, "web/buy.html", context, status=422)
    if receipt.is_new:
        messages.success(request, f"Bought for {money.shown(receipt.total_micro)} tokens.")
    return redirect("receipt", receipt.transfer)


def _bought(request: HttpRequest, goods: Goods, *, caller: Caller, now: datetime) -> Receipt:
    team = parameters.whole(request.POST, "team")
    price_micro = parameters.whole(request.POST, "price", highest=money.LARGEST_MICRO * 100)
    made = SymbolicPromptTokenMarketplace().buy(
        caller=caller,
        listing=goods.listing.pk if goods.listing is not None else None,
        prompt_set=goods.prompt_set,
        price_micro=price_micro or 0,
        key=parameters.text(request.POST, "key", longest=KEY_LENGTH),
        team=Team.objects.filter(pk=team).first() if team is not None else None,
        now=now,
    )
    # A person is never asked to ask a person.
    assert isinstance(made, Receipt)
    return made


def _shown(request: HttpRequest, goods: Goods, *, caller: Caller, now: datetime) -> dict[str, Any]:
    teams = buying_teams(caller)
    given = parameters.whole(request.POST if request.method == "POST" else request.GET, "team")
    wanted = given or caller.principal.team_id
    team = next((one for one in teams if one.pk == wanted), teams[0] if teams else None)
    bill = _bill(goods, team=team, now=now)
    balance_micro = wallets.opened(principal=caller.principal, now=now).balance_micro
    return {
        "goods": goods,
        "bill": bill,
        "teams": teams,
        "team": team,
        "balance_micro": balance_micro,
        "after_micro": balance_micro - bill.price_micro,
        "short_micro": max(0, bill.price_micro - balance_micro),
        "key": uuid.uuid4().hex,
    }


def buying_teams(caller: Caller) -> list[Team]:
    """The teams that a caller may buy for, by name."""
    return [
        team
        for team in Team.objects.order_by("name")
        if caller.has_role(Role.OPERATOR, Role.AUTHOR, team_id=team.pk)
    ]


def _bill(goods: Goods, *, team: Team | None, now: datetime) -> Bill:
    if goods.listing is not None:
        return _bill_of_listing(goods.listing, team=team, now=now)
    assert goods.prompt_set is not None
    return _bill_of_set(goods.prompt_set, team=team, now=now)


def _bill_of_listing(found: PromptTokenListing, *, team: Team | None, now: datetime) -> Bill:
    obstacle = ""
    if found.withdrawn_at is not None or hasattr(found.prompt, "tombstone"):
        obstacle = f"{found.prompt.reference} is not offered under this listing any more."
    elif team is not None and team.pk == found.prompt.team_id:
        obstacle = f"{found.prompt.reference} is team {team.name}'s own."
    elif team is not None and _serves(found.prompt, team=team):
        obstacle = f"Team {team.name} may use {found.prompt.reference} already."
    return Bill(
        lines=_lines([(found.prompt, found, found.price_micro)], now=now),
        price_micro=found.price_micro,
        without_discount_micro=found.price_micro,
        obstacle=obstacle,
    )


def _serves(prompt: Prompt, *, team: Team) -> bool:
    served = entitlements.served_to(team_ids={team.pk})
    return Prompt.objects.filter(served, pk=prompt.pk).exists()


def _bill_of_set(found: PromptSet, *, team: Team | None, now: datetime) -> Bill:
    quote = prompt_sets.quote(prompt_set=found, team_id=team.pk if team is not None else None)
    obstacle = ""
    missing = [line.prompt.reference for line in quote.wanted if line.listing is None]
    if found.withdrawn_at is not None:
        obstacle = "The set was withdrawn from the market."
    elif not quote.wanted and team is not None:
        obstacle = f"Team {team.name} may use all of it already."
    elif missing:
        obstacle = f"{', '.join(missing)} of the set is not offered at its discount now: buy the others one by one."
    return Bill(
        lines=_lines(
            [
                (line.prompt, line.listing, line.price_micro)
                for line in quote.wanted
                if line.listing is not None
            ],
            now=now,
        ),
        price_micro=quote.total_micro,
        without_discount_micro=quote.without_discount_micro,
        obstacle=obstacle,
    )


def _lines(
    rows: Sequence[tuple[Prompt, PromptTokenListing, int]], *, now: datetime
) -> tuple[Line, ...]:
    trust = PromptReputationLedger().estimates(prompts=[prompt for prompt, _, _ in rows], now=now)
    return tuple(
        Line(
            prompt=prompt,
            trust=trust[prompt.pk],
            listing=listing,
            price_micro=price_micro,
            allowed=licences.allowed_by(listing.licence),
        )
        for prompt, listing, price_micro in rows
    )
