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
from mintmark.core import errors
from mintmark.webhooks import addresses, hooks, outbox
from mintmark.webhooks.models import Delivery, Webhook

from . import doors, parameters, vaults

ROWS_A_PAGE = 25
FOLLOWED = timedelta(minutes=2)
"""What is due sooner is waited for on the page."""
REPLAY, PAUSE, ENABLE, ROTATE, REMOVE = "replay", "pause", "enable", "rotate", "remove"
STATES = {
    Delivery.State.WAITING: "waits",
    Delivery.State.DELIVERED: "was taken",
    Delivery.State.FAILED: "was given up",
}
"""The states of a delivery in a word or two."""
PROBLEMS = {
    "refused": "no 2xx",
    "redirected": "a redirect, which is not followed",
    "too_slow": "no answer in 15 seconds",
    "private_address": "a private address, which is not called",
    "unreadable_secret": "its secret can't be opened with the vault key in force",
}
"""What was wrong with an answer, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was sent."""

    team: str = ""
    url: str = ""
    kinds: Sequence[str] = field(default_factory=tuple)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A delivery as a line of the list: its facts and what came of it in words; `due` where it is sent (again)."""

    delivery: Delivery
    facts: Sequence[tuple[str, str]]
    state: str
    answer: str
    due: datetime | None


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/webhooks`; its form lets a team be told at one more address."""
    caller = doors.caller(request)
    teams = vaults.teams_of(caller, Role.OPERATOR)
    typed, refusal = Typed(), ""
    if request.method == "POST":
        typed = _typed(request.POST)
        try:
            made = _made(request.POST, typed, teams=teams, caller=caller)
        except errors.Forbidden:
            raise
        except errors.Refusal as refused:
            refusal = refused.message
        else:
            return _with_secret(request, made, caller=caller, is_new=True)
    context = read(caller, before=parameters.whole(request.GET, "before")) | {
        "teams": teams,
        "typed": typed,
        "refusal": refusal,
        "kinds": outbox.KINDS.items(),
    }
    return render(request, "web/webhooks.html", context, status=422 if refusal else 200)


def read(caller: Caller, *, before: int | None) -> dict[str, Any]:
    """The webhooks a caller may see, newest first, each with the last thing that it was told."""
    rows = hooks.visible_to(caller=caller)
    newest = rows.first()
    if before is not None:
        rows = rows.filter(pk__lt=before)
    told = Delivery.objects.filter(webhook=OuterRef("pk")).order_by("-id")
    found = list(rows.annotate(last=Subquery(told.values("pk")[:1]))[: ROWS_A_PAGE + 1])
    shown = found[:ROWS_A_PAGE]
    last = Delivery.objects.in_bulk([one.last for one in shown if one.last is not None])
    return {
        "webhooks": [(one, _line(last[one.last], one) if one.last else None) for one in shown],
        "more": shown[-1].pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
        "newest": newest.pk if newest is not None else 0,
    }


@doors.form
def one(request: HttpRequest, webhook_id: int) -> HttpResponseBase:
    """`/webhooks/<id>`; its buttons send again, pause, enable, make a new secret, remove."""
    caller = doors.caller(request)
    webhook = hooks.visible_to(caller=caller).filter(pk=webhook_id).first()
    if webhook is None:
        raise errors.NotFound(f"There is no webhook {webhook_id} of a team that you operate.")
    problem = ""
    if request.method == "POST":
        step = parameters.choice(
            request.POST, "do", allowed=(REPLAY, PAUSE, ENABLE, ROTATE, REMOVE), default=""
        )
        try:
            if step == ROTATE:
                made = _rotated(request.POST, webhook, caller=caller)
                return _with_secret(request, made, caller=caller, is_new=False)
            said = _done(step, request.POST, webhook, caller=caller)
        except errors.Forbidden:
            raise
        except hooks.InvalidWebhook as refused:
            problem = refused.message
        else:
            messages.success(request, said)
            return redirect("webhooks") if step == REMOVE else redirect("webhook", webhook.pk)
    context = {**_shown(request, webhook, caller=caller), "problem": problem}
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/webhook.html#live", context)
    return render(request, "web/webhook.html", context, status=422 if problem else 200)


def _made(given: QueryDict, typed: Typed, *, teams: Sequence[Team], caller: Caller) -> hooks.Made:
    team = next((one for one in teams if str(one.pk) == typed.team), None)
    if team is None:
        raise errors.Forbidden("A webhook takes the role ‘operator’ in the team that it is for.")
    # A form that is sent twice shows two secrets, and only one of the two would be kept.
    seen = parameters.whole(given, "seen", lowest=0) or 0
    twin = hooks.standing().filter(team=team, url=typed.url, pk__gt=seen).first()
    if twin is not None:
        raise hooks.InvalidWebhook(
            f"Webhook {twin.pk} of {team} was made at this address from this form already, and its secret was shown "
            "then. Look at it below; it can get a new secret there."
        )
    return hooks.make(
        caller=caller,
        team=team,
        url=typed.url,
        kinds=typed.kinds,
        note=typed.note,
        now=timezone.now(),
    )


def _rotated(given: QueryDict, webhook: Webhook, *, caller: Caller) -> hooks.Made:
    """A new secret; refused to a form that is older than the secret in force, as one that is sent twice is."""
    if given.get("seen", "") != seen(webhook):
        raise hooks.InvalidWebhook(
            "The secret was changed after this page was read, perhaps by this very button. A further change would end "
            "the one that receivers may still hold: look whether it is needed, and press again."
        )
    return hooks.rotate(caller=caller, webhook=webhook, now=timezone.now())


def seen(webhook: Webhook) -> str:
    """What tells the secret in force from others: when the one before it ends."""
    return webhook.before_until.isoformat() if webhook.before_until else "first"


def _done(step: str, given: QueryDict, webhook: Webhook, *, caller: Caller) -> str:
    """Do what a button says; what was done, in words."""
    now = timezone.now()
    if step == REPLAY:
        number = parameters.whole(given, "delivery") or 0
        row = webhook.deliveries.select_related("webhook").filter(pk=number).first()
        if row is None:
            raise errors.NotFound(f"There is no delivery {number} of this webhook.")
        hooks.replay(caller=caller, delivery=row, now=now)
        return f"Delivery {row.pk} goes out again within seconds, under the same webhook-id."
    if step == PAUSE:
        reason = given.get("reason", "").strip()
        hooks.disable(caller=caller, webhook=webhook, reason=reason, now=now)
        return "It is told nothing until somebody enables it again. What waits is kept."
    if step == ENABLE:
        hooks.enable(caller=caller, webhook=webhook, now=now)
        return "It is told again what happens, from now on. What waited goes out within seconds."
    hooks.remove(caller=caller, webhook=webhook, now=now)
    return (
        f"Webhook {webhook.pk} of {webhook.team} is removed, with its secret and what it was told."
    )


def _with_secret(
    request: HttpRequest, made: hooks.Made, *, caller: Caller, is_new: bool
) -> HttpResponse:
    """The page of a webhook with its secret, which is kept in no browser and shown no second time."""
    context = _shown(request, made.webhook, caller=caller)
    context |= {"secret": made.secret, "is_new": is_new}
    answer = render(request, "web/webhook.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _shown(request: HttpRequest, webhook: Webhook, *, caller: Caller) -> dict[str, Any]:
    state = parameters.choice(request.GET, "state", allowed=("", *STATES), default="")
    before = parameters.whole(request.GET, "before")
    rows: QuerySet[Delivery] = webhook.deliveries.order_by("-id")
    counted = dict(webhook.deliveries.values_list("state").annotate(Count("pk")).order_by())
    if state:
        rows = rows.filter(state=state)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    lines = [_line(one, webhook) for one in found[:ROWS_A_PAGE]]
    soon = timezone.now() + FOLLOWED
    return {
        "webhook": webhook,
        "lines": lines,
        "follows": any(line.due is not None and line.due < soon for line in lines),
        "state": state,
        "states": [(name, says, counted.get(name, 0)) for name, says in STATES.items()],
        "in_all": sum(counted.values()),
        "waiting": counted.get(Delivery.State.WAITING, 0),
        "more": lines[-1].delivery.pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
        "may_change": hooks.may_change(caller=caller, webhook=webhook),
        "address_problem": addresses.problem(webhook.url),
        "both_until": _both_until(webhook),
        "seen": seen(webhook),
    }


def _both_until(webhook: Webhook) -> datetime | None:
    """Until when the secret before the present one signs too; None where it does not."""
    until = webhook.before_until
    return until if until is not None and until > timezone.now() else None


def _line(row: Delivery, webhook: Webhook) -> Line:
    data = row.body.get("data", {})
    waits = row.state == Delivery.State.WAITING and webhook.disabled_at is None
    return Line(
        delivery=row,
        facts=[(name.replace("_", " "), _said(value)) for name, value in data.items()],
        state=STATES[Delivery.State(row.state)],
        answer=_answer(row),
        due=row.due_at if waits else None,
    )


def _answer(row: Delivery) -> str:
    """What the receiver answered last, in words; "" before the first attempt."""
    kind, _, detail = row.problem.partition(": ")
    words = (
        f"no connection ({detail})" if kind == "unreachable" else PROBLEMS.get(kind, row.problem)
    )
    return ": ".join(part for part in (str(row.status or ""), words) if part)


def _said(value: object) -> str:
    """A fact of what was told, short enough for a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return f"{len(value)} line{'' if len(value) == 1 else 's'}"
    return "–" if value is None else str(value)[:120]


def _typed(given: QueryDict) -> Typed:
    return Typed(
        team=given.get("team", ""),
        url=given.get("url", "").strip()[: addresses.LONGEST + 1],
        kinds=tuple(given.getlist("kinds")),
        note=given.get("note", "").strip(),
    )
