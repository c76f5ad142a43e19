"""A market of claims: the installation reaches two teams' assistants at one model server, and nobody is vouched for."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mintmark.accounts.models import Role, Team, User
from mintmark.claim_audits import audit_worker, choosing
from mintmark.claim_audits.models import ClaimAudit
from mintmark.evidence.log import CaseVerdict
from mintmark.evidence.models import Event, Vouch
from mintmark.projection import projector
from mintmark.registry import assistants
from mintmark.registry.models import Assistant, Prompt
from mintmark.rituals import definitions, runner_settings
from mintmark.rituals.runner_settings import RunnerSettingsInput
from tests.factories.cast import Cast, person
from tests.rituals import model_server
from tests.rituals.model_server import Model

CASES = tuple(f"case-{n}" for n in range(1, 7))
RITUAL = "\n".join(
    [
        "name: urgency",
        "tag: task:triage",
        "options: {temperature: 0, max_tokens: 64}",
        "cases:",
        *(
            f'  - {{id: {case}, vars: {{ticket: "Ticket {case}"}}, '
            "assert: [{type: icontains, value: Urgent}]}"
            for case in CASES
        ),
    ]
)


@dataclass
class ClaimScene:
    """Teams whose assistants the installation reaches, and a clock that the tests hold."""

    url: str
    cast: Cast = field(default_factory=Cast)
    stop: threading.Event = field(default_factory=threading.Event)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __post_init__(self) -> None:
        Vouch.objects.all().delete()
        self.admin = person("root", Role.ADMIN)
        self.ritual = definitions.load_ritual(text=RITUAL)
        self.reach(self.cast.scout)

    def reach(self, assistant: Assistant, **changes: object) -> None:
        setup = RunnerSettingsInput(
            **({"kind": "openai", "base_url": self.url, "model": "perfect"} | changes)  # type: ignore[arg-type]
        )
        runner_settings.configure(
            caller=self.cast.as_(self.admin), assistant=assistant, setup=setup, now=self.cast.now
        )
        self.cast.now += timedelta(seconds=1)

    def team(self, name: str) -> tuple[User, Assistant]:
        """Another team, with an operator and an assistant that is the same model."""
        team = Team.objects.create(name=name)
        user = person(f"{name}-operator", Role.OPERATOR, team=team)
        owner = self.cast.as_(user).principal
        assistant = assistants.register(name=f"{name}-bot", owner=owner, team=team)
        self.reach(assistant)
        return user, assistant

    def claim(
        self,
        prompt: Prompt,
        *,
        score: float,
        by: User | None = None,
        assistant: Assistant | None = None,
        cases: tuple[str, ...] = CASES,
    ) -> Event:
        """A claim that each case scored so."""
        verdicts = tuple(CaseVerdict(case, score) for case in cases)
        self.cast.record(
            self.cast.outcome(
                score=score,
                runs=len(cases),
                prompt=prompt.pk,
                assistant=(assistant or self.cast.scout).pk,
                ritual=self.ritual.pk,
                cases=verdicts,
            ),
            by=by or self.cast.buyer,
        )
        self.cast.now += timedelta(seconds=1)
        return Event.objects.latest("id")

    def prompts(self, count: int) -> list[Prompt]:
        return [
            self.cast.written(f"acme/number-{n}", f"Sort {{ticket}} by urgency, way {n}.")
            for n in range(count)
        ]

    def clock(self) -> datetime:
        self.cast.now += timedelta(milliseconds=1)
        return self.cast.now

    def queued(self) -> list[ClaimAudit]:
        self.cast.now += timedelta(seconds=1)
        return choosing.queue_audits(now=self.cast.now, rng=self.rng)

    def worked(self) -> ClaimAudit | None:
        audit = audit_worker.process_next_audit(
            worker_id="worker", clock=self.clock, rng=random.Random(1), stop=self.stop
        )
        projector.project_pending(now=self.cast.now)
        if audit is not None:
            audit.refresh_from_db()
        return audit


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}


@pytest.fixture
def model_and_url() -> Iterator[tuple[str, Model]]:
    with model_server.served() as served:
        yield served


@pytest.fixture
def scene(db: None, model_and_url: tuple[str, Model]) -> ClaimScene:
    return ClaimScene(url=model_and_url[0])
