"""`/assistants/{id}/mandate`: what an assistant may spend and put to work by itself."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.market import mandates
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Mandate
from mintmark.registry.models import Assistant

from . import amounts, lookups, permissions
from .amounts import Limit, Tokens
from .bodies import Body, Id
from .credentials import Request
from .routes import Routes
from .shapes import Score

routes = Routes(tag="mandates")


class MandateShape(TypedDict):
    """What an assistant may spend by itself, on a purchase and on a day of UTC, and the lower bound of trust that its
    injections need; `set_by` is null where nobody gave one yet."""

    per_purchase: Tokens
    per_day: Tokens
    trust_floor: Score
    set_by: str | None
    set_at: datetime | None


class NewMandate(Body):
    """What an assistant may do by itself from now on; beyond it, a person confirms."""

    per_purchase: Limit
    per_day: Limit
    trust_floor: Annotated[float, Field(ge=0, le=1)] = 0.0


@routes.get("/assistants/{int:assistant_id}/mandate", scope="read", answer=MandateShape)
def shown(request: Request, assistant_id: Id) -> MandateShape:
    """Show what an assistant may do by itself: to itself, its team and auditors."""
    assistant = lookups.by_id(Assistant.objects.all(), pk=assistant_id)
    permissions.require_record_reader(request.auth, assistant=assistant)
    return _shape(mandates.of(assistant=assistant))


@routes.put(
    "/assistants/{int:assistant_id}/mandate", scope="market", body=NewMandate, answer=MandateShape
)
def put(request: Request, assistant_id: Id, body: NewMandate) -> MandateShape:
    """Say what an assistant may do by itself from now on. It takes the role operator in its team."""
    row = SymbolicPromptTokenMarketplace().give_mandate(
        caller=request.auth,
        assistant=lookups.by_id(Assistant.objects.all(), pk=assistant_id),
        per_purchase_micro=amounts.limit(body.per_purchase),
        per_day_micro=amounts.limit(body.per_day),
        trust_floor=body.trust_floor,
        now=timezone.now(),
    )
    return _shape(row)


def _shape(row: Mandate) -> MandateShape:
    given = row.pk is not None
    return {
        "per_purchase": amounts.shown(row.per_purchase_micro),
        "per_day": amounts.shown(row.per_day_micro),
        "trust_floor": row.trust_floor,
        "set_by": row.set_by.name if given else None,
        "set_at": row.set_at if given else None,
    }
