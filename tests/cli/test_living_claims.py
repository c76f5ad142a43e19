"""The demo's agencies: the one that reports falsely is caught, and its claims count for next to nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mintmark.accounts.models import Team
from mintmark.claim_audits import records
from mintmark.cli import actor
from mintmark.demo import claims, fleet, loading
from mintmark.projection import projector
from mintmark.registry import prompts
from mintmark.reputation.ledger import PromptReputationLedger

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_the_liar_of_the_demo_is_caught(settings: Any) -> None:
    settings.IS_DEMO = True
    console = actor.get_caller()
    loading.load_fleet(fleet=fleet.read_fleet(), console=console, now=NOW)
    projector.project_pending(now=NOW)
    praised = prompts.resolve(reference=claims.PRAISED)
    before = PromptReputationLedger().get_reputation(prompt=praised, now=NOW).trust.value
    assert claims.play_claims(console=console, now=NOW) > 8
    honest, liar = (
        records.get_record(team=Team.objects.get(name=name))
        for name in (claims.HONEST, claims.LIAR)
    )
    assert honest.held == honest.verdicts >= 4
    assert liar.is_proven and liar.held < liar.verdicts / 3
    assert liar.false_share > 0.5 > 0.1 > honest.false_share
    after = PromptReputationLedger().get_reputation(prompt=praised, now=NOW).trust.value
    assert abs(after - before) < 0.05
    assert claims.play_claims(console=console, now=NOW + timedelta(days=1)) == 0
