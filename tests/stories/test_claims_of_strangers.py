"""What somebody without a right to a number can do to it: nothing, or little, and the row says so."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import connection

from mintmark.accounts.models import Role, Team
from mintmark.common.provenance import Provenance
from mintmark.deployments import gates
from mintmark.deployments.models import Mandate
from mintmark.evidence.log import CaseVerdict
from mintmark.evidence.models import Event, EventCase, Vouch
from mintmark.projection import replay
from mintmark.projection.prompt_models import CurrentPromptScore
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust import intake
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.cast import Cast, person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("provenance is written and read by SQL of each vendor"),
]


@pytest.fixture
def cast(db: None) -> Iterator[Cast]:
    """The seller's private prompt has 400 decisive runs, 83 of 100 good; the rivals are nobody's friends."""
    cast = Cast()
    cast.rivals = Team.objects.create(name="rivals")  # type: ignore[attr-defined]
    cast.rival = person("rival", Role.OPERATOR, Role.AUTHOR, team=cast.rivals)  # type: ignore[attr-defined]
    cast.secret = cast.written("acme/secret", "Weigh {coin} twice.", is_open=False)  # type: ignore[attr-defined]
    for prompt in (cast.secret, cast.prompt):  # type: ignore[attr-defined]
        cast.record(cast.outcome(score=0.83, runs=400, prompt=prompt.pk))
    yield cast
    # On PostgreSQL a replay asks for a transaction of its own.
    assert connection.vendor == "postgresql" or replay.check().is_equal


def _trust(cast: Cast, prompt: Prompt, *, own_team: int | None = None) -> float:
    ledger = PromptReputationLedger(own_team=own_team)
    return ledger.get_reputation(prompt=prompt, now=cast.now).trust.value


def _rivals_assistant(cast: Cast, name: str) -> Assistant:
    return cast.assistant(name, team=cast.rivals)  # type: ignore[attr-defined]


def _newest() -> Event:
    return Event.objects.latest("id")


def test_a_stranger_to_a_prompt_moves_nothing_with_a_million_runs(cast: Cast) -> None:
    secret: Prompt = cast.secret  # type: ignore[attr-defined]
    before = _trust(cast, secret)
    rank = CurrentPromptScore.objects.get(prompt=secret).trust_bound
    for n in range(11):
        bot = _rivals_assistant(cast, f"bot-{n}")
        claim = cast.outcome(score=0.0, runs=1_000_000, prompt=secret.pk, assistant=bot.pk)
        cast.record(claim, by=cast.rival)  # type: ignore[attr-defined]
    assert _newest().provenance == Provenance.NO_RIGHT
    assert _trust(cast, secret) == before
    assert CurrentPromptScore.objects.get(prompt=secret).trust_bound == rank
    row = PromptReputationLedger().list_evidence(prompt=secret, limit=1)[0]
    assert row.counts == (
        "Counts as 0 for other teams: reported by a team that has no right to this prompt."
    )


def test_what_nobody_can_check_moves_an_open_prompt_within_the_limit_of_word(cast: Cast) -> None:
    before = _trust(cast, cast.prompt)
    for n in range(11):
        bot = _rivals_assistant(cast, f"bot-{n}")
        claim = cast.outcome(score=0.0, runs=1_000_000, assistant=bot.pk)
        cast.record(claim, by=cast.rival)  # type: ignore[attr-defined]
    assert _newest().provenance == Provenance.WORD
    assert 0.0 < before - _trust(cast, cast.prompt) < 0.03
    row = PromptReputationLedger().list_evidence(prompt=cast.prompt, limit=1)[0]
    assert row.counts.startswith("Counts as ")
    assert row.counts.endswith(
        "of 1,000,000 runs: reported, and no case of it can be run again here."
    )


def test_a_seller_lifts_their_own_prompt_in_their_own_view_alone(cast: Cast) -> None:
    Vouch.objects.all().delete()
    junk = cast.written("acme/junk", "Do {thing} somehow.")
    claim = cast.outcome(score=1.0, runs=1_000_000, prompt=junk.pk, assistant=cast.smith.pk)
    before = _trust(cast, junk)
    cast.record(claim, by=cast.seller)
    assert _newest().provenance == Provenance.INTERESTED
    assert _trust(cast, junk) == before
    assert _trust(cast, junk, own_team=cast.sellers.pk) > before + 0.01
    assert _trust(cast, junk, own_team=cast.buyers.pk) == before


def test_an_assistant_does_not_open_its_own_gate(cast: Cast) -> None:
    Vouch.objects.all().delete()
    bot = _rivals_assistant(cast, "bot")
    Mandate.objects.create(assistant=bot, trust_floor=0.9, set_by=bot.principal, set_at=cast.now)
    claim = cast.outcome(score=1.0, runs=1_000_000, assistant=bot.pk)
    cast.record(claim, by=cast.rival)  # type: ignore[attr-defined]
    (gate,) = (
        gate
        for gate in gates.list_gates(prompt=cast.prompt, assistant=bot, now=cast.now)
        if gate.name == gates.TRUST
    )
    assert not gate.is_open
    assert "from decisive runs alone" in gate.message
    own = AssistantTrustTracker(own_team=bot.team_id)
    estimates = own.get_estimates(assistant=bot, prompts=[cast.prompt], now=cast.now)
    assert estimates[cast.prompt.pk].low > 0.7


def test_a_verdict_for_each_case_is_kept_and_must_add_up(cast: Cast) -> None:
    cases = (CaseVerdict("a", 1.0, 3), CaseVerdict("b", 0.0, 1, "0" * 64))
    cast.record(cast.outcome(score=0.75, runs=4, cases=cases))
    kept = EventCase.objects.filter(event=_newest()).order_by("id")
    assert list(kept.values_list("case_id", "score", "runs", "output_digest")) == [
        ("a", 1.0, 3, ""),
        ("b", 0.0, 1, "0" * 64),
    ]
    for score, runs in ((0.5, 4), (0.75, 5)):
        with pytest.raises(intake.InvalidEvidence, match="The cases have"):
            cast.record(cast.outcome(score=score, runs=runs, cases=cases))
    twice = (CaseVerdict("a", 1.0), CaseVerdict("a", 0.0))
    with pytest.raises(intake.InvalidEvidence, match="named twice"):
        cast.record(cast.outcome(score=0.5, runs=2, cases=twice))


def test_a_claim_that_is_sent_again_with_its_cases_is_the_same_claim(cast: Cast) -> None:
    cases = (CaseVerdict("a", 1.0, 3), CaseVerdict("b", 0.0, 1))
    bare = cast.outcome(score=0.75, runs=4, occurred_at=cast.now)
    cast.record(bare)
    again = cast.record(replace(bare, cases=cases))
    assert (again.recorded, again.repeated) == (0, 1)
    assert not EventCase.objects.filter(event=_newest()).exists()
