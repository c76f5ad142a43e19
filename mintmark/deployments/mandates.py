"""Mandates: what an assistant may spend and put to work by itself, as the operator of its team sets it."""

import math
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.common import amounts, errors
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.storage import locks

from .models import Mandate


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimits:
    """What the buyer may spend by itself, in micro-credits: on one purchase, and on a day of UTC."""

    per_purchase_micro: int
    per_day_micro: int


class InvalidMandate(errors.DomainError):
    """Limits that can't be kept."""

    code = "invalid_mandate"


def get_mandate(*, assistant: Assistant) -> Mandate:
    """An assistant's mandate; one that was never given allows no spending."""
    mandate = Mandate.objects.select_related("set_by").filter(assistant=assistant).first()
    return mandate if mandate is not None else Mandate(assistant=assistant)


def set_mandate(
    *,
    caller: Caller,
    assistant: Assistant,
    per_purchase_micro: int,
    per_day_micro: int,
    trust_floor: float,
    now: datetime,
) -> Mandate:
    """Say what an assistant may do by itself from now on. It takes an operator of its team, never the assistant."""
    caller.require_scope("market")
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    for name, micro in (("a purchase", per_purchase_micro), ("a day", per_day_micro)):
        if not 0 <= micro <= amounts.MAX_MICRO:
            raise InvalidMandate(
                f"The limit for {name} is {micro} micro-credits; it may be 0 to {amounts.MAX_MICRO}."
            )
    if not (math.isfinite(trust_floor) and 0 <= trust_floor <= 1):
        raise InvalidMandate(f"The trust floor is {trust_floor!r}; it must be from 0 to 1.")
    with transaction.atomic():
        locks.hold(Assistant, [assistant.pk])
        mandate, _ = Mandate.objects.update_or_create(
            assistant=assistant,
            defaults={
                "per_purchase_micro": per_purchase_micro,
                "per_day_micro": per_day_micro,
                "trust_floor": trust_floor,
                "set_by": caller.principal,
                "set_at": now,
            },
        )
    return mandate


def get_spending_limits(*, assistant: Assistant) -> SpendingLimits:
    """What an assistant may spend by itself."""
    mandate = get_mandate(assistant=assistant)
    return SpendingLimits(
        per_purchase_micro=mandate.per_purchase_micro, per_day_micro=mandate.per_day_micro
    )
