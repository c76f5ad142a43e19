"""`/webhooks`: where a team is told what happens, what was delivered there, and sending it again."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.core import errors
from mintmark.webhooks import hooks
from mintmark.webhooks.models import Delivery, Webhook

from . import paging, permissions
from .answers import Created
from .bodies import Body, Id
from .credentials import Request
from .routes import Routes

routes = Routes(tag="webhooks")

Kind = Literal["trust.fell", "prompt.revoked", "sale", "refund", "label.moved"]


class WebhookShape(TypedDict):
    """An address of a team. `kinds` empty: it is told everything."""

    id: int
    team: str
    url: str
    kinds: list[str]
    note: str
    made_by: str
    made_at: datetime
    disabled_at: datetime | None
    disabled_because: str


class WebhookPage(TypedDict):
    items: list[WebhookShape]
    next_cursor: str | None


class SecretShape(TypedDict):
    """A webhook with the secret of its signatures, which is shown this once (null where the answer is repeated)."""

    webhook: WebhookShape
    secret: str | None


class NewWebhook(Body):
    """Where to tell, and what: everything without `kinds`. Without `team` for the caller's own."""

    url: Annotated[str, Field(max_length=500)]
    kinds: Annotated[list[Kind], Field(max_length=20)] = []
    note: Annotated[str, Field(max_length=200)] = ""
    team: str | None = None


class Because(Body):
    """Why, in a sentence that is kept."""

    reason: Annotated[str, Field(max_length=200)]


class DeliveryShape(TypedDict):
    """Something that was told, or is yet to be: `body` is what is sent. `status` is what the receiver answered last,
    `problem` what was wrong with that; `due_at` when it is sent (next)."""

    id: int
    message: str
    kind: str
    body: dict[str, Any]
    told_at: datetime
    state: str
    attempts: int
    status: int | None
    problem: str
    due_at: datetime
    ended_at: datetime | None


class DeliveryPage(TypedDict):
    items: list[DeliveryShape]
    next_cursor: str | None


@routes.get("/webhooks", scope="read", answer=WebhookPage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> WebhookPage:
    """List the webhooks of teams in which the caller is operator, newest first; admins and auditors see all."""
    rows = hooks.visible_to(caller=request.auth)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.post("/webhooks", scope="registry", body=NewWebhook, answer=SecretShape)
def made(request: Request, body: NewWebhook) -> Created[SecretShape]:
    """Let a team be told at an address what happens, from now on.

    The secret verifies the signatures and is shown this once. It takes the role operator in the team.
    """
    team = permissions.team_of(request.auth, name=body.team)
    new = hooks.make(
        caller=request.auth,
        team=team,
        url=body.url,
        kinds=body.kinds,
        note=body.note,
        now=timezone.now(),
    )
    return _with_secret(new)


@routes.get("/webhooks/{int:webhook_id}", scope="read", answer=WebhookShape)
def shown(request: Request, webhook_id: Id) -> WebhookShape:
    """Show a webhook, without its secret."""
    return _shape(_webhook(request, webhook_id))


@routes.post("/webhooks/{int:webhook_id}/rotate", scope="registry", answer=SecretShape)
def rotated(request: Request, webhook_id: Id) -> Created[SecretShape]:
    """Make a new secret; for a day the one before signs beside it. It takes the role operator in the team."""
    webhook = _webhook(request, webhook_id)
    return _with_secret(hooks.rotate(caller=request.auth, webhook=webhook, now=timezone.now()))


@routes.act(
    "/webhooks/{int:webhook_id}/disable", scope="registry", body=Because, answer=WebhookShape
)
def disabled(request: Request, webhook_id: Id, body: Because) -> WebhookShape:
    """Tell an address nothing, from now until it is enabled again. It takes the role operator in the team.

    What waits is kept and not sent; what happens meanwhile is not written down for it.
    """
    webhook = _webhook(request, webhook_id)
    return _shape(
        hooks.disable(caller=request.auth, webhook=webhook, reason=body.reason, now=timezone.now())
    )


@routes.post("/webhooks/{int:webhook_id}/enable", scope="registry", answer=WebhookShape, status=200)
def enabled(request: Request, webhook_id: Id) -> Created[WebhookShape]:
    """Tell an address again that was disabled, by hand or because it answered 410.

    What waited is sent now; what happened in between is not told. It takes the role operator in the team.
    """
    webhook = hooks.enable(
        caller=request.auth, webhook=_webhook(request, webhook_id), now=timezone.now()
    )
    return Created(body=_shape(webhook), location=f"/api/v1/webhooks/{webhook.pk}")


@routes.delete("/webhooks/{int:webhook_id}", scope="registry")
def removed(request: Request, webhook_id: Id) -> None:
    """Forget an address for good, with its secret and what it was told. It takes the role operator in the team."""
    hooks.remove(caller=request.auth, webhook=_webhook(request, webhook_id), now=timezone.now())


@routes.get(
    "/webhooks/{int:webhook_id}/deliveries", scope="read", answer=DeliveryPage, refuses=(400,)
)
def deliveries(
    request: Request, webhook_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> DeliveryPage:
    """List what an address was told, newest first."""
    rows = _webhook(request, webhook_id).deliveries.order_by("-id")
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_delivery(row) for row in page], "next_cursor": following}


@routes.post(
    "/webhooks/{int:webhook_id}/deliveries/{int:delivery_id}/replay",
    scope="registry",
    answer=DeliveryShape,
    status=200,
)
def replayed(request: Request, webhook_id: Id, delivery_id: Id) -> Created[DeliveryShape]:
    """Send something again that was delivered or given up, under the same `webhook-id`.

    What waits still is sent as it would have been. It takes the role operator in the team.
    """
    webhook = _webhook(request, webhook_id)
    row = webhook.deliveries.select_related("webhook").filter(pk=delivery_id).first()
    if row is None:
        raise errors.NotFound(f"There is no delivery {delivery_id} of this webhook.")
    again = hooks.replay(caller=request.auth, delivery=row, now=timezone.now())
    return Created(body=_delivery(again), location=f"/api/v1/webhooks/{webhook.pk}/deliveries")


def _webhook(request: Request, webhook_id: int) -> Webhook:
    found = hooks.visible_to(caller=request.auth).filter(pk=webhook_id).first()
    if found is None:
        raise errors.NotFound(f"There is no webhook {webhook_id}.")
    return found


def _with_secret(new: hooks.Made) -> Created[SecretShape]:
    shape = _shape(new.webhook)
    return Created(
        body={"webhook": shape, "secret": new.secret},
        kept={"webhook": shape, "secret": None},
        location=f"/api/v1/webhooks/{new.webhook.pk}",
    )


def _shape(row: Webhook) -> WebhookShape:
    return {
        "id": row.pk,
        "team": row.team.name,
        "url": row.url,
        "kinds": row.kinds,
        "note": row.note,
        "made_by": row.made_by.name,
        "made_at": row.made_at,
        "disabled_at": row.disabled_at,
        "disabled_because": row.disabled_because,
    }


def _delivery(row: Delivery) -> DeliveryShape:
    return {
        "id": row.pk,
        "message": row.message,
        "kind": row.kind,
        "body": row.body,
        "told_at": row.told_at,
        "state": row.state,
        "attempts": row.attempts,
        "status": row.status,
        "problem": row.problem,
        "due_at": row.due_at,
        "ended_at": row.ended_at,
    }
