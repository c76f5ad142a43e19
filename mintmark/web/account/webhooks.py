"""The pages of webhooks: where a team is told what happens, what came of it, and what an operator does about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors, outbound_urls
from mintmark.webhooks import endpoints, outbox
from mintmark.webhooks.models import Delivery, Webhook

from .. import decorators, query_params
from ..vault import bundle_list

ROWS_PER_PAGE = 25
POLL_WINDOW = timedelta(minutes=2)
"""What is due sooner is waited for on the page."""
REPLAY, PAUSE, ENABLE, ROTATE, REMOVE = "replay", "pause", "enable", "rotate", "remove"
STATE_LABELS = {
    Delivery.State.WAITING: "waits",
    Delivery.State.DELIVERED: "delivered",
    Delivery.State.FAILED: "failed",
}
"""The states of a delivery in a word or two."""
PROBLEM_LABELS = {
    "refused": "no 2xx",
    "redirected": "a redirect, which is not followed",
    "too_slow": "no answer in 15 seconds",
    "private_address": "a private address, which is not called",
    "unreadable_secret": "its secret can't be decrypted with the current vault key",
}
"""What was wrong with an answer, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookForm:
    """The form as it was sent."""

    team: str = ""
    url: str = ""
    kinds: Sequence[str] = field(default_factory=tuple)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as a line of the list: its facts and what came of it in words; `due` where it is sent (again)."""

    delivery: Delivery
    facts: Sequence[tuple[str, str]]
    state: str
    answer: str
    due: datetime | None


@decorators.form_view
def list_webhooks(request: HttpRequest) -> HttpResponseBase:
    """`/webhooks`; its form lets a team be told at one more address."""
    caller = decorators.get_caller(request)
    teams = bundle_list.list_teams_with_role(caller, Role.OPERATOR)
    form, error_message = WebhookForm(), ""
    if request.method == "POST":
        form = _parse_form(request.POST)
        try:
            created_webhook = _create_webhook(request.POST, form, teams=teams, caller=caller)
        except errors.Forbidden:
            raise
        except errors.DomainError as error:
            error_message = error.message
        else:
            return _render_with_secret(request, created_webhook, caller=caller, is_new=True)
    context = build_list_context(
        caller, before=query_params.parse_integer(request.GET, "before")
    ) | {
        "teams": teams,
        "typed": form,
        "refusal": error_message,
        "kinds": outbox.EVENT_KINDS.items(),
    }
    return render(request, "web/webhooks.html", context, status=422 if error_message else 200)


def build_list_context(caller: Caller, *, before: int | None) -> dict[str, Any]:
    """The webhooks a caller may see, newest first, each with the last thing that it was told."""
    rows = endpoints.visible_to(caller=caller)
    newest = rows.first()
    if before is not None:
        rows = rows.filter(pk__lt=before)
    deliveries = Delivery.objects.filter(webhook=OuterRef("pk")).order_by("-id")
    fetched_rows = list(
        rows.annotate(last=Subquery(deliveries.values("pk")[:1]))[: ROWS_PER_PAGE + 1]
    )
    shown_rows = fetched_rows[:ROWS_PER_PAGE]
    last = Delivery.objects.in_bulk(
        [webhook.last for webhook in shown_rows if webhook.last is not None]
    )
    return {
        "webhooks": [
            (webhook, _build_delivery_row(last[webhook.last], webhook) if webhook.last else None)
            for webhook in shown_rows
        ],
        "more": shown_rows[-1].pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
        "newest": newest.pk if newest is not None else 0,
    }


@decorators.form_view
def show_webhook(request: HttpRequest, webhook_id: int) -> HttpResponseBase:
    """`/webhooks/<id>`; its buttons send again, pause, enable, make a new secret, remove."""
    caller = decorators.get_caller(request)
    webhook = endpoints.visible_to(caller=caller).filter(pk=webhook_id).first()
    if webhook is None:
        raise errors.NotFound(f"There is no webhook {webhook_id} of a team that you operate.")
    error_message = ""
    if request.method == "POST":
        action = query_params.parse_choice(
            request.POST, "do", allowed=(REPLAY, PAUSE, ENABLE, ROTATE, REMOVE), default=""
        )
        try:
            if action == ROTATE:
                rotated_webhook = _rotate_secret(request.POST, webhook, caller=caller)
                return _render_with_secret(request, rotated_webhook, caller=caller, is_new=False)
            message = _apply_action(action, request.POST, webhook, caller=caller)
        except errors.Forbidden:
            raise
        except endpoints.InvalidWebhook as error:
            error_message = error.message
        else:
            messages.success(request, message)
            return redirect("webhooks") if action == REMOVE else redirect("webhook", webhook.pk)
    context = {**_build_detail_context(request, webhook, caller=caller), "problem": error_message}
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/webhook.html#live", context)
    return render(request, "web/webhook.html", context, status=422 if error_message else 200)


def _create_webhook(
    data: QueryDict, form: WebhookForm, *, teams: Sequence[Team], caller: Caller
) -> endpoints.CreatedWebhook:
    team = next((candidate for candidate in teams if str(candidate.pk) == form.team), None)
    if team is None:
        raise errors.Forbidden("To create a webhook, you need the role ‘operator’ in its team.")
    # A form that is sent twice shows two secrets, and only one of the two would be kept.
    newest_known_id = query_params.parse_integer(data, "seen", minimum=0) or 0
    duplicate = (
        endpoints.list_existing().filter(team=team, url=form.url, pk__gt=newest_known_id).first()
    )
    if duplicate is not None:
        raise endpoints.InvalidWebhook(
            f"Webhook {duplicate.pk} of {team} was already created from this form, and its secret was shown then. "
            "Open it below to create a new secret."
        )
    return endpoints.create(
        caller=caller,
        team=team,
        url=form.url,
        kinds=form.kinds,
        note=form.note,
        now=timezone.now(),
    )


def _rotate_secret(
    data: QueryDict, webhook: Webhook, *, caller: Caller
) -> endpoints.CreatedWebhook:
    """A new secret; refused to a form that is older than the secret in force, as one that is sent twice is."""
    if data.get("seen", "") != get_secret_version(webhook):
        raise endpoints.InvalidWebhook(
            "The secret was changed after this page was loaded, perhaps by this button. Another change makes the "
            "previous secret invalid, which receivers may still use. Press again only if it is needed."
        )
    return endpoints.rotate_secret(caller=caller, webhook=webhook, now=timezone.now())


def get_secret_version(webhook: Webhook) -> str:
    """What tells the secret in force from others: when the one before it ends."""
    return webhook.before_until.isoformat() if webhook.before_until else "first"


def _apply_action(action: str, data: QueryDict, webhook: Webhook, *, caller: Caller) -> str:
    """Do what a button says; what was done, in words."""
    now = timezone.now()
    if action == REPLAY:
        number = query_params.parse_integer(data, "delivery") or 0
        row = webhook.deliveries.select_related("webhook").filter(pk=number).first()
        if row is None:
            raise errors.NotFound(f"There is no delivery {number} of this webhook.")
        endpoints.redeliver(caller=caller, delivery=row, now=now)
        return f"Delivery {row.pk} is sent again within seconds, under the same webhook-id."
    if action == PAUSE:
        reason = data.get("reason", "").strip()
        endpoints.disable(caller=caller, webhook=webhook, reason=reason, now=now)
        return "The webhook is paused until somebody enables it again. Deliveries that wait are not lost."
    if action == ENABLE:
        endpoints.enable(caller=caller, webhook=webhook, now=now)
        return "The webhook is enabled. Deliveries that waited are sent within seconds."
    endpoints.remove(caller=caller, webhook=webhook, now=now)
    return (
        f"Webhook {webhook.pk} of {webhook.team} was removed, with its secret and its deliveries."
    )


def _render_with_secret(
    request: HttpRequest, created_webhook: endpoints.CreatedWebhook, *, caller: Caller, is_new: bool
) -> HttpResponse:
    """The page of a webhook with its secret, which is kept in no browser and shown no second time."""
    context = _build_detail_context(request, created_webhook.webhook, caller=caller)
    context |= {"secret": created_webhook.secret, "is_new": is_new}
    response = render(request, "web/webhook.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _build_detail_context(
    request: HttpRequest, webhook: Webhook, *, caller: Caller
) -> dict[str, Any]:
    state = query_params.parse_choice(request.GET, "state", allowed=("", *STATE_LABELS), default="")
    before = query_params.parse_integer(request.GET, "before")
    rows: QuerySet[Delivery] = webhook.deliveries.order_by("-id")
    state_counts = dict(webhook.deliveries.values_list("state").annotate(Count("pk")).order_by())
    if state:
        rows = rows.filter(state=state)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    delivery_rows = [
        _build_delivery_row(delivery, webhook) for delivery in fetched_rows[:ROWS_PER_PAGE]
    ]
    soon = timezone.now() + POLL_WINDOW
    return {
        "webhook": webhook,
        "lines": delivery_rows,
        "follows": any(
            delivery_row.due is not None and delivery_row.due < soon
            for delivery_row in delivery_rows
        ),
        "state": state,
        "states": [
            (name, label, state_counts.get(name, 0)) for name, label in STATE_LABELS.items()
        ],
        "in_all": sum(state_counts.values()),
        "waiting": state_counts.get(Delivery.State.WAITING, 0),
        "more": delivery_rows[-1].delivery.pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
        "may_change": endpoints.may_change(caller=caller, webhook=webhook),
        "address_problem": outbound_urls.find_url_problem(webhook.url),
        "both_until": _get_overlap_end(webhook),
        "seen": get_secret_version(webhook),
    }


def _get_overlap_end(webhook: Webhook) -> datetime | None:
    """Until when the secret before the present one signs too; None where it does not."""
    until = webhook.before_until
    return until if until is not None and until > timezone.now() else None


def _build_delivery_row(row: Delivery, webhook: Webhook) -> DeliveryRow:
    data = row.body.get("data", {})
    waits = row.state == Delivery.State.WAITING and webhook.disabled_at is None
    return DeliveryRow(
        delivery=row,
        facts=[(name.replace("_", " "), _format_fact(value)) for name, value in data.items()],
        state=STATE_LABELS[Delivery.State(row.state)],
        answer=_describe_response(row),
        due=row.due_at if waits else None,
    )


def _describe_response(row: Delivery) -> str:
    """What the receiver answered last, in words; "" before the first attempt."""
    kind, _, detail = row.problem.partition(": ")
    label = (
        f"no connection ({detail})"
        if kind == "unreachable"
        else PROBLEM_LABELS.get(kind, row.problem)
    )
    return ": ".join(text for text in (str(row.status or ""), label) if text)


def _format_fact(value: object) -> str:
    """A fact of what was told, short enough for a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return f"{len(value)} line{'' if len(value) == 1 else 's'}"
    return "–" if value is None else str(value)[:120]


def _parse_form(data: QueryDict) -> WebhookForm:
    return WebhookForm(
        team=data.get("team", ""),
        url=data.get("url", "").strip()[: outbound_urls.MAX_URL_LENGTH + 1],
        kinds=tuple(data.getlist("kinds")),
        note=data.get("note", "").strip(),
    )
