"""`/webhooks`: where a team is told what happens, what was delivered there, and sending it again."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.common import errors
from mintmark.webhooks import endpoints
from mintmark.webhooks.models import Delivery, Webhook

from . import pagination, permissions
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody
from .responses import WriteResult

routes = Routes(tag="webhooks")

WebhookEventKind = Literal["trust.fell", "prompt.revoked", "sale", "refund", "label.moved"]


class WebhookOut(TypedDict):
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
    items: list[WebhookOut]
    next_cursor: str | None


class WebhookSecretOut(TypedDict):
    """A webhook with the secret of its signatures, which is shown this once (null where the answer is repeated)."""

    webhook: WebhookOut
    secret: str | None


class NewWebhook(RequestBody):
    """Where to tell, and what: everything without `kinds`. Without `team` for the caller's own."""

    url: Annotated[str, Field(max_length=500)]
    kinds: Annotated[list[WebhookEventKind], Field(max_length=20)] = []
    note: Annotated[str, Field(max_length=200)] = ""
    team: str | None = None


class WebhookDeactivation(RequestBody):
    """Why, in a sentence that is kept."""

    reason: Annotated[str, Field(max_length=200)]


class DeliveryOut(TypedDict):
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
    items: list[DeliveryOut]
    next_cursor: str | None


@routes.get("/webhooks", scope="read", response_schema=WebhookPage, error_statuses=(400,))
def list_webhooks(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> WebhookPage:
    """List the webhooks of teams in which the caller is operator, newest first; admins and auditors see all."""
    rows = endpoints.visible_to(caller=request.auth)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.post("/webhooks", scope="registry", body=NewWebhook, response_schema=WebhookSecretOut)
def create_webhook(
    request: AuthenticatedRequest, body: NewWebhook
) -> WriteResult[WebhookSecretOut]:
    """Register a webhook that notifies a team at an address.

    The secret verifies the signatures and is shown this once. It takes the role operator in the team.
    """
    team = permissions.resolve_team(request.auth, name=body.team)
    created = endpoints.create(
        caller=request.auth,
        team=team,
        url=body.url,
        kinds=body.kinds,
        note=body.note,
        now=timezone.now(),
    )
    return _build_secret_result(created)


@routes.get("/webhooks/{int:webhook_id}", scope="read", response_schema=WebhookOut)
def get_webhook(request: AuthenticatedRequest, webhook_id: Id) -> WebhookOut:
    """Show a webhook, without its secret."""
    return _serialize(_get_webhook(request, webhook_id))


@routes.post(
    "/webhooks/{int:webhook_id}/rotate", scope="registry", response_schema=WebhookSecretOut
)
def rotate_webhook_secret(
    request: AuthenticatedRequest, webhook_id: Id
) -> WriteResult[WebhookSecretOut]:
    """Rotate the secret of a webhook; the old one also signs for one more day. It takes the role operator in the
    team."""
    webhook = _get_webhook(request, webhook_id)
    return _build_secret_result(
        endpoints.rotate_secret(caller=request.auth, webhook=webhook, now=timezone.now())
    )


@routes.idempotent_post(
    "/webhooks/{int:webhook_id}/disable",
    scope="registry",
    body=WebhookDeactivation,
    response_schema=WebhookOut,
)
def disable_webhook(
    request: AuthenticatedRequest, webhook_id: Id, body: WebhookDeactivation
) -> WebhookOut:
    """Disable a webhook until it is enabled again. It takes the role operator in the team.

    What waits is kept and not sent; what happens meanwhile is not written down for it.
    """
    webhook = _get_webhook(request, webhook_id)
    return _serialize(
        endpoints.disable(
            caller=request.auth, webhook=webhook, reason=body.reason, now=timezone.now()
        )
    )


@routes.post(
    "/webhooks/{int:webhook_id}/enable", scope="registry", response_schema=WebhookOut, status=200
)
def enable_webhook(request: AuthenticatedRequest, webhook_id: Id) -> WriteResult[WebhookOut]:
    """Enable a webhook that was disabled, by hand or because it responded with 410.

    What waited is sent now; what happened in between is not told. It takes the role operator in the team.
    """
    webhook = endpoints.enable(
        caller=request.auth, webhook=_get_webhook(request, webhook_id), now=timezone.now()
    )
    return WriteResult(body=_serialize(webhook), location=f"/api/v1/webhooks/{webhook.pk}")


@routes.delete("/webhooks/{int:webhook_id}", scope="registry")
def remove_webhook(request: AuthenticatedRequest, webhook_id: Id) -> None:
    """Delete a webhook permanently, with its secret and its deliveries. It takes the role operator in the team."""
    endpoints.remove(
        caller=request.auth, webhook=_get_webhook(request, webhook_id), now=timezone.now()
    )


@routes.get(
    "/webhooks/{int:webhook_id}/deliveries",
    scope="read",
    response_schema=DeliveryPage,
    error_statuses=(400,),
)
def list_webhook_deliveries(
    request: AuthenticatedRequest,
    webhook_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
) -> DeliveryPage:
    """List the deliveries of a webhook, newest first."""
    rows = _get_webhook(request, webhook_id).deliveries.order_by("-id")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize_delivery(row) for row in page], "next_cursor": next_cursor}


@routes.post(
    "/webhooks/{int:webhook_id}/deliveries/{int:delivery_id}/replay",
    scope="registry",
    response_schema=DeliveryOut,
    status=200,
)
def redeliver_webhook(
    request: AuthenticatedRequest, webhook_id: Id, delivery_id: Id
) -> WriteResult[DeliveryOut]:
    """Send a delivery again that was completed or given up, under the same `webhook-id`.

    What waits still is sent as it would have been. It takes the role operator in the team.
    """
    webhook = _get_webhook(request, webhook_id)
    row = webhook.deliveries.select_related("webhook").filter(pk=delivery_id).first()
    if row is None:
        raise errors.NotFound(f"There is no delivery {delivery_id} of this webhook.")
    redelivered = endpoints.redeliver(caller=request.auth, delivery=row, now=timezone.now())
    return WriteResult(
        body=_serialize_delivery(redelivered), location=f"/api/v1/webhooks/{webhook.pk}/deliveries"
    )


def _get_webhook(request: AuthenticatedRequest, webhook_id: int) -> Webhook:
    webhook = endpoints.visible_to(caller=request.auth).filter(pk=webhook_id).first()
    if webhook is None:
        raise errors.NotFound(f"There is no webhook {webhook_id}.")
    return webhook


def _build_secret_result(created: endpoints.CreatedWebhook) -> WriteResult[WebhookSecretOut]:
    serialized = _serialize(created.webhook)
    return WriteResult(
        body={"webhook": serialized, "secret": created.secret},
        replay_body={"webhook": serialized, "secret": None},
        location=f"/api/v1/webhooks/{created.webhook.pk}",
    )


def _serialize(row: Webhook) -> WebhookOut:
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


def _serialize_delivery(row: Delivery) -> DeliveryOut:
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
