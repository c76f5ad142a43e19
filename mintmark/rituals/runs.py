"""Runs of rituals: start, cancel, resume, read progress."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.experiments import perturbations
from mintmark.registry import assistants, entitlements
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import codex_snapshot, definitions, leases, prompt_building, runner_settings
from . import dreamframes as framing
from .definitions import RitualDefinition
from .models import CaseRun, Dreamframe, RitualRun, RunnerSettings

MAX_CALLS = 20_000
"""The most calls (cases × frames) of one run."""

_MAX_SHOWN = 5


class InvalidRun(errors.DomainError):
    """A run can't be started or resumed as asked; the message says why."""

    code = "invalid_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """The progress of a run. Cases are counted over all frames; `score` is that of the plain frame, once it has one."""

    state: str
    reason: str
    cases: int
    done: int
    failed: int
    calling: int
    frames: int
    frames_done: int
    score: float | None
    spent_micro: int
    lost_micro: int
    cost_cap_micro: int | None
    currency: str

    @property
    def share(self) -> float:
        """The share of cases that have ended, done or failed, in [0, 1]."""
        return (self.done + self.failed) / self.cases if self.cases else 1.0


def start(
    *,
    caller: Caller,
    prompt: Prompt,
    assistant: Assistant,
    ritual: Ritual,
    now: datetime,
    frames: int = 0,
    seed: int = 0,
    cost_cap_micro: int | None = None,
    idempotency_key: str | None = None,
) -> RitualRun:
    """Start a run of a prompt with an assistant and a ritual: one plain frame and `frames` perturbed ones.

    The caller must be a person and an operator of the assistant's team; the measured evidence is recorded in their
    name. `cost_cap_micro` can only lower the runner's own cap. With an `idempotency_key`, a second call returns the
    existing run.
    """
    caller.require_scope("evidence")
    require_person(caller, assistant)
    if (
        idempotency_key is not None
        and (existing := _find_by_key(caller, idempotency_key)) is not None
    ):
        return _require_same_request(existing, prompt, assistant, ritual, frames, seed)
    definition = definitions.get_definition(ritual)
    runner = runner_settings.get_runner_settings(assistant=assistant)
    check_idempotency_key(idempotency_key)
    require_startable(
        prompt=prompt,
        assistant=assistant,
        definition=definition,
        runner=runner,
        frames=frames,
        seed=seed,
    )
    try:
        with transaction.atomic():
            run = RitualRun.objects.create(
                ritual=ritual,
                prompt=prompt,
                assistant=assistant,
                started_by=caller.principal,
                key=idempotency_key,
                seed=seed,
                perturbed=frames,
                runner_kind=runner.kind,
                model=runner.model,
                currency=runner.currency,
                codex_ids=codex_snapshot.pin_codices(
                    prompt=prompt, assistant=assistant, definition=definition
                ),
                cost_cap_micro=apply_cost_cap(runner, cost_cap_micro),
                created_at=now,
            )
            framing.create_frames(run=run, definition=definition)
    except IntegrityError:  # two requests used the same key at the same time
        existing = _find_by_key(caller, idempotency_key) if idempotency_key is not None else None
        if existing is None:
            raise
        return _require_same_request(existing, prompt, assistant, ritual, frames, seed)
    return run


def cancel(*, caller: Caller, run: RitualRun, now: datetime) -> RitualRun:
    """End a run at once: no further call starts, and calls in progress are cancelled. Finished results stay. A run that
    has ended is returned unchanged."""
    caller.require_scope("evidence")
    assistants.require_operator(caller=caller, team_id=run.assistant.team_id)
    leases.cancel(run, cancelled_by=str(caller.principal), now=now)
    run.refresh_from_db()
    return run


def resume(
    *, caller: Caller, run: RitualRun, now: datetime, cost_cap_micro: int | None = None
) -> RitualRun:
    """Let a worker continue a run that stopped early: finished calls are not made again, failed ones are.

    `cost_cap_micro` replaces the run's cap. A run in progress is returned unchanged. Raises `InvalidRun` if the run is
    done.
    """
    caller.require_scope("evidence")
    require_person(caller, run.assistant)
    runner = runner_settings.get_runner_settings(assistant=run.assistant)
    if (runner.kind, runner.model) != (run.runner_kind, run.model):
        raise InvalidRun(
            f"Run {run.pk} began with the model {run.model or run.runner_kind!r}, and {run.assistant} has another now: "
            "start a new run."
        )
    cap = run.cost_cap_micro if cost_cap_micro is None else apply_cost_cap(runner, cost_cap_micro)
    leases.requeue(run, cost_cap_micro=cap)
    run.refresh_from_db()
    if run.state == RitualRun.State.DONE:
        raise InvalidRun(f"Run {run.pk} is done: every case has its result. Start a new run.")
    return run


def get_progress(run: RitualRun) -> RunProgress:
    """The progress of a run."""
    return get_progress_by_run([run])[run.pk]


def get_progress_by_run(ritual_runs: Sequence[RitualRun]) -> dict[int, RunProgress]:
    """The progress of each of these runs, by its id; three queries, however many there are."""
    ids = [run.pk for run in ritual_runs]
    states: dict[int, Counter[str]] = {pk: Counter() for pk in ids}
    case_states = CaseRun.objects.filter(run__in=ids).values_list("run", "state")
    for pk, state, number in case_states.annotate(n=Count("id")).order_by():
        states[pk][state] = number
    scores: dict[int, dict[int, float | None]] = {pk: {} for pk in ids}
    for pk, number, score in Dreamframe.objects.filter(run__in=ids).values_list(
        "run", "number", "score"
    ):
        scores[pk][number] = score
    return {
        pk: _build_progress(run, cases=states[pk], scores=scores[pk])
        for pk, run in RitualRun.objects.in_bulk(ids).items()
    }


def _build_progress(
    run: RitualRun, *, cases: Counter[str], scores: Mapping[int, float | None]
) -> RunProgress:
    return RunProgress(
        state=run.state,
        reason=run.reason,
        cases=cases.total(),
        done=cases[CaseRun.State.DONE],
        failed=cases[CaseRun.State.FAILED],
        calling=cases[CaseRun.State.CALLING],
        frames=len(scores),
        frames_done=sum(score is not None for score in scores.values()),
        score=scores.get(0),
        spent_micro=run.spent_micro,
        lost_micro=run.lost_micro,
        cost_cap_micro=run.cost_cap_micro,
        currency=run.currency,
    )


def visible_to(*, caller: Caller) -> QuerySet[RitualRun]:
    """The runs of assistants of the caller's teams, with their outputs; all of them for an admin. Newest first."""
    visible_runs = RitualRun.objects.select_related("prompt", "assistant", "ritual", "started_by")
    if not caller.is_admin:
        visible_runs = visible_runs.filter(assistant__team__in=caller.team_ids)
    return visible_runs.order_by("-id")


def get_run(*, caller: Caller, pk: int) -> RitualRun:
    """The run with this id, if the caller may see it; otherwise `NotFound`."""
    rows = visible_to(caller=caller).select_related("assistant__team", "prompt__team")
    ritual_run = rows.filter(pk=pk).first()
    if ritual_run is None:
        raise errors.NotFound(f"There is no run {pk}, or it is another team's.")
    return ritual_run


def require_person(caller: Caller, assistant: Assistant) -> None:
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    if caller.principal.user_id is None:
        raise errors.Forbidden(
            "Only a person can start a run, since its evidence is recorded in their name: use a person's key."
        )


def check_idempotency_key(idempotency_key: str | None) -> None:
    """Refuse an invalid idempotency key of a run or a comparison."""
    if idempotency_key is not None and (
        not 1 <= len(idempotency_key) <= 200 or not idempotency_key.isprintable()
    ):
        raise InvalidRun("An idempotency key must be 1 to 200 printable characters.")


def require_startable(
    *,
    prompt: Prompt,
    assistant: Assistant,
    definition: RitualDefinition,
    runner: RunnerSettings,
    frames: int,
    seed: int,
) -> None:
    """Refuse a run that could not be completed."""
    if not 0 <= frames <= perturbations.MAX_FRAMES or not 0 <= seed <= perturbations.MAX_SEED:
        raise InvalidRun(
            f"{frames} dreamframes with the seed {seed}: ask for 0 to {perturbations.MAX_FRAMES} frames, and a seed "
            f"from 0 to {perturbations.MAX_SEED}."
        )
    calls = len(definition.cases) * (1 + frames)
    if calls > MAX_CALLS:
        raise InvalidRun(
            f"That is {calls:,} calls; one run makes at most {MAX_CALLS:,}: ask for fewer frames."
        )
    require_runnable(prompt=prompt, assistant=assistant, definition=definition, runner=runner)


def require_runnable(
    *, prompt: Prompt, assistant: Assistant, definition: RitualDefinition, runner: RunnerSettings
) -> None:
    """Refuse calls that could not be made: a prompt that the team may not use, variables that cases leave unfilled,
    missing memories, rubrics without a judge, or a call that is too long."""
    require_served(prompt=prompt, assistant=assistant)
    if definition.needs_judge and runner.judge is None:
        raise InvalidRun(f"{definition.name} has rubrics, and {assistant} has no judge.")
    missing_by_case = prompt_building.find_missing_variables(prompt=prompt, definition=definition)
    if missing_by_case:
        listed_cases = "; ".join(
            f"{case}: {', '.join(names[:_MAX_SHOWN])}"
            for case, names in list(missing_by_case.items())[:_MAX_SHOWN]
        )
        raise InvalidRun(f"Cases leave variables of {prompt.reference} open ({listed_cases}).")
    memory, missing_keys = prompt_building.load_memory(
        assistant_id=assistant.pk, definition=definition
    )
    if missing_keys:
        raise InvalidRun(
            f"{assistant} remembers nothing under {', '.join(missing_keys[:_MAX_SHOWN])}, which cases cite."
        )
    oversized = prompt_building.find_oversized_cases(
        prompt=prompt, definition=definition, memory=memory
    )
    if oversized:
        case, characters = next(iter(oversized.items()))
        raise InvalidRun(
            f"The case {case} would ask {characters:,} characters at once, the variables of {prompt.reference} filled "
            f"in; one call has at most {prompt_building.MAX_CHARACTERS:,}."
        )


def require_served(*, prompt: Prompt, assistant: Assistant) -> None:
    """Refuse unless the assistant's team may use the prompt now, and the prompt was not withdrawn."""
    served = entitlements.build_usable_q(team_ids={assistant.team_id})
    if not Prompt.objects.filter(served, pk=prompt.pk, tombstone__isnull=True).exists():
        raise errors.Forbidden(
            f"Team {assistant.team} may not use {prompt.reference}, or it was withdrawn."
        )


def apply_cost_cap(runner: RunnerSettings, requested_micro: int | None) -> int | None:
    """The lower of the runner's own cap and the requested one. Raises `InvalidRun` for a cap below 0."""
    if requested_micro is not None and requested_micro < 0:
        raise InvalidRun("A cost cap is 0 or more.")
    caps = [cap for cap in (runner.cost_cap_micro, requested_micro) if cap is not None]
    return min(caps, default=None)


def _find_by_key(caller: Caller, idempotency_key: str) -> RitualRun | None:
    return RitualRun.objects.filter(started_by=caller.principal, key=idempotency_key).first()


def _require_same_request(
    existing: RitualRun,
    prompt: Prompt,
    assistant: Assistant,
    ritual: Ritual,
    frames: int,
    seed: int,
) -> RitualRun:
    requested = (prompt.pk, assistant.pk, ritual.pk, frames, seed)
    stored = (
        existing.prompt_id,
        existing.assistant_id,
        existing.ritual_id,
        existing.perturbed,
        existing.seed,
    )
    if requested != stored:
        raise errors.IdempotencyKeyReused(
            f"The key {existing.key!r} already started run {existing.pk} with other arguments: use another key."
        )
    return existing
