"""The scene of these tests: the cast, a ritual of five cases, and the buyer's scout reached at a model server."""

import random
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mintmark.accounts.callers import Caller
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import definitions, run_worker, runner_settings, runs
from mintmark.rituals.models import CaseRun, RitualRun, RunnerSettings
from tests.factories.cast import Cast

KEY_NAME = "MINTMARK_RUNNER_BUYERS__TEST"
KEY = "sk-test-0123456789abcdefghijkl"

RITUAL = """
name: urgency
tag: task:triage
options: {temperature: 0, max_tokens: 64}
assert:
  - {type: latency, threshold: 60000, weight: 0}
cases:
  - id: outage
    vars: {ticket: "The whole site is down since nine o'clock."}
    assert: &urgent [{type: icontains, value: Urgent}]
  - {id: refund, vars: {ticket: "In order to close the books we need a refund."}, assert: *urgent}
  - {id: typo, vars: {ticket: "There is a small typo on the page about prices."}, assert: *urgent}
  - {id: login, vars: {ticket: "Nobody is able to sign in with a new phone."}, assert: *urgent}
  - id: style
    vars: {ticket: ["first line of the ticket", "second line of it", "third line"]}
    assert: *urgent
    memory: [house-style, shift]
"""


@dataclass
class Scene:
    """Who is there, and a clock that the tests hold."""

    url: str
    cast: Cast = field(default_factory=Cast)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        assistants.store_memory(
            assistant=self.cast.scout, key="house-style", text="Answer briefly and politely."
        )
        assistants.store_memory(
            assistant=self.cast.scout, key="shift", text="The night shift answers 4711."
        )
        self.ritual: Ritual = definitions.load_ritual(text=RITUAL)

    @property
    def caller(self) -> Caller:
        return self.cast.as_(self.cast.buyer)

    @property
    def now(self) -> datetime:
        return self.cast.now

    def clock(self) -> datetime:
        self.cast.now += timedelta(milliseconds=1)
        return self.cast.now

    def reached(
        self, model: str = "perfect", *, assistant: Assistant | None = None, **changes: Any
    ) -> RunnerSettings:
        """Say that an assistant (the scout) is reached at the server, as this model."""
        setup = {
            "kind": "openai",
            "base_url": self.url,
            "model": model,
            "key_name": KEY_NAME,
            "timeout_seconds": 1.0,
            "attempts": 2,
        } | changes
        return runner_settings.configure(
            caller=self.caller,
            assistant=assistant or self.cast.scout,
            setup=runner_settings.RunnerSettingsInput(**setup),
            now=self.now,
        )

    def started(self, **changes: Any) -> RitualRun:
        values: dict[str, Any] = {
            "caller": self.caller,
            "prompt": self.cast.prompt,
            "assistant": self.cast.scout,
            "ritual": self.ritual,
            "now": self.now,
        }
        return runs.start(**(values | changes))

    def worked(self, *, holder: str = "worker", watch: Any = lambda run: None) -> RitualRun | None:
        """What a worker does when it looks for a run once."""
        ran = run_worker.process_next_run(
            worker_id=holder,
            clock=self.clock,
            rng=random.Random(1),
            stop=self.stop,
            on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
            on_progress=watch,
        )
        if ran is not None:
            ran.refresh_from_db()
        return ran

    def ran(self, model: str = "perfect", **changes: Any) -> RitualRun:
        """A run from its start to its end."""
        self.reached(model)
        run = self.started(**changes)
        self.worked()
        run.refresh_from_db()
        return run

    def prompt_of(self, text: str, line: str = "acme/other") -> Prompt:
        return self.cast.written(line, text)


def rows(run: RitualRun) -> list[CaseRun]:
    return list(CaseRun.objects.filter(run=run).order_by("frame", "number"))
