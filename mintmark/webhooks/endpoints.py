"""Webhooks of a team: create, list, rotate the secret, disable, enable, remove; list deliveries and send one again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors, outbound_urls

from . import signing
from .models import Delivery, Webhook
from .outbox import EVENT_KINDS

MAX_WEBHOOKS_PER_TEAM = 20
OLD_SECRET_VALIDITY = timedelta(hours=24)
_MAX_NOTE_LENGTH = 200


class InvalidWebhook(errors.DomainError):
    """A webhook can't be created, or a delivery can't be sent again, with these arguments."""

    code = "invalid_webhook"


@dataclass(frozen=True, kw_only=True)
class CreatedWebhook:
    """A webhook with its secret, which can't be shown again."""

    webhook: Webhook
    secret: str


def create(
    *, caller: Caller, team: Team, url: str, kinds: Sequence[str], note: str, now: datetime
) -> CreatedWebhook:
    """Create a webhook of a team for these kinds of events; without `kinds`, for all. The caller must be an operator of
    the team."""
    _require_operator(caller, team.pk)
    rows = []
    if problem := outbound_urls.find_url_problem(url):
        rows.append(errors.FieldError(row=0, field="url", value=url, message=problem))
    if unknown := [kind for kind in kinds if kind not in EVENT_KINDS]:
        message = f"Kinds are {', '.join(EVENT_KINDS)}."
        rows.append(errors.FieldError(row=0, field="kinds", value=unknown[0], message=message))
    if len(note) > _MAX_NOTE_LENGTH or not note.isprintable():
        message = f"A note has at most {_MAX_NOTE_LENGTH} printable characters."
        rows.append(errors.FieldError(row=0, field="note", value=note[:60], message=message))
    if not rows and (problem := _find_limit_problem(team)):
        rows.append(errors.FieldError(row=0, field="team", value=team.name, message=problem))
    if rows:
        raise InvalidWebhook(f"{rows[0]['field']}: {rows[0]['message']}", rows=rows)
    secret = signing.generate_secret()
    webhook = Webhook.objects.create(
        team=team,
        url=url,
        kinds=list(dict.fromkeys(kinds)),
        note=note,
        sealed=signing.encrypt(secret),
        made_by=caller.principal,
        made_at=now,
    )
    return CreatedWebhook(webhook=webhook, secret=secret)


def rotate_secret(*, caller: Caller, webhook: Webhook, now: datetime) -> CreatedWebhook:
    """Replace the secret. The previous one signs too for a day, so that receivers can change without losing a
    message."""
    _require_operator(caller, webhook.team_id)
    secret = signing.generate_secret()
    with transaction.atomic():
        existing = Webhook.objects.select_for_update().filter(
            pk=webhook.pk, removed_at__isnull=True
        )
        locked = existing.first()
        if locked is None:
            raise errors.NotFound(f"There is no webhook {webhook.pk}.")
        locked.sealed_before, locked.before_until = locked.sealed, now + OLD_SECRET_VALIDITY
        locked.sealed = signing.encrypt(secret)
        locked.save(update_fields=["sealed", "sealed_before", "before_until"])
    return CreatedWebhook(webhook=locked, secret=secret)


def disable(*, caller: Caller, webhook: Webhook, reason: str, now: datetime) -> Webhook:
    """Send nothing to a webhook until it is enabled again; disabling twice changes nothing. Waiting deliveries are
    stored, and not sent."""
    _require_operator(caller, webhook.team_id)
    if not 1 <= len(reason) <= _MAX_NOTE_LENGTH or not reason.isprintable():
        raise InvalidWebhook(f"Say why in 1 to {_MAX_NOTE_LENGTH} printable characters.")
    Webhook.objects.filter(pk=webhook.pk, disabled_at__isnull=True).update(
        disabled_at=now, disabled_because=reason
    )
    webhook.refresh_from_db()
    return webhook


def enable(*, caller: Caller, webhook: Webhook, now: datetime) -> Webhook:
    """Send to a webhook again; enabling twice changes nothing. Waiting deliveries are sent; events that happened while
    it was disabled were not recorded."""
    _require_operator(caller, webhook.team_id)
    if webhook.disabled_at is None:
        return webhook
    problem, field, value = outbound_urls.find_url_problem(webhook.url), "url", webhook.url
    if not problem:
        problem, field, value = _find_limit_problem(webhook.team), "team", webhook.team.name
    if problem:
        row = errors.FieldError(row=0, field=field, value=value, message=problem)
        raise InvalidWebhook(f"{field}: {problem}", rows=[row])
    with transaction.atomic():
        existing = Webhook.objects.filter(pk=webhook.pk, removed_at__isnull=True)
        existing.update(disabled_at=None, disabled_because="")
        waiting = webhook.deliveries.filter(state=Delivery.State.WAITING, due_at__gt=now)
        waiting.update(due_at=now)
    webhook.refresh_from_db()
    return webhook


def remove(*, caller: Caller, webhook: Webhook, now: datetime) -> None:
    """Remove a webhook for good, with its secret and its deliveries."""
    _require_operator(caller, webhook.team_id)
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk, disabled_at__isnull=True).update(
            disabled_at=now, disabled_because="removed"
        )
        Webhook.objects.filter(pk=webhook.pk, removed_at__isnull=True).update(
            removed_at=now, sealed=b"", sealed_before=None, before_until=None
        )
        webhook.deliveries.all().delete()


def redeliver(*, caller: Caller, delivery: Delivery, now: datetime) -> Delivery:
    """Send a delivered or failed delivery again, under the same message id."""
    _require_operator(caller, delivery.webhook.team_id)
    if delivery.webhook.disabled_at is not None:
        raise InvalidWebhook(f"{delivery.webhook} is disabled: enable it first.")
    ended = Delivery.objects.filter(pk=delivery.pk).exclude(state=Delivery.State.WAITING)
    ended.update(
        state=Delivery.State.WAITING, attempts=0, due_at=now, ended_at=None, status=None, problem=""
    )
    redelivered = Delivery.objects.select_related("webhook").filter(pk=delivery.pk).first()
    if redelivered is None:
        raise errors.NotFound(
            f"There is no delivery {delivery.pk} any more: its webhook was removed, or it ended too long ago."
        )
    return redelivered


def visible_to(*, caller: Caller) -> "QuerySet[Webhook]":
    """The webhooks of teams in which the caller is an operator; all of them for admins and auditors."""
    rows = list_existing().select_related("made_by")
    if caller.has_role(Role.OPERATOR, Role.AUDITOR, team_id=None):
        return rows
    operated_team_ids = [
        team
        for team in caller.team_ids
        if not caller.is_assistant and caller.has_role(Role.OPERATOR, team_id=team)
    ]
    return rows.filter(team__in=operated_team_ids)


def list_existing() -> "QuerySet[Webhook]":
    """All webhooks that were not removed, newest first."""
    return Webhook.objects.filter(removed_at__isnull=True).select_related("team").order_by("-id")


def may_change(*, caller: Caller, webhook: Webhook) -> bool:
    """Whether the caller may change the webhook, not only read it."""
    return caller.has_role(Role.OPERATOR, team_id=webhook.team_id)


def _find_limit_problem(team: Team) -> str:
    """Why a team can't have another active webhook; "" if it can."""
    if team.webhooks.filter(disabled_at__isnull=True).count() < MAX_WEBHOOKS_PER_TEAM:
        return ""
    return f"A team has at most {MAX_WEBHOOKS_PER_TEAM} webhooks: disable one first."


def _require_operator(caller: Caller, team_id: int) -> None:
    caller.require_scope("registry")
    if not caller.has_role(Role.OPERATOR, team_id=team_id):
        raise errors.Forbidden("This takes the role 'operator' in the webhook's team.")
