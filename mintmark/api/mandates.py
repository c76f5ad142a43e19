"""`/assistants/{id}/mandate`: what an assistant may spend and put to work by itself."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.deployments import mandates
from mintmark.deployments.models import Mandate
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Assistant

from . import amount_fields, get_or_404, permissions
from .amount_fields import PriceOrZero, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody
from .schemas import Score

routes = Routes(tag="mandates")


class MandateOut(TypedDict):
    """What an assistant may spend by itself, on a purchase and on a day of UTC, and the lower bound of trust that its
    injections need; `set_by` is null where nobody gave one yet."""

    per_purchase: Tokens
    per_day: Tokens
    trust_floor: Score
    set_by: str | None
    set_at: datetime | None


class NewMandate(RequestBody):
    """What an assistant may do by itself from now on; beyond it, a person confirms."""

    per_purchase: PriceOrZero
    per_day: PriceOrZero
    trust_floor: Annotated[float, Field(ge=0, le=1)] = 0.0


@routes.get("/assistants/{int:assistant_id}/mandate", scope="read", response_schema=MandateOut)
def get_mandate(request: AuthenticatedRequest, assistant_id: Id) -> MandateOut:
    """Show the mandate of an assistant (what it may do by itself): to itself, its team and auditors."""
    assistant = get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)
    permissions.require_record_reader(request.auth, assistant=assistant)
    return _serialize(mandates.get_mandate(assistant=assistant))


@routes.put(
    "/assistants/{int:assistant_id}/mandate",
    scope="market",
    body=NewMandate,
    response_schema=MandateOut,
)
def set_mandate(request: AuthenticatedRequest, assistant_id: Id, body: NewMandate) -> MandateOut:
    """Set the mandate of an assistant. It takes the role operator in its team."""
    row = SymbolicPromptTokenMarketplace().set_mandate(
        caller=request.auth,
        assistant=get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id),
        per_purchase_micro=amount_fields.parse_price_or_zero(body.per_purchase),
        per_day_micro=amount_fields.parse_price_or_zero(body.per_day),
        trust_floor=body.trust_floor,
        now=timezone.now(),
    )
    return _serialize(row)


def _serialize(row: Mandate) -> MandateOut:
    is_set = row.pk is not None
    return {
        "per_purchase": amount_fields.format_tokens(row.per_purchase_micro),
        "per_day": amount_fields.format_tokens(row.per_day_micro),
        "trust_floor": row.trust_floor,
        "set_by": row.set_by.name if is_set else None,
        "set_at": row.set_at if is_set else None,
    }
