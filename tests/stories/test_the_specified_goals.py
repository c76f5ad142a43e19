"""The specification's testing goals on reputation and trust, told as they would happen."""

import pytest

from mintmark.accounts.models import Membership, Role
from mintmark.projection.pair_models import AssistantPromptTrustMap
from mintmark.projection.prompt_models import PromptReputationScore
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.both("what the specification asks for")]


def test_reputation_scores_save_effectiveness_approval_and_tags() -> None:
    cast = Cast()
    cast.record(cast.outcome(score=0.9, runs=40))
    before = PromptReputationScore.objects.latest("id")

    cast.record(cast.claim("approval", score=1.0))
    cast.record(cast.claim("rating", assistant=None, score=1.0, tags=("clear", "short")))
    cast.record(cast.claim("rating", assistant=None, score=0.5, tags=("clear",)))
    cast.record(cast.outcome(score=0.2, runs=40))
    saved = PromptReputationScore.objects.filter(prompt=cast.prompt).order_by("id")
    now = saved.last()

    assert now is not None
    assert saved.count() == 5  # one after each recorded batch: the prompt's history
    assert now.ritual_effectiveness < before.ritual_effectiveness
    assert 0 < now.assistant_approval < 1
    assert now.user_rating_tags == {"clear": 1}  # the second rating took the first one's place
    assert now.symbolic_tags == ["task:triage"]
    assert now.trust_low < now.trust_score < now.trust_high
    assert now.trust_score < before.trust_score

    told = PromptReputationLedger().get_reputation(prompt=cast.prompt, now=cast.now)
    assert told.trust.value == pytest.approx(now.trust_score, abs=1e-12)
    assert sum(c.amount for c in told.contributions) == pytest.approx(told.trust.value, abs=1e-12)


def test_trust_maps_update_resonance_and_compliance() -> None:
    cast = Cast()
    other = cast.written("acme/triage-long", "Think step by step about {ticket}, then sort it.")
    rival = cast.assistant("rival", team=cast.buyers)
    # The rival does badly with the prompt and well with the other; the scout the other way round.
    for _ in range(6):
        cast.record(
            cast.outcome(score=0.95, runs=20),
            cast.outcome(score=0.30, runs=20, prompt=other.pk),
            cast.outcome(score=0.30, runs=20, assistant=rival.pk),
            cast.outcome(score=0.95, runs=20, assistant=rival.pk, prompt=other.pk),
        )
    first = AssistantPromptTrustMap.objects.get(assistant=cast.scout, prompt=cast.prompt)
    assert first.resonance_score > 0.1
    assert (
        AssistantPromptTrustMap.objects.get(assistant=rival, prompt=cast.prompt).resonance_score
        < -0.1
    )

    cast.record(*[cast.claim("clause", score=1.0) for _ in range(8)])
    kept = AssistantPromptTrustMap.objects.get(pk=first.pk)
    cast.record(*[cast.claim("clause", score=0.0) for _ in range(8)])
    broken = AssistantPromptTrustMap.objects.get(pk=first.pk)

    assert kept.symbolic_compliance > 0.8 > broken.symbolic_compliance
    assert broken.clause_checks == 16
    assert broken.resonance_score == first.resonance_score  # a clause check says nothing of fit
    assert broken.updated_at >= first.updated_at

    row = AssistantTrustTracker().explain(assistant=cast.scout, prompt=cast.prompt, now=cast.now)
    assert row.row.resonance.value == first.resonance_score
    parts = row.row.resonance
    assert parts.task + parts.wording + parts.own_record == pytest.approx(parts.value, abs=1e-12)
    assert row.row.compliance.value == pytest.approx(broken.symbolic_compliance, abs=1e-9)
    assert len(row.failed_checks) == 8


def test_an_outcome_moves_the_score_by_what_its_effect_says() -> None:
    cast = Cast()
    for score in (0.9, 0.8, 0.1, 0.7):
        cast.record(cast.outcome(score=score))
    rows = PromptReputationLedger().list_evidence(prompt=cast.prompt)
    history = PromptReputationLedger().get_history(prompt=cast.prompt)
    for newer, older, row in zip(reversed(history[1:]), reversed(history[:-1]), rows, strict=False):
        assert row.moved == pytest.approx(newer.trust - older.trust, abs=1e-12)
        assert row.expected is not None


def test_an_author_gains_nothing_by_rating_his_own_lineage() -> None:
    cast = Cast()
    cast.record(cast.outcome(score=0.4, runs=20))
    before = PromptReputationLedger().get_reputation(prompt=cast.prompt, now=cast.now).trust.value
    Membership.objects.create(user=cast.seller, team=cast.buyers, role=Role.OPERATOR)
    fork = cast.written("mine/triage", "Sort {ticket}!", parent=cast.prompt, by=cast.buyer)
    cast.record(cast.claim("rating", assistant=None, score=1.0), by=cast.seller)
    cast.record(cast.claim("rating", assistant=None, score=1.0, prompt=fork.pk), by=cast.buyer)
    after = PromptReputationLedger().get_reputation(prompt=cast.prompt, now=cast.now)
    assert after.trust.value == before
    assert after.rating.count == 0
