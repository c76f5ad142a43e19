"""A few runs of a ritual by assistants of the visitor's team, rehearsed: no language model is behind them, and each of
them says so. A second playing changes nothing."""

import random
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import User
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant
from mintmark.rituals import definitions, run_worker, runner_settings, runs
from mintmark.rituals.models import RitualRun, RunnerSettings

FILE = Path(__file__).parent / "desk.yaml"
_PRICE_IN_MICRO, _PRICE_OUT_MICRO = 2_500, 10_000


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run: three perturbed frames unless it is said otherwise; one with a cap stops when that is reached."""

    key: str
    prompt: str
    assistant: str
    seed: int
    frames: int = 3
    cost_cap_micro: int | None = None


PLANNED_RUNS = (
    PlannedRun(key="demo:1", prompt="core/triage@2", assistant="scout-7", seed=1),
    PlannedRun(key="demo:2", prompt="support/triage@1", assistant="scout-7", seed=1),
    PlannedRun(key="demo:3", prompt="core/triage@3", assistant="mira-4", seed=2, frames=1),
    PlannedRun(
        key="demo:4", prompt="core/triage@2", assistant="desk-2", seed=1, cost_cap_micro=8_000
    ),
)


def play_rehearsals(*, visitor: User, now: datetime) -> int:
    """Start what was not started yet, and see it through; how many runs there were to do."""
    caller = callers.from_user(user=visitor)
    started = RitualRun.objects.filter(started_by=caller.principal)
    known_keys = set(started.values_list("key", flat=True))
    for planned in PLANNED_RUNS:
        if planned.key not in known_keys:
            _start_run(planned, caller=caller, now=now)
    keys = [planned.key for planned in PLANNED_RUNS]
    waiting = started.filter(key__in=keys, state=RitualRun.State.QUEUED).order_by("id")
    ids = list(waiting.values_list("id", flat=True))
    for pk in ids:
        run_worker.process_next_run(
            worker_id="mintmark demo",
            clock=lambda: now,
            rng=random.Random(pk),
            stop=threading.Event(),
            on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
            job_id=pk,
        )
    return len(ids)


def _start_run(planned: PlannedRun, *, caller: Caller, now: datetime) -> None:
    assistant = assistants.resolve(reference=planned.assistant)
    _configure_runner(assistant, caller=caller, now=now)
    runs.start(
        caller=caller,
        prompt=prompts.resolve(reference=planned.prompt),
        assistant=assistant,
        ritual=definitions.load_ritual(text=FILE.read_text(encoding="utf-8")),
        now=now,
        frames=planned.frames,
        seed=planned.seed,
        cost_cap_micro=planned.cost_cap_micro,
        idempotency_key=planned.key,
    )


def _configure_runner(assistant: Assistant, *, caller: Caller, now: datetime) -> None:
    """By a rehearsal at made-up prices, unless somebody has said otherwise."""
    if RunnerSettings.objects.filter(assistant=assistant).exists():
        return
    runner_settings.configure(
        caller=caller,
        assistant=assistant,
        setup=runner_settings.RunnerSettingsInput(
            kind=RunnerSettings.Kind.REHEARSAL,
            price_in_micro=_PRICE_IN_MICRO,
            price_out_micro=_PRICE_OUT_MICRO,
            cost_cap_micro=5_000_000,
        ),
        now=now,
    )
