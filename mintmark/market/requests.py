"""Buying: at once where the buyer may, else as a request that a person confirms or declines."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Team
from mintmark.core import errors
from mintmark.registry import assistants
from mintmark.registry.models import Assistant

from . import mandates, purchases
from .deals import Limits, OverLimit
from .models import PromptSet, PurchaseRequest
from .policy import MarketPolicy
from .receipts import Receipt


class AlreadyDecided(errors.Refusal):
    """A request was confirmed or declined before."""

    code = "already_decided"


def buy(
    *,
    policy: MarketPolicy,
    caller: Caller,
    listing: int | None,
    prompt_set: PromptSet | None,
    price_micro: int,
    key: str,
    now: datetime,
    team: Team | None = None,
) -> Receipt | PurchaseRequest:
    """Buy a listing or a set for the caller's team. An assistant that may not spend so much asks a person instead.

    The same key with the same request again answers as it did, with another it is `errors.KeyReused`.
    """
    caller.require_scope("market")
    team_id = purchases.team_of(caller=caller, team=team)
    if not caller.is_assistant:
        return _bought(
            policy=policy, buyer=caller.principal, team=team_id, listing=listing, prompt_set=prompt_set,
            price_micro=price_micro, key=key, limits=None, now=now,
        )  # fmt: skip
    asked = PurchaseRequest.objects.filter(buyer=caller.principal, key=key).first()
    if asked is not None:
        _require_same(asked, listing=listing, prompt_set=prompt_set, price_micro=price_micro)
        return asked
    try:
        return _bought(
            policy=policy, buyer=caller.principal, team=team_id, listing=listing, prompt_set=prompt_set,
            price_micro=price_micro, key=key, now=now,
            limits=mandates.limits(assistant=caller.principal.assistant),
        )  # fmt: skip
    except OverLimit as over:
        made, _ = PurchaseRequest.objects.get_or_create(
            buyer=caller.principal,
            key=key,
            defaults={
                "listing_id": listing,
                "prompt_set": prompt_set,
                "price_micro": price_micro,
                "why": over.message[:200],
                "asked_at": now,
            },
        )
        _require_same(made, listing=listing, prompt_set=prompt_set, price_micro=price_micro)
        return made


def confirm(
    *, policy: MarketPolicy, caller: Caller, request: PurchaseRequest, now: datetime
) -> Receipt:
    """Buy what an assistant asked for, from its wallet. It takes an operator of its team, never the assistant.

    What refuses a purchase refuses this too, and the request goes on waiting.
    """
    _require_may_decide(caller, request)
    with transaction.atomic():
        held = _waiting(request)
        team_id = held.buyer.team_id
        assert team_id is not None
        receipt = _bought(
            policy=policy, buyer=held.buyer, team=team_id, listing=held.listing_id,
            prompt_set=held.prompt_set, price_micro=held.price_micro, key=held.key, limits=None, now=now,
        )  # fmt: skip
        _decide(held, state=PurchaseRequest.State.CONFIRMED, caller=caller, now=now)
        PurchaseRequest.objects.filter(pk=held.pk).update(transfer=receipt.transfer)
    request.refresh_from_db()
    return receipt


def decline(*, caller: Caller, request: PurchaseRequest, now: datetime) -> PurchaseRequest:
    """Say no to what an assistant asked for."""
    _require_may_decide(caller, request)
    with transaction.atomic():
        _decide(_waiting(request), state=PurchaseRequest.State.DECLINED, caller=caller, now=now)
    request.refresh_from_db()
    return request


def visible_to(*, caller: Caller) -> QuerySet[PurchaseRequest]:
    """The requests that a caller may see: of his teams' assistants, newest first; an assistant sees its own."""
    rows = PurchaseRequest.objects.select_related("buyer", "listing__prompt", "prompt_set")
    if caller.is_assistant:
        rows = rows.filter(buyer=caller.principal)
    elif not caller.is_admin:
        rows = rows.filter(buyer__team__in=caller.team_ids)
    return rows.order_by("-id")


def assistant_of(request: PurchaseRequest) -> Assistant:
    """Who asked."""
    return Assistant.objects.get(principal=request.buyer_id)


def _bought(
    *,
    policy: MarketPolicy,
    buyer: Principal,
    team: int,
    listing: int | None,
    prompt_set: PromptSet | None,
    price_micro: int,
    key: str,
    limits: Limits | None,
    now: datetime,
) -> Receipt:
    if prompt_set is None:
        assert listing is not None
        return purchases.buy(
            policy=policy, buyer=buyer, team=team, listing=listing, price_micro=price_micro, key=key,
            now=now, limits=limits,
        )  # fmt: skip
    return purchases.buy_set(
        policy=policy, buyer=buyer, team=team, prompt_set=prompt_set, price_micro=price_micro, key=key,
        now=now, limits=limits,
    )  # fmt: skip


def _require_same(
    asked: PurchaseRequest, *, listing: int | None, prompt_set: PromptSet | None, price_micro: int
) -> None:
    wanted = (listing, prompt_set.pk if prompt_set is not None else None, price_micro)
    if (asked.listing_id, asked.prompt_set_id, asked.price_micro) != wanted:
        raise errors.KeyReused(
            f"The key {asked.key!r} was used before for another request; send a new key with a new request."
        )


def _require_may_decide(caller: Caller, request: PurchaseRequest) -> None:
    caller.require_scope("market")
    team_id = request.buyer.team_id
    assert team_id is not None
    assistants.require_operator(caller=caller, team_id=team_id)


def _waiting(request: PurchaseRequest) -> PurchaseRequest:
    held = (
        PurchaseRequest.objects.select_for_update(of=("self",))
        .select_related("buyer", "prompt_set")
        .get(pk=request.pk)
    )
    if held.state != PurchaseRequest.State.WAITING:
        raise AlreadyDecided(f"The request was {held.state} before; nothing was changed.")
    return held


def _decide(
    request: PurchaseRequest, *, state: PurchaseRequest.State, caller: Caller, now: datetime
) -> None:
    PurchaseRequest.objects.filter(pk=request.pk).update(
        state=state, decided_by=caller.principal, decided_at=now
    )
