"""The page that says how an assistant is reached when a ritual runs it: where, under which limits, at which prices."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors, money
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.rituals import configurations, documents, trials
from mintmark.rituals.configurations import Setup
from mintmark.rituals.models import Runner
from mintmark.rituals.runners import transcript
from mintmark.rituals.trials import Trial

from . import doors, parameters, places, running


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was sent, or as what stands would fill it in."""

    kind: str = Runner.Kind.OPENAI
    base_url: str = ""
    model: str = ""
    key_name: str = ""
    timeout_seconds: str = "60"
    attempts: str = "4"
    at_once: str = "4"
    per_minute: str = "0"
    price_in: str = "0"
    price_out: str = "0"
    currency: str = "USD"
    cost_cap: str = ""
    judge: str = ""
    transcript: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A test call that was made, or why none could be; neither where nobody asked for one."""

    trial: Trial | None = None
    refusal: str = ""


@doors.form
def page(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/runner`: to its team; its forms, and its test call, are for those who operate it."""
    assistant = assistants.named(reference=str(assistant_id))
    caller = doors.caller(request)
    if not caller.is_admin and assistant.team_id not in caller.team_ids:
        raise errors.Forbidden(f"How {assistant} is reached is for its team to know.")
    stands = configurations.visible_to(caller=caller).select_related("configured_by")
    runner = stands.filter(assistant=assistant).first()
    typed, refusal = _stated(runner), ""
    wrong: Sequence[places.Wrong] = ()
    tried = Tried()
    if request.method == "POST" and request.POST.get("do") == "try":
        tried = _tried(assistant, caller=caller)
        if request.headers.get("HX-Request") == "true":
            return render(request, "web/runner.html#tried", {"tried": tried})
        refusal = tried.refusal if runner is None else ""
    elif request.method == "POST":
        typed = _typed(request.POST)
        try:
            made = _configure(request.POST, typed, assistant, runner, caller=caller)
        except errors.Forbidden:
            raise
        except errors.Refusal as refused:
            refusal, wrong = refused.message, _wrong(refused)
            if any(row["field"] == "key_name" for row in refused.rows):
                typed = replace(typed, key_name="")  # it may be the key itself
        else:
            messages.success(
                request,
                f"{assistant} is reached so from now on: {made.get_kind_display()}. Runs under way go on as they "
                "began.",
            )
            return redirect("runner", assistant.pk)
    context = {
        "assistant": assistant,
        "runner": runner,
        "typed": typed,
        "refusal": refusal,
        "wrong": wrong,
        "tried": tried,
        "kinds": Runner.Kind.choices,
        "may_change": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        "judges": _judges(caller, assistant),
        "key_prefix": configurations.own_prefix(assistant),
    }
    return render(request, "web/runner.html", context, status=422 if refusal else 200)


def _tried(assistant: Assistant, *, caller: Caller) -> Tried:
    try:
        return Tried(trial=trials.call(caller=caller, assistant=assistant))
    except configurations.InvalidRunner as refused:
        return Tried(refusal=refused.message)


def _configure(
    given: QueryDict, typed: Typed, assistant: Assistant, stands: Runner | None, *, caller: Caller
) -> Runner:
    judge = parameters.whole(given, "judge")
    setup = Setup(
        kind=typed.kind,
        base_url=typed.base_url,
        model=typed.model,
        key_name=typed.key_name,
        timeout_seconds=parameters.number(given, "timeout_seconds", default=60.0),
        attempts=parameters.whole(given, "attempts", lowest=0) or 0,
        at_once=parameters.whole(given, "at_once", lowest=0) or 0,
        per_minute=parameters.whole(given, "per_minute", lowest=0) or 0,
        price_in_micro=parameters.limit(given, "price_in") or 0,
        price_out_micro=parameters.limit(given, "price_out") or 0,
        currency=typed.currency,
        cost_cap_micro=parameters.limit(given, "cost_cap"),
        judge=assistants.named(reference=str(judge)) if judge is not None else None,
        transcript=_replies(typed, stands),
    )
    return configurations.configure(
        caller=caller, assistant=assistant, setup=setup, now=timezone.now()
    )


def _replies(typed: Typed, stands: Runner | None) -> dict[str, dict[str, Any]] | None:
    """The replies that were pasted; those that stand where nothing was."""
    if typed.kind != Runner.Kind.TRANSCRIPT:
        return None
    if typed.transcript.strip():
        return transcript.checked(documents.read(typed.transcript))
    return stands.transcript if stands is not None else None


def _judges(caller: Caller, assistant: Assistant) -> list[Assistant]:
    """Who may decide its rubrics: assistants that the caller operates and that can be reached."""
    return [
        one for one in running.operated(caller) if hasattr(one, "runner") and one.pk != assistant.pk
    ]


def _wrong(refused: errors.Refusal) -> list[places.Wrong]:
    return [
        places.Wrong(
            path=str(row["field"]).replace("_micro", "").replace("_", " "),
            line=None,
            value="" if row["value"] in (None, "") else str(row["value"])[:120],
            message=row["message"],
        )
        for row in refused.rows
    ]


def _typed(given: QueryDict) -> Typed:
    return Typed(**{one.name: given.get(one.name, "").strip() for one in fields(Typed)})


def _stated(runner: Runner | None) -> Typed:
    if runner is None:
        return Typed()
    return Typed(
        kind=runner.kind,
        base_url=runner.base_url,
        model=runner.model,
        key_name=runner.key_name,
        timeout_seconds=f"{runner.timeout_seconds:g}",
        attempts=str(runner.attempts),
        at_once=str(runner.at_once),
        per_minute=str(runner.per_minute),
        price_in=_amount(runner.price_in_micro),
        price_out=_amount(runner.price_out_micro),
        currency=runner.currency,
        cost_cap="" if runner.cost_cap_micro is None else _amount(runner.cost_cap_micro),
        judge=str(runner.judge.assistant_id) if runner.judge is not None else "",
    )


def _amount(micro: int) -> str:
    return money.shown(micro).replace(",", "")
