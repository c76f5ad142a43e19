"""Reputation from elsewhere: a prior that counts, ages and is passed on like inheritance, and is never evidence."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from mintmark.projection import audit, calibration, imported_reputation, policies, replay
from mintmark.projection.prompt_models import CurrentPromptScore, ImportedReputation
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.results import PromptReputation
from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.signing import bundles
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.cast import Cast, measured

pytestmark = pytest.mark.django_db

KAPPA = ReputationPolicy().kappa_default


@pytest.fixture
def cast(db: None, built_cast: Cast) -> Cast:
    return built_cast


def came(
    cast: Cast,
    prompt: Prompt,
    *,
    runs: int = 10,
    trust_ppm: int = 840_000,
    average_ppm: int = 600_000,
    outcomes: int = 120,
) -> Prompt:
    """The same prompt, as if it had just come with a bundle that tells this of it."""
    told = bundles.BundleReputation(
        trust_ppm=trust_ppm, low_ppm=780_000, high_ppm=880_000, average_ppm=average_ppm, task="triage-cases",
        outcomes=outcomes, replays=0, approvals=3, ratings=2,
    )  # fmt: skip
    imported_reputation.store(summaries=[(prompt, told)], runs=runs, issuer="Acme", now=cast.now)
    return prompt


def reputation(cast: Cast, prompt: Prompt, *, days: float = 0.0) -> PromptReputation:
    return PromptReputationLedger().get_reputation(
        prompt=prompt, now=cast.now + timedelta(days=days)
    )


def total(told: PromptReputation) -> float:
    return sum(term.amount for term in told.contributions)


def test_it_counts_as_so_many_runs_above_the_average_of_here(cast: Cast) -> None:
    told = reputation(cast, came(cast, cast.prompt))
    assert told.trust.value == pytest.approx(0.5 + 10 * 0.24 / (KAPPA + 10))
    assert told.trust.runs == pytest.approx(10)
    assert total(told) == pytest.approx(told.trust.value, abs=1e-12)
    outcome = next(term for term in told.contributions if term.source == "outcome")
    assert (outcome.counted, outcome.inherited) == (0, pytest.approx(10))


def test_it_says_where_it_comes_from(cast: Cast) -> None:
    told = reputation(cast, came(cast, cast.prompt)).imported
    assert told is not None
    assert (told.issuer, told.runs, told.lift) == ("Acme", 10, pytest.approx(0.24))
    assert (told.trust.value, told.trust.runs, told.average) == (0.84, 120, 0.6)
    assert reputation(cast, cast.written("acme/own", "Own.")).imported is None


def test_little_evidence_there_weighs_little_here(cast: Cast) -> None:
    assert reputation(cast, came(cast, cast.prompt, outcomes=4)).trust.runs == pytest.approx(4)
    other = came(cast, cast.written("acme/other", "Other."), outcomes=0)
    told = reputation(cast, other)
    assert (told.trust.runs, told.trust.value) == (0, 0.5)
    assert told.imported is not None and told.imported.runs == 0


def test_it_is_no_evidence_and_gives_no_rank(cast: Cast) -> None:
    told = reputation(cast, came(cast, cast.prompt))
    assert (told.rank, told.as_of, told.rating.count) == (None, 0, 0)
    assert all(term.counted == 0 for term in told.contributions)
    assert not CurrentPromptScore.objects.exists()


def test_it_ages_as_runs_do(cast: Cast) -> None:
    prompt = came(cast, cast.prompt)
    told = reputation(cast, prompt, days=180)
    assert told.trust.runs == pytest.approx(5)
    assert told.imported is not None and told.imported.runs_left == pytest.approx(5)


def test_what_is_measured_here_takes_its_place(cast: Cast) -> None:
    prompt = came(cast, cast.prompt, trust_ppm=990_000)
    before = reputation(cast, prompt).trust.value
    for _ in range(20):
        cast.record(cast.outcome(score=0.1, runs=50))
    told = reputation(cast, prompt)
    assert told.trust.value < 0.5 < before
    assert told.imported is not None
    outcome = next(term for term in told.contributions if term.source == "outcome")
    assert outcome.counted == 1_000 and outcome.inherited == pytest.approx(10)


def test_a_fork_inherits_it_as_it_inherits_what_was_inherited(cast: Cast) -> None:
    prompt = came(cast, cast.prompt)
    child = cast.written("acme/fork", "Forked.", parent=prompt)
    told = reputation(cast, child)
    assert told.inherited_from == prompt
    assert told.imported is None
    assert told.trust.runs == pytest.approx(10)
    assert told.trust.value == pytest.approx(reputation(cast, prompt).trust.value)


def test_a_fork_that_came_with_its_own_inherits_nothing(cast: Cast) -> None:
    measured(cast, cast.prompt, [0.9, 0.8, 0.9])
    child = came(cast, cast.written("acme/fork", "Forked.", parent=cast.prompt), runs=2)
    told = reputation(cast, child)
    assert told.inherited_from is None
    assert told.trust.runs == pytest.approx(2)


def test_its_home_is_read_from_its_tag_until_something_is_measured(cast: Cast) -> None:
    measured(cast, cast.prompt, [0.9, 0.8, 0.9])
    own = cast.written("acme/own", "Own.")
    other = came(cast, cast.written("acme/other", "Other."))
    assert reputation(cast, other).home == reputation(cast, own).home == cast.triage
    prior = reputation(cast, own).contributions[0].amount
    assert reputation(cast, other).contributions[0].amount == prior


def test_many_are_read_as_each_is(cast: Cast) -> None:
    family = [cast.prompt, came(cast, cast.written("acme/b", "B."), runs=6)]
    family.append(cast.written("acme/c", "C.", parent=family[1]))
    measured(cast, cast.prompt, [0.9, 0.8])
    ledger = PromptReputationLedger()
    for now in (cast.now, cast.now + timedelta(days=40)):
        many = ledger.get_estimates(prompts=family, now=now)
        short = ledger.get_summaries(prompts=family, now=now)
        for prompt in family:
            one = ledger.get_reputation(prompt=prompt, now=now).trust
            assert many[prompt.pk] == one == short[prompt.pk].trust


@pytest.mark.usefixtures("emptied_past_the_triggers")
@pytest.mark.django_db(transaction=True)
def test_replay_and_audit_hold_with_it(cast: Cast) -> None:
    prompt = came(cast, cast.prompt)
    child = cast.written("acme/fork", "Forked.", parent=prompt)
    late = came(cast, cast.written("acme/late", "Late."), runs=7)
    early = cast.now - timedelta(days=30)
    cast.record(cast.outcome(score=0.7, occurred_at=early))
    cast.record(cast.outcome(score=0.4, prompt=child.pk), cast.claim("approval", prompt=late.pk))
    cast.record(cast.outcome(score=0.6), now=cast.now + timedelta(days=9))
    comparison = replay.check()
    assert comparison.is_equal and comparison.events == 4, comparison.differences
    broken = [one for one in audit.audit(now=cast.now + timedelta(days=50)) if not one.holds]
    assert not broken


def test_a_rebuild_gives_the_same_scores(cast: Cast) -> None:
    prompt = came(cast, cast.prompt)
    measured(cast, prompt, [0.7, 0.4])
    before = reputation(cast, prompt)
    replay.rebuild(policy=policies.get_current(), now=cast.now)
    assert reputation(cast, prompt) == before


def test_calibration_learns_nothing_from_it(cast: Cast) -> None:
    def learned(*, runs: int) -> tuple[str, str]:
        with transaction.atomic():
            for n in range(12):
                prompt = came(
                    cast, cast.written(f"acme/p{n}", f"Prompt {n}."), runs=runs, trust_ppm=990_000
                )
                measured(cast, prompt, [(n % 4) / 4, ((n + 1) % 4) / 4])
            policy = calibration.calibrate(now=cast.now).policy
            transaction.set_rollback(True)
        return policy.reputation, policy.pairs

    assert learned(runs=100) == learned(runs=0)


def test_a_pair_is_predicted_without_it(cast: Cast) -> None:
    plain = cast.written("acme/plain", "Weigh {coin}.")
    before = AssistantTrustTracker().get_estimates(
        assistant=cast.scout, prompts=[plain], now=cast.now
    )
    came(cast, plain)
    after = AssistantTrustTracker().get_estimates(
        assistant=cast.scout, prompts=[plain], now=cast.now
    )
    assert before == after


def test_it_can_not_be_changed(cast: Cast) -> None:
    came(cast, cast.prompt)
    with pytest.raises(DatabaseError), transaction.atomic():
        ImportedReputation.objects.update(runs=99)
    with pytest.raises(DatabaseError), transaction.atomic():
        ImportedReputation.objects.all().delete()
