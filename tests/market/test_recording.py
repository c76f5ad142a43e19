"""Recording evidence: what is measured is in the log, and the warranties that it decides are settled at once."""

from datetime import timedelta

import pytest

from mintmark.market.models import Warranty
from mintmark.mcp import credentials
from mintmark.mcp.tools import report_outcome
from tests.factories.market_fixture import Stall, sold_with_warranty

pytestmark = pytest.mark.django_db


@pytest.fixture
def warranty(stall: Stall) -> Warranty:
    return sold_with_warranty(
        stall.cast, prompt=stall.prompt, ritual=stall.cast.triage, now=stall.now, runs=10
    )


@pytest.mark.parametrize(
    ("kind", "score", "state"),
    [("outcome", 0.5, "failed"), ("outcome", 0.7, "kept"), ("approval", 0.0, "open")],
)
def test_outcomes_decide_a_warranty_as_they_are_recorded_and_nothing_else_does(
    stall: Stall, warranty: Warranty, kind: str, score: float, state: str
) -> None:
    ritual = stall.cast.triage.pk if kind == "outcome" else None
    claim = stall.cast.claim(kind, prompt=stall.prompt.pk, score=score, runs=10, ritual=ritual)
    recorded = stall.market.record_evidence(
        caller=stall.as_(stall.cast.buyer), claims=[claim], source="test", now=stall.now
    )
    warranty.refresh_from_db()
    assert (recorded.recorded, warranty.state) == (1, state)


def test_what_an_assistant_reports_over_mcp_decides_no_warranty(
    stall: Stall, warranty: Warranty
) -> None:
    scout = stall.cast.scout
    holder = credentials.KeyHolder(caller=stall.as_(scout), assistant=scout, secret="")
    args = report_outcome.ReportOutcomeArguments(
        prompt=stall.prompt.reference, ritual=stall.cast.triage.pk, score=0.5, runs=10, key="mcp-1"
    )
    report_outcome.TOOL.run(holder, args, stall.now + timedelta(minutes=1))
    warranty.refresh_from_db()
    assert warranty.state == "open"
