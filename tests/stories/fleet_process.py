"""A process of the concurrency story: `write N EVENTS` records its evidence, `check` looks at what came of it."""

import json
import random
import sys
from datetime import UTC, datetime

import django

django.setup()

from mintmark.accounts import callers  # noqa: E402
from mintmark.accounts.models import Membership, Role, Team, User  # noqa: E402
from mintmark.evidence.models import Event  # noqa: E402
from mintmark.projection import audit, projector  # noqa: E402
from mintmark.registry import assistants, prompts, rituals  # noqa: E402
from mintmark.registry.models import Assistant, Prompt, Ritual  # noqa: E402
from mintmark.trust import intake  # noqa: E402

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PROMPTS, ASSISTANTS = 30, 6


def build() -> None:
    """An operator of one team with assistants, another team's open prompts, and forks among them."""
    mine, theirs = Team.objects.create(name="mine"), Team.objects.create(name="theirs")
    operator = User.objects.create_user("operator")
    author = User.objects.create_user("author")
    Membership.objects.create(user=operator, team=mine, role=Role.OPERATOR)
    Membership.objects.create(user=author, team=theirs, role=Role.AUTHOR)
    me, them = callers.from_user(user=operator).principal, callers.from_user(user=author).principal
    made = [
        assistants.register(name=f"assistant-{n}", owner=me, team=mine) for n in range(ASSISTANTS)
    ]
    for n in range(3):
        rituals.register(name=f"ritual-{n}", tag=f"task:{n}")
    parent = None
    for n in range(PROMPTS):
        parent = prompts.register(
            draft=prompts.PromptDraft(
                namespace="story",
                name=f"prompt-{n}",
                text=f"Text {n} about {{x}}.",
                is_open=True,
                parent=parent if n % 3 else None,
                forked_by=made[n % ASSISTANTS] if n % 3 else None,
            ),
            author=them,
            team=theirs,
        )


def write(*, writer: int, events: int) -> None:
    """Record this writer's events, always the same ones under the same keys: a repeated start goes on where it was."""
    rng = random.Random(writer)
    caller = callers.from_user(user=User.objects.get(username="operator"))
    prompt_ids = list(Prompt.objects.order_by("id").values_list("id", flat=True))
    assistant_ids = list(Assistant.objects.order_by("id").values_list("id", flat=True))
    ritual_ids = list(Ritual.objects.order_by("id").values_list("id", flat=True))
    claims = [
        intake.EvidenceClaim(
            kind=(
                kind := rng.choice(
                    ["outcome", "outcome", "replay", "approval", "rating", "recall", "clause"]
                )
            ),
            prompt=rng.choice(prompt_ids),
            assistant=None if kind == "rating" else rng.choice(assistant_ids),
            ritual=rng.choice(ritual_ids) if kind in ("outcome", "replay") else None,
            score=round(rng.random(), 3),
            runs=rng.choice([1, 3, 10]),
            tags=("clear",) if kind == "rating" else (),
            key=f"writer-{writer}-{n}",
        )
        for n in range(events)
    ]
    at = 0
    while at < events:
        size = rng.choice([1, 2, 5, 20])
        intake.record(caller=caller, claims=claims[at : at + size], source="story", now=NOW)
        at = min(at + size, events)
        if rng.random() < 0.2:  # a caller that is not sure repeats itself
            intake.record(
                caller=caller, claims=claims[max(0, at - 3) : at], source="story", now=NOW
            )


def check() -> None:
    """Fold what is left, then print what the log holds and what the audit says."""
    while projector.project_pending(now=NOW):
        pass
    findings = audit.audit(now=NOW)
    print(
        json.dumps(
            {
                "events": Event.objects.count(),
                "keys": Event.objects.values("actor", "key").distinct().count(),
                "folded": projector.get_checkpoint().folded,
                "broken": [f"{f.code}: {line}" for f in findings for line in f.broken],
                "checked": {f.code: f.checked for f in findings},
            }
        )
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["write", writer, events]:
            write(writer=int(writer), events=int(events))
        case ["check"]:
            check()
        case other:
            raise SystemExit(f"unknown: {other}")
