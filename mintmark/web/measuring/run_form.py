"""The page on which a run is started: which prompt, which assistant, which ritual; what that takes, and what is in the
way."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.experiments import perturbations
from mintmark.registry import assistants, codices, entitlements, prompts, rituals
from mintmark.registry.models import Assistant, Codex, Prompt, Ritual
from mintmark.rituals import codex_snapshot, definitions, runner_settings, runs
from mintmark.rituals.definitions import RitualDefinition
from mintmark.rituals.models import RitualRun, RunnerSettings

from .. import decorators, query_params

MAX_CHOICES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """The form as it was sent; `key` makes the same press twice one run, `seen` is what the button stood for."""

    ritual: str
    prompt: str
    assistant: int | None
    frames: str
    seed: str
    cost_cap: str
    idempotency_key: str
    confirmed_fingerprint: str = ""

    @property
    def fingerprint(self) -> str:
        """What would be started, so that a button that promised something else does nothing."""
        values = (self.ritual, self.prompt, self.assistant, self.frames, self.seed, self.cost_cap)
        return " ".join(f"{value}" for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPreview:
    """What would be run; `refusal` is what stands in the way, "" where nothing does."""

    prompt: Prompt
    assistant: Assistant
    ritual: Ritual
    definition: RitualDefinition
    frames: int
    calls: int
    runner: RunnerSettings
    cap_micro: int | None
    codices: Sequence[Codex]
    obstacle: str

    @property
    def is_rehearsal(self) -> bool:
        return self.runner.kind == RunnerSettings.Kind.REHEARSAL


@decorators.form_view
def create_run(request: HttpRequest) -> HttpResponseBase:
    """`/runs/new`, what a run would take as a fragment while one chooses, and its start."""
    caller = decorators.get_caller(request)
    is_post = request.method == "POST"
    form = _parse_form(request.POST if is_post else request.GET)
    operated_assistants = list_operated_assistants(caller, include_id=form.assistant)
    error_message = ""
    if (
        is_post
        and request.POST.get("do") == "start"
        and form.confirmed_fingerprint not in ("", form.fingerprint)
    ):
        error_message = (
            "The form was changed after the cost was shown. Check it again, then press the button."
        )
    elif is_post and request.POST.get("do") == "start":
        try:
            run = _start_run(form, request.POST, caller=caller)
        except errors.IdempotencyKeyReused:
            form = replace(form, idempotency_key=uuid.uuid4().hex)
            error_message = (
                "This form has already started another run. Press again to start this one."
            )
        except errors.DomainError as error:
            if form.assistant not in {assistant.pk for assistant in operated_assistants}:
                raise
            error_message = error.message
        else:
            messages.success(request, f"Run {run.pk} was started. A worker continues it.")
            return redirect("run", run.pk)
    if form.assistant is None and operated_assistants:
        form = replace(form, assistant=operated_assistants[0].pk)
    preview, hint = _build_preview(
        form, request.POST if is_post else request.GET, operated_assistants=operated_assistants
    )
    context: dict[str, Any] = {
        "typed": form,
        "look": preview,
        "lacks": hint,
        "problem": error_message,
        "is_demo": settings.IS_DEMO,
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/new_run.html#look", context)
    context |= build_choices(operated_assistants)
    return render(request, "web/new_run.html", context, status=422 if error_message else 200)


def list_operated_assistants(caller: Caller, *, include_id: int | None = None) -> list[Assistant]:
    """The first assistants that the caller operates, by name, and the one with the id `among` if he does; each is an
    admin's."""
    rows = Assistant.objects.select_related("team", "runner").order_by("name")
    if not caller.is_admin:
        rows = rows.filter(team__in=caller.team_ids)
    shown_assistants = list(rows[:MAX_CHOICES])
    if include_id is not None and all(assistant.pk != include_id for assistant in shown_assistants):
        shown_assistants += rows.filter(pk=include_id)
    return [
        assistant
        for assistant in shown_assistants
        if caller.has_role(Role.OPERATOR, team_id=assistant.team_id)
    ]


def _start_run(form: RunForm, data: QueryDict, *, caller: Caller) -> RitualRun:
    return runs.start(
        caller=caller,
        prompt=prompts.resolve(reference=form.prompt),
        assistant=assistants.resolve(reference=str(form.assistant or "")),
        ritual=rituals.resolve(reference=form.ritual),
        now=timezone.now(),
        frames=_parse_frames(data),
        seed=_parse_seed(data),
        cost_cap_micro=query_params.parse_amount_micro(data, "cost_cap"),
        idempotency_key=form.idempotency_key or None,
    )


def _build_preview(
    form: RunForm, data: QueryDict, *, operated_assistants: Sequence[Assistant]
) -> tuple[RunPreview | None, str]:
    """What would be run; else what is still to be said."""
    assistant = next(
        (candidate for candidate in operated_assistants if candidate.pk == form.assistant), None
    )
    if assistant is None or not form.prompt or not form.ritual:
        return None, ""
    try:
        prompt = prompts.resolve(reference=form.prompt)
        ritual = rituals.resolve(reference=form.ritual)
        definition = definitions.get_definition(ritual)
        runner = runner_settings.get_runner_settings(assistant=assistant)
        frames, seed = _parse_frames(data), _parse_seed(data)
        cap = runs.apply_cost_cap(runner, query_params.parse_amount_micro(data, "cost_cap"))
    except errors.DomainError as error:
        return None, error.message
    return RunPreview(
        prompt=prompt,
        assistant=assistant,
        ritual=ritual,
        definition=definition,
        frames=frames,
        calls=len(definition.cases) * (1 + frames),
        runner=runner,
        cap_micro=cap,
        codices=_list_codices(prompt, assistant, definition),
        obstacle=_find_obstacle(prompt, assistant, definition, runner, frames=frames, seed=seed),
    ), ""


def _find_obstacle(
    prompt: Prompt,
    assistant: Assistant,
    definition: RitualDefinition,
    runner: RunnerSettings,
    *,
    frames: int,
    seed: int,
) -> str:
    try:
        runs.require_startable(
            prompt=prompt,
            assistant=assistant,
            definition=definition,
            runner=runner,
            frames=frames,
            seed=seed,
        )
        codex_snapshot.pin_codices(prompt=prompt, assistant=assistant, definition=definition)
    except errors.DomainError as error:
        return error.message
    return ""


def _list_codices(
    prompt: Prompt, assistant: Assistant, definition: RitualDefinition
) -> list[Codex]:
    """The rule sets that outputs would be held to; those that the ritual names, if they are there."""
    named_codices = []
    for reference in definition.codices:
        try:
            named_codices.append(codices.resolve(reference=reference))
        except errors.NotFound:
            continue
    all_codices = [*codices.list_binding(prompt=prompt, assistant=assistant), *named_codices]
    return list({codex.pk: codex for codex in all_codices}.values())


def build_choices(operated_assistants: Sequence[Assistant]) -> dict[str, Any]:
    """What there is to choose from; whatever else there is can be typed."""
    teams = {assistant.team_id for assistant in operated_assistants}
    usable_prompts = Prompt.objects.filter(
        entitlements.build_usable_q(team_ids=teams), tombstone__isnull=True
    )
    runnable_rituals = Ritual.objects.exclude(definition={}).order_by("name", "-version")
    return {
        "mine": operated_assistants,
        "prompts": usable_prompts.distinct().order_by("namespace", "name", "-revision")[
            :MAX_CHOICES
        ],
        "rituals": runnable_rituals[:MAX_CHOICES],
        "most_frames": perturbations.MAX_FRAMES,
        "most_seed": perturbations.MAX_SEED,
    }


def _parse_frames(data: QueryDict) -> int:
    return (
        query_params.parse_integer(data, "frames", minimum=0, maximum=perturbations.MAX_FRAMES) or 0
    )


def _parse_seed(data: QueryDict) -> int:
    return query_params.parse_integer(data, "seed", minimum=0, maximum=perturbations.MAX_SEED) or 0


def _parse_form(data: QueryDict) -> RunForm:
    return RunForm(
        ritual=resolve_reference(data.get("ritual", ""), model=Ritual),
        prompt=resolve_reference(data.get("prompt", ""), model=Prompt),
        assistant=query_params.parse_integer(data, "assistant"),
        frames=data.get("frames", "0").strip(),
        seed=data.get("seed", "0").strip(),
        cost_cap=data.get("cost_cap", "").strip(),
        idempotency_key=data.get("key", "") or uuid.uuid4().hex,
        confirmed_fingerprint=data.get("seen", ""),
    )


def resolve_reference(text: str, *, model: type[Prompt] | type[Ritual]) -> str:
    """What was typed, an id told by the name that a person would type."""
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) >= 19:
        return text
    row = model._default_manager.filter(pk=int(text)).first()
    if isinstance(row, Prompt):
        return row.reference
    return str(row) if row is not None else text
