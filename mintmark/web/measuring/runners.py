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
from mintmark.common import amounts, documents, errors
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.rituals import runner_check, runner_settings
from mintmark.rituals.models import RunnerSettings
from mintmark.rituals.runner_check import RunnerCheck
from mintmark.rituals.runner_settings import RunnerSettingsInput
from mintmark.rituals.runners import transcript

from .. import decorators, query_params
from . import document_errors, run_form


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerForm:
    """The form as it was sent, or as what stands would fill it in."""

    kind: str = RunnerSettings.Kind.OPENAI
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
class TestCallResult:
    """A test call that was made, or why none could be; neither where nobody asked for one."""

    trial: RunnerCheck | None = None
    error_message: str = ""


@decorators.form_view
def configure_runner(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/runner`: to its team; its forms, and its test call, are for those who operate it."""
    assistant = assistants.resolve(reference=str(assistant_id))
    caller = decorators.get_caller(request)
    if not caller.is_admin and assistant.team_id not in caller.team_ids:
        raise errors.Forbidden(f"Only the team of {assistant} can see its endpoint.")
    runner_rows = runner_settings.visible_to(caller=caller).select_related("configured_by")
    runner = runner_rows.filter(assistant=assistant).first()
    form, error_message = _build_form(runner), ""
    field_errors: Sequence[document_errors.DocumentError] = ()
    test_call = TestCallResult()
    if request.method == "POST" and request.POST.get("do") == "try":
        test_call = _make_test_call(assistant, caller=caller)
        if request.headers.get("HX-Request") == "true":
            return render(request, "web/runner.html#tried", {"tried": test_call})
        error_message = test_call.error_message if runner is None else ""
    elif request.method == "POST":
        form = _parse_form(request.POST)
        try:
            saved_runner = _save_settings(request.POST, form, assistant, runner, caller=caller)
        except errors.Forbidden:
            raise
        except errors.DomainError as error:
            error_message, field_errors = error.message, _list_field_errors(error)
            if any(row["field"] == "key_name" for row in error.rows):
                form = replace(form, key_name="")  # it may be the key itself
        else:
            messages.success(
                request,
                f"The endpoint of {assistant} was saved: {saved_runner.get_kind_display()}. Runs in progress keep "
                "their settings.",
            )
            return redirect("runner", assistant.pk)
    context = {
        "assistant": assistant,
        "runner": runner,
        "typed": form,
        "refusal": error_message,
        "wrong": field_errors,
        "tried": test_call,
        "kinds": RunnerSettings.Kind.choices,
        "may_change": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        "judges": _list_judges(caller, assistant),
        "key_prefix": runner_settings.get_variable_prefix(assistant),
    }
    return render(request, "web/runner.html", context, status=422 if error_message else 200)


def _make_test_call(assistant: Assistant, *, caller: Caller) -> TestCallResult:
    try:
        return TestCallResult(trial=runner_check.check_runner(caller=caller, assistant=assistant))
    except runner_settings.InvalidRunner as error:
        return TestCallResult(error_message=error.message)


def _save_settings(
    data: QueryDict,
    form: RunnerForm,
    assistant: Assistant,
    current_runner: RunnerSettings | None,
    *,
    caller: Caller,
) -> RunnerSettings:
    judge = query_params.parse_integer(data, "judge")
    setup = RunnerSettingsInput(
        kind=form.kind,
        base_url=form.base_url,
        model=form.model,
        key_name=form.key_name,
        timeout_seconds=query_params.parse_float(data, "timeout_seconds", default=60.0),
        attempts=query_params.parse_integer(data, "attempts", minimum=0) or 0,
        at_once=query_params.parse_integer(data, "at_once", minimum=0) or 0,
        per_minute=query_params.parse_integer(data, "per_minute", minimum=0) or 0,
        price_in_micro=query_params.parse_amount_micro(data, "price_in") or 0,
        price_out_micro=query_params.parse_amount_micro(data, "price_out") or 0,
        currency=form.currency,
        cost_cap_micro=query_params.parse_amount_micro(data, "cost_cap"),
        judge=assistants.resolve(reference=str(judge)) if judge is not None else None,
        transcript=_parse_replies(form, current_runner),
    )
    return runner_settings.configure(
        caller=caller, assistant=assistant, setup=setup, now=timezone.now()
    )


def _parse_replies(
    form: RunnerForm, current_runner: RunnerSettings | None
) -> dict[str, dict[str, Any]] | None:
    """The replies that were pasted; those that stand where nothing was."""
    if form.kind != RunnerSettings.Kind.TRANSCRIPT:
        return None
    if form.transcript.strip():
        return transcript.validate_replies(documents.parse_document(form.transcript))
    return current_runner.transcript if current_runner is not None else None


def _list_judges(caller: Caller, assistant: Assistant) -> list[Assistant]:
    """Who may decide its rubrics: assistants that the caller operates and that can be reached."""
    return [
        assistant_row
        for assistant_row in run_form.list_operated_assistants(caller)
        if hasattr(assistant_row, "runner") and assistant_row.pk != assistant.pk
    ]


def _list_field_errors(error: errors.DomainError) -> list[document_errors.DocumentError]:
    return [
        document_errors.DocumentError(
            path=str(row["field"]).replace("_micro", "").replace("_", " "),
            line=None,
            value="" if row["value"] in (None, "") else str(row["value"])[:120],
            message=row["message"],
        )
        for row in error.rows
    ]


def _parse_form(data: QueryDict) -> RunnerForm:
    return RunnerForm(
        **{
            form_field.name: data.get(form_field.name, "").strip()
            for form_field in fields(RunnerForm)
        }
    )


def _build_form(runner: RunnerSettings | None) -> RunnerForm:
    if runner is None:
        return RunnerForm()
    return RunnerForm(
        kind=runner.kind,
        base_url=runner.base_url,
        model=runner.model,
        key_name=runner.key_name,
        timeout_seconds=f"{runner.timeout_seconds:g}",
        attempts=str(runner.attempts),
        at_once=str(runner.at_once),
        per_minute=str(runner.per_minute),
        price_in=_format_amount(runner.price_in_micro),
        price_out=_format_amount(runner.price_out_micro),
        currency=runner.currency,
        cost_cap="" if runner.cost_cap_micro is None else _format_amount(runner.cost_cap_micro),
        judge=str(runner.judge.assistant_id) if runner.judge is not None else "",
    )


def _format_amount(micro: int) -> str:
    return amounts.format_tokens(micro).replace(",", "")
