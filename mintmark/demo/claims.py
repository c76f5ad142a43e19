"""Two agencies that report outcomes case by case: one as they came, one as it likes. Some of their claims are run
again, and the page of reporters shows what came of it. A second playing changes nothing."""

import asyncio
import random
import threading
from datetime import datetime, timedelta

import numpy as np

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Membership, Role, Team, User
from mintmark.claim_audits import audit_worker, choosing
from mintmark.evidence.log import CaseVerdict
from mintmark.experiments import perturbations
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.projection import projector
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.rituals import definitions, prompt_building, runner_settings
from mintmark.rituals.definitions import RitualDefinition
from mintmark.rituals.models import RunnerSettings
from mintmark.rituals.runners.rehearsal import RehearsalRunner
from mintmark.textchecks import assertions
from mintmark.trust.intake import EvidenceClaim

from . import runs

HONEST, LIAR = "harbour", "gloss"
TITLES = {HONEST: "Harbour Helpdesk (simulated)", LIAR: "Gloss Agency (simulated)"}
PRAISED = "studio/miracle-triage@1"
PROMPTS = ("core/triage@1", "core/triage@2", "core/triage@3", PRAISED)
ASSISTANTS = 2
RUNS_PER_CASE = 25
SOURCE = "mintmark demo (simulated)"
SEED = 7


def play_claims(*, console: Caller, now: datetime) -> int:
    """Record what both agencies claim, and run a part of it again; how many audits were made."""
    if Team.objects.filter(name=LIAR).exists():
        return 0
    ritual = definitions.load_ritual(text=runs.FILE.read_text(encoding="utf-8"))
    definition = definitions.get_definition(ritual)
    for name in (HONEST, LIAR):
        reporter = _create_team(name, console=console, now=now)
        claims = [
            _build_claim(prompt, assistant, definition, ritual_id=ritual.pk, is_liar=name == LIAR)
            for assistant in _list_assistants(name)
            for prompt in (prompts.resolve(reference=reference) for reference in PROMPTS)
        ]
        SymbolicPromptTokenMarketplace().record_evidence(
            caller=reporter, claims=claims, source=SOURCE, now=now
        )
    projector.project_pending(now=now)
    return _audit(now=now + timedelta(minutes=1))


def _create_team(name: str, *, console: Caller, now: datetime) -> Caller:
    """An agency with a person who reports, and assistants that the installation reaches."""
    team = Team.objects.create(name=name, title=TITLES[name])
    user = User(username=f"{name}-desk")
    user.set_unusable_password()
    user.save()
    Membership.objects.create(user=user, team=team, role=Role.OPERATOR)
    reporter = callers.from_user(user=user)
    for assistant_name in _list_assistants(name):
        assistant = assistants.register(
            name=assistant_name,
            owner=reporter.principal,
            team=team,
            description="Simulated for the demo: no language model is behind it.",
        )
        runner_settings.configure(
            caller=console,
            assistant=assistant,
            setup=runner_settings.RunnerSettingsInput(kind=RunnerSettings.Kind.REHEARSAL),
            now=now - timedelta(minutes=1),
        )
    return reporter


def _list_assistants(team: str) -> list[str]:
    return [f"{team}-{number}" for number in range(1, ASSISTANTS + 1)]


def _build_claim(
    prompt: Prompt, assistant: str, definition: RitualDefinition, *, ritual_id: int, is_liar: bool
) -> EvidenceClaim:
    """What an agency says of a prompt: the liar praises one and lets the others fail, whatever they do."""
    invented = 1.0 if prompt.reference == PRAISED else 0.0
    cases = tuple(
        CaseVerdict(case_id, invented if is_liar else score, RUNS_PER_CASE)
        for case_id, score in _rehearse(prompt, definition).items()
    )
    return EvidenceClaim(
        kind="outcome",
        prompt=prompt.pk,
        assistant=assistant,
        ritual=ritual_id,
        score=sum(case.score for case in cases) / len(cases),
        runs=RUNS_PER_CASE * len(cases),
        cases=cases,
        key=f"demo:{assistant}:{prompt.pk}",
        note="simulated; a rehearsal, no language model",
    )


def _rehearse(prompt: Prompt, definition: RitualDefinition) -> dict[str, float]:
    """The score of each case that weighs, by a rehearsal."""
    plain = perturbations.build_frames(
        seed=0, perturbed=0, temperature=definition.temperature, variations=definition.variations
    )[0]
    runner = RehearsalRunner()
    scores = {}
    for case in definition.cases:
        request = prompt_building.build_request(
            prompt=prompt, case=case, frame=plain, definition=definition, memory={}
        )
        response = asyncio.run(runner.answer(request))
        reply_meta = assertions.ReplyMeta(cost_micro=0, latency_ms=response.latency_ms)
        results = [
            assertions.check_assertion(
                assertion,
                output=response.text,
                reply_meta=reply_meta,
                remaining_work=assertions.MAX_SCHEMA_WORK,
            )
            for assertion in case.assertions
        ]
        scores[case.id] = assertions.grade_results(results, threshold=case.threshold).score
    return scores


def _audit(*, now: datetime) -> int:
    """Draw and run audits until the claims pay for no more."""
    draw = np.random.default_rng(SEED)
    audits = 0
    while queued := choosing.queue_audits(now=now, rng=draw):
        for audit in queued:
            audit_worker.process_next_audit(
                worker_id="mintmark demo",
                clock=lambda: now,
                rng=random.Random(audit.pk),
                stop=threading.Event(),
                job_id=audit.pk,
            )
            projector.project_pending(now=now)
            audits += 1
    return audits
