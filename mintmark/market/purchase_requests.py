"""Purchase requests: what an assistant may not buy by itself, a person of its team confirms or declines."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.registry import assistants

from . import purchases
from .models import PromptSet, PurchaseRequest
from .policy import MarketPolicy
from .purchases import OverLimit, PurchaseResult


class AlreadyDecided(errors.DomainError):
    """A request was confirmed or declined before."""

    code = "already_decided"


def buy_or_request(
    *,
    policy: MarketPolicy,
    caller: Caller,
    listing: int | None,
    prompt_set: PromptSet | None,
    price_micro: int,
    idempotency_key: str,
    now: datetime,
    team: Team | None = None,
) -> PurchaseResult | PurchaseRequest:
    """Buy for an assistant as `purchases.buy` does; what is beyond its mandate becomes a request to a person.

    The same key with the same request again answers as it did; with another it is `errors.IdempotencyKeyReused`.
    """
    purchases.require_may_buy(caller=caller, team=team)
    earlier = PurchaseRequest.objects.filter(buyer=caller.principal, key=idempotency_key).first()
    if earlier is not None:
        _require_same_request(
            earlier, listing=listing, prompt_set=prompt_set, price_micro=price_micro
        )
        return earlier
    try:
        return purchases.buy(
            policy=policy, caller=caller, listing=listing, prompt_set=prompt_set, price_micro=price_micro,
            idempotency_key=idempotency_key, now=now, team=team,
        )  # fmt: skip
    except OverLimit as error:
        purchase_request, _ = PurchaseRequest.objects.get_or_create(
            buyer=caller.principal,
            key=idempotency_key,
            defaults={
                "listing_id": listing,
                "prompt_set": prompt_set,
                "price_micro": price_micro,
                "why": error.message[:200],
                "asked_at": now,
            },
        )
        _require_same_request(
            purchase_request, listing=listing, prompt_set=prompt_set, price_micro=price_micro
        )
        return purchase_request


def confirm(
    *, policy: MarketPolicy, caller: Caller, request: PurchaseRequest, now: datetime
) -> PurchaseResult:
    """Buy what an assistant asked for, from its wallet. It takes an operator of its team, never the assistant.

    What refuses a purchase refuses this too, and the request goes on waiting.
    """
    _require_may_decide(caller, request)
    with transaction.atomic():
        locked = _lock_waiting(request)
        team_id = locked.buyer.team_id
        assert team_id is not None
        result = purchases.buy_within(
            policy=policy, buyer=locked.buyer, team=team_id, listing=locked.listing_id,
            prompt_set=locked.prompt_set, price_micro=locked.price_micro, idempotency_key=locked.key, limits=None,
            now=now,
        )  # fmt: skip
        _record_decision(locked, state=PurchaseRequest.State.CONFIRMED, caller=caller, now=now)
        PurchaseRequest.objects.filter(pk=locked.pk).update(transfer=result.transfer)
    request.refresh_from_db()
    return result


def decline(*, caller: Caller, request: PurchaseRequest, now: datetime) -> PurchaseRequest:
    """Say no to what an assistant asked for."""
    _require_may_decide(caller, request)
    with transaction.atomic():
        _record_decision(
            _lock_waiting(request), state=PurchaseRequest.State.DECLINED, caller=caller, now=now
        )
    request.refresh_from_db()
    return request


def visible_to(*, caller: Caller) -> QuerySet[PurchaseRequest]:
    """The requests that a caller may see: of their teams' assistants, newest first; an assistant sees its own."""
    rows = PurchaseRequest.objects.select_related("buyer", "listing__prompt", "prompt_set")
    if caller.is_assistant:
        rows = rows.filter(buyer=caller.principal)
    elif not caller.is_admin:
        rows = rows.filter(buyer__team__in=caller.team_ids)
    return rows.order_by("-id")


def _require_same_request(
    purchase_request: PurchaseRequest,
    *,
    listing: int | None,
    prompt_set: PromptSet | None,
    price_micro: int,
) -> None:
    requested = (listing, prompt_set.pk if prompt_set is not None else None, price_micro)
    if (
        purchase_request.listing_id,
        purchase_request.prompt_set_id,
        purchase_request.price_micro,
    ) != requested:
        raise errors.IdempotencyKeyReused(
            f"The key {purchase_request.key!r} was used before for another request; send a new key with a new request."
        )


def _require_may_decide(caller: Caller, request: PurchaseRequest) -> None:
    caller.require_scope("market")
    team_id = request.buyer.team_id
    assert team_id is not None
    assistants.require_operator(caller=caller, team_id=team_id)


def _lock_waiting(request: PurchaseRequest) -> PurchaseRequest:
    locked = (
        PurchaseRequest.objects.select_for_update(of=("self",))
        .select_related("buyer", "prompt_set")
        .get(pk=request.pk)
    )
    if locked.state != PurchaseRequest.State.WAITING:
        raise AlreadyDecided(f"The request was {locked.state} before; nothing was changed.")
    return locked


def _record_decision(
    request: PurchaseRequest, *, state: PurchaseRequest.State, caller: Caller, now: datetime
) -> None:
    PurchaseRequest.objects.filter(pk=request.pk).update(
        state=state, decided_by=caller.principal, decided_at=now
    )
