"""A process of the story in which a comparison is killed: `build URL` makes two, `status` and `check` look."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import django

django.setup()

from django.db.models import Sum  # noqa: E402

from mintmark.evidence.models import Event  # noqa: E402
from mintmark.rituals import comparisons, definitions, runner_settings  # noqa: E402
from mintmark.rituals.models import Comparison, ComparisonCall  # noqa: E402
from tests.factories.cast import Cast  # noqa: E402

KEY_NAME = "MINTMARK_RUNNER_BUYERS__STORY"
TICKETS = (
    "The site is down.",
    "A typo.",
    "Nobody can sign in.",
    "A refund is late.",
    "It is slow.",
)


def build(url: str) -> None:
    """An assistant that follows a careful prompt, and the same comparison of two prompts twice: one after the other."""
    cast = Cast(now=datetime.now(UTC))
    operator = cast.as_(cast.buyer)
    careful = cast.written("acme/careful", "Say carefully how urgent this is: {ticket}")
    cases = [
        {"vars": {"ticket": ticket}, "assert": [{"type": "icontains", "value": "urgent"}]}
        for ticket in TICKETS
    ]
    ritual = definitions.register_definition(
        definitions.build_definition(
            {
                "name": "night-shift",
                "tag": "task:triage",
                "options": {"max_tokens": 64},
                "cases": cases,
            }
        )
    )
    runner_settings.configure(
        caller=operator,
        assistant=cast.scout,
        setup=runner_settings.RunnerSettingsInput(
            kind="openai",
            base_url=url,
            model="attentive",
            key_name=KEY_NAME,
            at_once=2,
            price_in_micro=150_000,
            price_out_micro=600_000,
        ),
        now=cast.now,
    )
    for key in ("killed", "undisturbed"):
        comparisons.start(
            caller=operator,
            first=careful,
            second=cast.prompt,
            assistant=cast.scout,
            ritual=ritual,
            seed=11,
            idempotency_key=key,
            now=cast.now,
        )


def status() -> dict[str, Any]:
    """How far both are; of the first, what its halves cost so far and what is under way."""
    killed = Comparison.objects.get(key="killed")
    done = killed.pair_runs.filter(state=ComparisonCall.State.DONE)
    calling = killed.pair_runs.filter(state=ComparisonCall.State.CALLING)
    return {
        "states": dict(Comparison.objects.values_list("key", "state")),
        "done": {str(one.pk): [one.attempts, one.cost_micro, str(one.finished_at)] for one in done},
        "calling": calling.count(),
        "reserved": calling.aggregate(micro=Sum("reserved_micro"))["micro"] or 0,
    }


def check() -> dict[str, Any]:
    """What both came to."""
    found: dict[str, Any] = {"events": Event.objects.count(), **status()}
    for one in Comparison.objects.all():
        halves = one.pair_runs.order_by("pair", "side")
        told = comparisons.get_progress(one)
        found[str(one.key)] = {
            "decision": told.decision.value,
            "pairs": told.result.pairs,
            "interval": [told.result.low, told.result.high],
            "packed": bytes(one.packed).hex(),
            "looks": list(one.looks.order_by("pairs").values_list("pairs", "mean", "low", "high")),
            "scores": list(halves.values_list("number", "asked", "score")),
            "calls": one.calls,
            "spent": one.spent_micro,
            "lost": one.lost_micro,
            "paid": halves.aggregate(micro=Sum("cost_micro"))["micro"],
        }
    return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", url]:
            build(url)
        case ["status"]:
            json.dump(status(), sys.stdout)
        case ["check"]:
            json.dump(check(), sys.stdout)
        case other:
            raise SystemExit(f"unknown: {other}")
