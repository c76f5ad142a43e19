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
from mintmark.core import errors, perturbations
from mintmark.registry import assistants, codices, entitlements, prompts, rituals
from mintmark.registry.models import Assistant, Codex, Prompt, Ritual
from mintmark.rituals import bindings, configurations, definitions, runs
from mintmark.rituals.definitions import Definition
from mintmark.rituals.models import RitualRun, Runner

from . import doors, parameters

MOST_CHOICES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was sent; `key` makes the same press twice one run, `seen` is what the button stood for."""

    ritual: str
    prompt: str
    assistant: int | None
    frames: str
    seed: str
    cost_cap: str
    key: str
    seen: str = ""

    @property
    def says(self) -> str:
        """What would be started, so that a button that promised something else does nothing."""
        chosen = (self.ritual, self.prompt, self.assistant, self.frames, self.seed, self.cost_cap)
        return " ".join(f"{one}" for one in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What would be run; `refusal` is what stands in the way, "" where nothing does."""

    prompt: Prompt
    assistant: Assistant
    ritual: Ritual
    definition: Definition
    frames: int
    calls: int
    runner: Runner
    cap_micro: int | None
    codices: Sequence[Codex]
    refusal: str

    @property
    def is_rehearsal(self) -> bool:
        return self.runner.kind == Runner.Kind.REHEARSAL


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/runs/new`, what a run would take as a fragment while one chooses, and its start."""
    caller = doors.caller(request)
    is_post = request.method == "POST"
    typed = _typed(request.POST if is_post else request.GET)
    mine = operated(caller, among=typed.assistant)
    problem = ""
    if is_post and request.POST.get("do") == "start" and typed.seen not in ("", typed.says):
        problem = "Something else was chosen since the button was made. Look again, then press it."
    elif is_post and request.POST.get("do") == "start":
        try:
            made = _start(typed, request.POST, caller=caller)
        except errors.KeyReused:
            typed = replace(typed, key=uuid.uuid4().hex)
            problem = "This form has started a run already, of something else. Press again for one of this."
        except errors.Refusal as refusal:
            if typed.assistant not in {one.pk for one in mine}:
                raise
            problem = refusal.message
        else:
            messages.success(request, f"Run {made.pk} is started: a worker takes it from here.")
            return redirect("run", made.pk)
    if typed.assistant is None and mine:
        typed = replace(typed, assistant=mine[0].pk)
    look, lacks = _look(typed, request.POST if is_post else request.GET, mine=mine)
    context: dict[str, Any] = {
        "typed": typed,
        "look": look,
        "lacks": lacks,
        "problem": problem,
        "is_demo": settings.IS_DEMO,
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/new_run.html#look", context)
    context |= choices(mine)
    return render(request, "web/new_run.html", context, status=422 if problem else 200)


def operated(caller: Caller, *, among: int | None = None) -> list[Assistant]:
    """The first assistants that the caller operates, by name, and the one with the id `among` if he does; each is an
    admin's."""
    rows = Assistant.objects.select_related("team", "runner").order_by("name")
    if not caller.is_admin:
        rows = rows.filter(team__in=caller.team_ids)
    found = list(rows[:MOST_CHOICES])
    if among is not None and all(one.pk != among for one in found):
        found += rows.filter(pk=among)
    return [one for one in found if caller.has_role(Role.OPERATOR, team_id=one.team_id)]


def _start(typed: Typed, given: QueryDict, *, caller: Caller) -> RitualRun:
    return runs.start(
        caller=caller,
        prompt=prompts.named(reference=typed.prompt),
        assistant=assistants.named(reference=str(typed.assistant or "")),
        ritual=rituals.named(reference=typed.ritual),
        now=timezone.now(),
        frames=_frames(given),
        seed=_seed(given),
        cost_cap_micro=parameters.limit(given, "cost_cap"),
        key=typed.key or None,
    )


def _look(typed: Typed, given: QueryDict, *, mine: Sequence[Assistant]) -> tuple[Look | None, str]:
    """What would be run; else what is still to be said."""
    assistant = next((one for one in mine if one.pk == typed.assistant), None)
    if assistant is None or not typed.prompt or not typed.ritual:
        return None, ""
    try:
        prompt = prompts.named(reference=typed.prompt)
        ritual = rituals.named(reference=typed.ritual)
        definition = definitions.of(ritual)
        runner = configurations.of(assistant=assistant)
        frames, seed = _frames(given), _seed(given)
        cap = runs.capped(runner, parameters.limit(given, "cost_cap"))
    except errors.Refusal as refusal:
        return None, refusal.message
    return Look(
        prompt=prompt,
        assistant=assistant,
        ritual=ritual,
        definition=definition,
        frames=frames,
        calls=len(definition.cases) * (1 + frames),
        runner=runner,
        cap_micro=cap,
        codices=_codices(prompt, assistant, definition),
        refusal=_in_the_way(prompt, assistant, definition, runner, frames=frames, seed=seed),
    ), ""


def _in_the_way(
    prompt: Prompt,
    assistant: Assistant,
    definition: Definition,
    runner: Runner,
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
        bindings.pinned(prompt=prompt, assistant=assistant, definition=definition)
    except errors.Refusal as refusal:
        return refusal.message
    return ""


def _codices(prompt: Prompt, assistant: Assistant, definition: Definition) -> list[Codex]:
    """The rule sets that outputs would be held to; those that the ritual names, if they are there."""
    named = []
    for reference in definition.codices:
        try:
            named.append(codices.named(reference=reference))
        except errors.NotFound:
            continue
    found = [*codices.binding(prompt=prompt, assistant=assistant), *named]
    return list({one.pk: one for one in found}.values())


def choices(mine: Sequence[Assistant]) -> dict[str, Any]:
    """What there is to choose from; whatever else there is can be typed."""
    teams = {one.team_id for one in mine}
    usable = Prompt.objects.filter(entitlements.served_to(team_ids=teams), tombstone__isnull=True)
    known = Ritual.objects.exclude(definition={}).order_by("name", "-version")
    return {
        "mine": mine,
        "prompts": usable.distinct().order_by("namespace", "name", "-revision")[:MOST_CHOICES],
        "rituals": known[:MOST_CHOICES],
        "most_frames": perturbations.MOST_FRAMES,
        "most_seed": perturbations.MOST_SEED,
    }


def _frames(given: QueryDict) -> int:
    return parameters.whole(given, "frames", lowest=0, highest=perturbations.MOST_FRAMES) or 0


def _seed(given: QueryDict) -> int:
    return parameters.whole(given, "seed", lowest=0, highest=perturbations.MOST_SEED) or 0


def _typed(given: QueryDict) -> Typed:
    return Typed(
        ritual=reference(given.get("ritual", ""), of=Ritual),
        prompt=reference(given.get("prompt", ""), of=Prompt),
        assistant=parameters.whole(given, "assistant"),
        frames=given.get("frames", "0").strip(),
        seed=given.get("seed", "0").strip(),
        cost_cap=given.get("cost_cap", "").strip(),
        key=given.get("key", "") or uuid.uuid4().hex,
        seen=given.get("seen", ""),
    )


def reference(typed: str, *, of: type[Prompt] | type[Ritual]) -> str:
    """What was typed, an id told by the name that a person would type."""
    typed = typed.strip()
    if not typed.isascii() or not typed.isdigit() or len(typed) >= 19:
        return typed
    found = of._default_manager.filter(pk=int(typed)).first()
    if isinstance(found, Prompt):
        return found.reference
    return str(found) if found is not None else typed
