"""OpenTelemetry's own SDK exports what the guide says, over HTTP, and it arrives as evidence."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mintmark.accounts import keys
from mintmark.evidence.models import Event
from mintmark.otlp import mappings
from mintmark.otlp.models import OtlpIngestCount
from mintmark.registry import rituals
from tests.factories.cast import Cast

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guides/opentelemetry.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    return str(found)


@pytest.fixture
def cast(emptied_past_the_triggers: None, transactional_db: None) -> Cast:
    made = Cast(now=timezone.now())
    made.written("acme/answer", "Answer {question}.")
    rituals.register(name="relevance", tag="task:answer")
    rituals.register(name="toxicity", tag="task:answer")
    return made


def test_the_guide_does_what_it_says(cast: Cast, live_server: Any) -> None:
    buyer = cast.as_(cast.buyer)
    mappings.set_mapping(
        caller=buyer, team=cast.buyers, document=mappings.parse_mapping(block("yaml")), now=cast.now
    )
    key = keys.issue(principal=buyer.principal, scopes=["evidence"]).secret
    exports = re.findall(r'^export (\w+)="(.*)"$', block("sh"), flags=re.MULTILINE)
    variables = {
        name: value.replace("$MINTMARK", live_server.url).replace("$KEY", key)
        for name, value in exports
    }
    done = subprocess.run(
        [sys.executable, "-c", block("python")],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = {
        str(event.ritual): (event.prompt.reference, event.assistant.name, event.score)
        for event in Event.objects.select_related("ritual", "prompt", "assistant")
    }
    assert found == {
        "relevance@1": ("acme/answer@1", "scout", 0.75),
        "toxicity@1": ("acme/answer@1", "scout", 0.9),
    }
    told = OtlpIngestCount.objects.filter(team=cast.buyers).exclude(fate="seen")
    assert {(row.fate, row.value, row.count) for row in told} == {
        ("recorded", "", 2),
        ("evaluation", "Coherence", 1),
    }
    assert key not in done.stderr


def test_the_guide_names_every_cause() -> None:
    from mintmark.otlp import ingest_counts

    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*?\|", GUIDE, flags=re.M))))
    assert told == ingest_counts.REJECTION_CAUSES.keys() - {"others"}
