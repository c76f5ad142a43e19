"""A process of the story in which a ritual is run: `build URL` makes a fleet, `start N` starts runs, `check` looks."""

import itertools
import json
import sys
from datetime import UTC, datetime
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from mintmark.accounts import callers  # noqa: E402
from mintmark.accounts.models import User  # noqa: E402
from mintmark.evidence.models import Event  # noqa: E402
from mintmark.projection import audit, projector  # noqa: E402
from mintmark.registry import assistants, codices  # noqa: E402
from mintmark.registry.models import Assistant, Prompt, Ritual  # noqa: E402
from mintmark.rituals import definitions, runner_settings, runs  # noqa: E402
from mintmark.rituals.models import CaseRun, RitualRun  # noqa: E402
from mintmark.trust.tracker import AssistantTrustTracker  # noqa: E402
from tests.factories.cast import Cast  # noqa: E402

KEY_NAME = "MINTMARK_RUNNER_BUYERS__STORY"
MODELS = ("skilled", "middling", "clumsy", "flaky", "limited", "malformed-once", "broken-off")
HOPELESS = ("slow", "huge", "malformed", "down")
CASES = 8


def build(url: str) -> None:
    """The buyers' assistants of different skill, a codex that binds the prompt, a ritual that cites memory."""
    cast = Cast(now=datetime.now(UTC))
    operator = cast.as_(cast.buyer)
    codex = codices.register(
        name="manners",
        clauses=[
            {
                "id": "no-shrug",
                "text": "It does not shrug.",
                "severity": "warn",
                "applies_to": "output",
                "check": {"kind": "not-contains", "value": "no idea"},
            }
        ],
    )
    codices.bind(prompt=cast.prompt, codex=codex)
    cases = [
        {
            "id": f"ticket-{n}",
            "vars": {"ticket": [f"Ticket number {n}.", "In order to sell we need it.", "Please."]},
            "assert": [{"type": "icontains", "value": "urgent"}],
            "memory": ["style", "shift"] if n % 2 else [],
        }
        for n in range(CASES)
    ]
    definitions.register_definition(
        definitions.build_definition(
            {
                "name": "night-shift",
                "tag": "task:triage",
                "options": {"max_tokens": 64},
                "cases": cases,
            }
        )
    )
    for model in MODELS + HOPELESS:
        assistant = cast.assistant(model, team=cast.buyers)
        assistants.store_memory(assistant=assistant, key="style", text="Answer briefly, politely.")
        assistants.store_memory(assistant=assistant, key="shift", text="Extension 4711 at night.")
        runner_settings.configure(
            caller=operator,
            assistant=assistant,
            setup=runner_settings.RunnerSettingsInput(
                kind="openai",
                base_url=url,
                model=model,
                key_name=KEY_NAME,
                timeout_seconds=1.0,
                attempts=2 if model in HOPELESS else 4,
                at_once=2,
                price_in_micro=150,
                price_out_micro=600,
            ),
            now=cast.now,
        )


def start(frames: int) -> None:
    """Start a run of each assistant."""
    caller = _operator()
    ritual = Ritual.objects.get(name="night-shift")
    prompt = Prompt.objects.get(name="triage")
    for name in MODELS + HOPELESS:
        runs.start(
            caller=caller,
            prompt=prompt,
            assistant=Assistant.objects.get(name=name),
            ritual=ritual,
            frames=frames if name in MODELS else 0,
            seed=7,
            now=datetime.now(UTC),
        )


def status() -> dict[str, Any]:
    """How far everything is."""
    return {
        "ended": sum(run.is_ended for run in RitualRun.objects.all()),
        "done": CaseRun.objects.filter(state=CaseRun.State.DONE).count(),
        "calling": CaseRun.objects.filter(state=CaseRun.State.CALLING).count(),
    }


def check() -> dict[str, Any]:
    """What came of it, as pages and ledgers tell it."""
    now = datetime.now(UTC)
    while projector.project_pending(now=now):
        pass
    prompt = Prompt.objects.get(name="triage")
    found: dict[str, Any] = {"runs": {}, "trust": {}, "moves": _moves(prompt), "pages": {}}
    for run in RitualRun.objects.select_related("assistant"):
        told = runs.get_progress(run)
        found["runs"][run.assistant.name] = {
            "state": run.state,
            "reason": run.reason,
            "done": told.done,
            "failed": told.failed,
            "spent": run.spent_micro,
            "paid": sum(row.cost_micro for row in CaseRun.objects.filter(run=run)),
            "errors": sorted(set(run.case_runs.values_list("error", flat=True)) - {""}),
        }
    call_command("collectstatic", verbosity=0, interactive=False)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="buyer"))
    for name in MODELS:
        assistant = Assistant.objects.get(name=name)
        row = AssistantTrustTracker().explain(assistant=assistant, prompt=prompt, now=now).row
        found["trust"][name] = {
            "trust": row.trust.value,
            "runs": row.runs,
            "compliance": [row.compliance.value, row.compliance.runs],
            "memory": [row.memory.value, row.memory.runs],
            "volatility": [row.volatility.value, row.volatility.runs],
        }
        page = client.get(f"/assistants/{assistant.pk}/trust")
        found["pages"][name] = [page.status_code, prompt.reference in page.content.decode()]
    found["events"] = Event.objects.count()
    found["keys"] = Event.objects.values("actor", "key").distinct().count()
    found["outcomes"] = Event.objects.filter(kind=0).count()
    found["replays"] = Event.objects.filter(kind=1).count()
    found["broken"] = [f"{f.code}: {line}" for f in audit.audit(now=now) for line in f.broken]
    return found


def _moves(prompt: Prompt) -> list[list[float]]:
    """For each measured event of the prompt but the first, in the log's order: the move that its effect row says, the
    move of the stored score over its batch, and by how much that score differs from the effect's."""
    history = list(
        prompt.reputation_scores.select_related("event").order_by("event__xid", "event_id")
    )
    moves = []
    for before, after in itertools.pairwise(history):
        measured = Event.objects.select_related("effect").get(
            batch=after.event.batch_id, kind__in=(0, 1)
        )
        effect = measured.effect
        moves.append(
            [
                effect.trust_after - effect.trust_before,
                after.trust_score - before.trust_score,
                after.trust_score - effect.trust_after,
            ]
        )
    return moves


def _operator() -> callers.Caller:
    return callers.from_user(user=User.objects.get(username="buyer"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", url]:
            build(url)
        case ["start", frames]:
            start(int(frames))
        case ["status"]:
            json.dump(status(), sys.stdout)
        case ["check"]:
            json.dump(check(), sys.stdout)
        case other:
            raise SystemExit(f"unknown: {other}")
