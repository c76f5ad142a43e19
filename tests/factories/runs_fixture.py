"""What was measured, for the tests of those pages: a rule set, a ritual, and runs in several states."""

import random
import threading
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.projection import projector
from mintmark.registry import assistants, codices
from mintmark.registry.models import Assistant
from mintmark.rituals import (
    comparison_worker,
    comparisons,
    definitions,
    run_worker,
    runner_settings,
    runs,
)
from mintmark.rituals.models import Comparison, RitualRun
from mintmark.rituals.runners import transcript
from tests.factories.web_scene import Scene

CLAUSES: list[dict[str, Any]] = [
    {
        "id": "no-promise",
        "text": "Promises no refund.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "not-contains", "value": "you get your money back"},
    },
    {
        "id": "short",
        "text": "Is short enough to be read.",
        "severity": "warn",
        "applies_to": "prompt",
        "check": {"kind": "max-tokens", "value": 60},
    },
]
NAMES_THE_TICKET: dict[str, Any] = {
    "id": "names-the-ticket",
    "text": "Takes the ticket.",
    "severity": "block",
    "applies_to": "prompt",
    "check": {"kind": "required-variables", "value": "ticket"},
}

RITUAL = """
name: urgency
tag: task:triage
description: Does it tell how urgent a ticket is?
options: {temperature: 0, max_tokens: 64}
codices: [house-rules@2]
assert:
  - {type: latency, threshold: 60000, weight: 0}
cases:
  - id: outage
    vars: {ticket: "The whole site is down since nine o'clock."}
    assert: &urgent [{type: icontains, value: urgent}]
    weight: 2
  - {id: refund, vars: {ticket: "We were charged twice."}, assert: *urgent}
  - id: typo
    vars: {ticket: "There is a small typo on the page about prices."}
    assert: [{type: not-icontains, value: urgent}]
  - id: style
    vars: {ticket: ["first line of the ticket", "second line of it"]}
    assert: *urgent
    memory: [house-style]
"""
OUTPUT = "Urgent: answer briefly and politely."
PROMISED = "Urgent. Do not worry, you get your money back.\u200b"


def replies(frames: int) -> list[dict[str, Any]]:
    """What the scout answered: right mostly, one promise that the house forbids, worse from frame to frame."""
    return [
        {
            "case": case,
            "frame": frame,
            "output": PROMISED if case == "refund" else "Calm." if frame > n else OUTPUT,
            "latency_ms": 420.0,
            "tokens_in": 40,
            "tokens_out": 9,
        }
        for frame in range(frames)
        for n, case in enumerate(("outage", "refund", "typo", "style"))
    ]


class Laboratory:
    """Run `done` has three frames and is in the log, `stopped` found no replies for its last frame, `waiting` waits;
    the seller's `rehearsed` is a rehearsal, which the log does not take."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.cast = scene, scene.cast
        self.now = timezone.now() - timedelta(minutes=30)
        cast = scene.cast
        self.older = codices.register(
            name="house-rules", clauses=CLAUSES, description="How we talk to customers."
        )
        self.codex = codices.register(
            name="house-rules",
            clauses=[*CLAUSES, NAMES_THE_TICKET],
            description="How we talk to customers.",
        )
        codices.bind(prompt=cast.prompt, codex=self.codex)
        codices.bind_assistant(assistant=cast.scout, codex=self.codex)
        self.ritual = definitions.load_ritual(text=RITUAL)
        for assistant in (cast.scout, cast.smith):
            assistants.store_memory(
                assistant=assistant, key="house-style", text="Answer briefly and politely."
            )
        self.reached(cast.scout, kind="transcript", transcript=replies(3), price_in_micro=2_000)
        self.done = self.started(frames=2, seed=7, cost_cap_micro=500_000)
        self.worked()
        self.stopped = self.started(frames=3, seed=8)
        self.worked()
        self.waiting = self.started(frames=1, seed=9)
        self.reached(cast.smith, kind="rehearsal")
        self.rehearsed = self.started(assistant=cast.smith, seed=1)
        self.worked(only=self.rehearsed)
        for run in (self.done, self.stopped, self.waiting, self.rehearsed):
            run.refresh_from_db()

    def compare(self) -> None:
        """Compare prompts: `compared` ran, by the buyers' tinker in rehearsal; `matching` waits, `halted` was stopped
        before a pair."""
        self.tinker = self.cast.assistant("tinker", team=self.cast.buyers)
        assistants.store_memory(
            assistant=self.tinker, key="house-style", text="Answer briefly and politely."
        )
        self.reached(self.tinker, kind="rehearsal", price_in_micro=2_000)
        self.careful = self.cast.written(
            "acme/careful-triage", "Weigh {ticket} calmly and say if it is urgent."
        )
        self.compared = self.comparing(by=self.tinker, first=self.careful)
        self.matched()
        self.matching = self.comparing(by=self.cast.scout)
        self.halted = self.comparing(by=self.tinker, seed=3)
        comparisons.stop(
            caller=self.operator(self.tinker), comparison=self.halted, now=self.clock()
        )

    def operator(self, assistant: Assistant) -> Caller:
        team = assistant.team
        return self.cast.as_(self.cast.seller if team == self.cast.sellers else self.cast.buyer)

    def reached(self, assistant: Assistant, **changes: Any) -> None:
        """Say how an assistant is reached."""
        if "transcript" in changes:
            changes["transcript"] = transcript.validate_replies(changes["transcript"])
        runner_settings.configure(
            caller=self.operator(assistant),
            assistant=assistant,
            setup=runner_settings.RunnerSettingsInput(**changes),
            now=self.now,
        )

    def started(self, *, assistant: Assistant | None = None, **changes: Any) -> RitualRun:
        by = assistant or self.cast.scout
        values: dict[str, Any] = {
            "caller": self.operator(by),
            "prompt": self.cast.prompt,
            "assistant": by,
            "ritual": self.ritual,
            "now": self.clock(),
        }
        return runs.start(**(values | changes))

    def comparing(self, *, by: Assistant, **changes: Any) -> Comparison:
        values: dict[str, Any] = {
            "caller": self.operator(by),
            "first": self.cast.prompt,
            "second": self.scene.fork,
            "assistant": by,
            "ritual": self.ritual,
            "now": self.clock(),
        }
        return comparisons.start(**(values | changes))

    def matched(self) -> None:
        """What a worker does when it looks for a comparison once."""
        comparison_worker.process_next_comparison(
            worker_id="worker", clock=self.clock, rng=random.Random(1), stop=threading.Event()
        )

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=40)
        return self.now

    def worked(self, only: RitualRun | None = None) -> None:
        """What a worker does when it looks for a run once."""
        run_worker.process_next_run(
            worker_id="worker",
            clock=self.clock,
            rng=random.Random(1),
            stop=threading.Event(),
            on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
            job_id=only.pk if only is not None else None,
        )
        projector.project_pending(now=self.clock())
