"""A ritual, a prompt and an assistant to run it, in a process with Django set up for a house."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mintmark.registry.models import Ritual
from mintmark.rituals import definitions, dreamframes, run_worker, runner_settings, runs
from mintmark.rituals.models import RitualRun
from tests.factories.cast import Cast


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The cast, and a ritual of which each case has two assertions."""

    cast: Cast
    ritual: Ritual

    def reach(self, *, url: str, at_once: int) -> None:
        """Say that the scout is reached there."""
        runner_settings.configure(
            caller=self.cast.as_(self.cast.buyer),
            assistant=self.cast.scout,
            setup=runner_settings.RunnerSettingsInput(
                kind="openai", base_url=url, model="skilled", at_once=at_once
            ),
            now=datetime.now(UTC),
        )

    def start(self) -> RitualRun:
        return runs.start(
            caller=self.cast.as_(self.cast.buyer),
            prompt=self.cast.prompt,
            assistant=self.cast.scout,
            ritual=self.ritual,
            now=datetime.now(UTC),
        )

    def bodies(self) -> list[dict[str, Any]]:
        """What a run sends, in its order."""
        run = self.start()
        job, (frame,) = (
            run_worker.prepare_run_executor(run),
            dreamframes.load_frames(run=run).values(),
        )
        runs.cancel(caller=self.cast.as_(self.cast.buyer), run=run, now=datetime.now(UTC))
        asks = [job.build_request(case, frame) for case in job.definition.cases]
        return [
            {
                "model": "skilled",
                "messages": [{"role": one.role, "content": one.content} for one in ask.messages],
                "temperature": ask.temperature,
                "max_tokens": ask.max_tokens,
                "seed": ask.seed,
                "stream": False,
            }
            for ask in asks
        ]

    def run(self) -> None:
        """A run, from its start to its outcome in the log."""
        run = self.start()
        run_worker.process_next_run(
            worker_id="bench",
            clock=lambda: datetime.now(UTC),
            rng=random.Random(1),
            stop=threading.Event(),
        )
        run.refresh_from_db()
        if run.state != RitualRun.State.DONE:
            raise RuntimeError(f"the run ended {run.state}: {run.reason}")


def built(*, cases: int) -> Scene:
    """In an empty house."""
    ritual = definitions.register_definition(
        definitions.build_definition(
            {
                "name": "bench",
                "tag": "task:triage",
                "options": {"max_tokens": 64},
                "assert": [
                    {"type": "icontains", "value": "urgent"},
                    {"type": "regex", "value": "(?i)night|day"},
                ],
                "cases": [{"vars": {"ticket": f"Ticket number {n}."}} for n in range(cases)],
            }
        )
    )
    return Scene(cast=Cast(now=datetime.now(UTC)), ritual=ritual)
