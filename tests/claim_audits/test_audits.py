"""Claims that are run again: by whom, on what, what is recorded, and what that changes for the team that reported."""

from datetime import timedelta

import pytest
from django.db import connection

from mintmark.claim_audits import policy, records, requests
from mintmark.claim_audits.models import AuditCall, ClaimAudit
from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import ClaimVerdict, Event, EventCase
from mintmark.projection import replay
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.rituals.models import MeasurementJob

from .conftest import CASES, ClaimScene

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("claims are drawn, and verdicts counted, by SQL of each vendor"),
]


def _check_replay() -> None:
    # On PostgreSQL a replay asks for a transaction of its own.
    assert connection.vendor == "postgresql" or replay.check().is_equal


def _claim_runs(scene: ClaimScene, prompt: Prompt) -> float:
    """The effective runs of claims in a prompt's score."""
    reputation = PromptReputationLedger().get_reputation(prompt=prompt, now=scene.cast.now)
    return next(term.runs for term in reputation.contributions if term.source == "claim")


def _audit_all(scene: ClaimScene, *, rounds: int) -> None:
    for _ in range(rounds):
        scene.queued()
        while scene.worked() is not None:
            pass


def _claim_much(scene: ClaimScene, prompts: list[Prompt], *, score: float) -> None:
    """Claims of enough runs to pay for audits: 2% of 25 × 6 runs are one audit of three."""
    for n in range(25):
        scene.claim(prompts[n % len(prompts)], score=score)


def test_a_claim_is_run_again_and_the_record_says_that_it_held(scene: ClaimScene) -> None:
    prompts = scene.prompts(2)
    _claim_much(scene, prompts, score=1.0)
    scene.queued()
    audit = scene.worked()
    assert audit is not None
    assert audit.state == MeasurementJob.State.DONE, audit.reason
    execution = audit.execution
    assert execution is not None
    assert (execution.provenance, execution.runs, execution.score) == (Provenance.EXECUTED, 3, 1.0)
    ran = EventCase.objects.filter(event=execution)
    assert {case.case_id for case in ran} < set(CASES)
    assert all(len(case.output_digest) == 64 for case in ran)
    # One execution judges every claim about that cell that was there before it.
    judged = ClaimVerdict.objects.filter(execution=execution)
    cell = Event.objects.filter(prompt=audit.prompt, provenance=Provenance.CLAIM)
    assert set(judged.values_list("event", flat=True)) == set(cell.values_list("id", flat=True))
    assert all(verdict.held and verdict.is_credit for verdict in judged)
    record = records.get_record(team=scene.cast.buyers)
    assert (record.verdicts, record.held, record.is_proven) == (len(judged), len(judged), True)
    assert record.false_share < 0.1
    _check_replay()


def test_claims_count_once_enough_of_them_held(scene: ClaimScene) -> None:
    prompts = scene.prompts(2)
    _claim_much(scene, prompts, score=1.0)
    assert _claim_runs(scene, prompts[0]) == 0.0
    _audit_all(scene, rounds=1)
    assert set(Event.objects.values_list("kind", flat=True)) == {
        EvidenceKind.OUTCOME, EvidenceKind.REWEIGH_TEAM, EvidenceKind.REWEIGH_PROMPT,
    }  # fmt: skip
    assert _claim_runs(scene, prompts[0]) > 1.5
    assert _claim_runs(scene, prompts[1]) > 1.5
    row = PromptReputationLedger().list_evidence(
        prompt=prompts[0], limit=50, kind=EvidenceKind.OUTCOME
    )[-1]
    assert "its claims were run again" in row.counts
    _check_replay()


def test_a_liar_is_caught_and_counts_for_next_to_nothing(scene: ClaimScene) -> None:
    liar, bot = scene.team("liars")
    prompts = scene.prompts(4)
    _claim_much(scene, prompts, score=1.0)
    for n in range(25):
        scene.claim(prompts[n % 4], score=0.0, by=liar, assistant=bot)
    _audit_all(scene, rounds=1)
    honest, false = (records.get_record(team=team) for team in (scene.cast.buyers, bot.team))
    assert honest.held == honest.verdicts >= 4
    assert (false.held, false.is_proven) == (0, True)
    assert false.false_share > 0.6 > 0.15 > honest.false_share
    for prompt in prompts:
        reputation = PromptReputationLedger().get_reputation(prompt=prompt, now=scene.cast.now)
        assert reputation.trust.value > 0.6
    row = PromptReputationLedger().list_evidence(prompt=prompts[0], limit=100)
    counts = [r.counts for r in row if r.assistant == bot.name]
    assert counts and all("and held 0 times" in text for text in counts)
    _check_replay()


def test_what_is_claimed_after_an_execution_earns_nothing_by_it(scene: ClaimScene) -> None:
    copier, bot = scene.team("copiers")
    prompts = scene.prompts(1)
    _claim_much(scene, prompts, score=1.0)
    (audit,) = scene.queued()
    late = scene.claim(prompts[0], score=1.0, by=copier, assistant=bot)
    assert scene.worked() == audit
    assert not ClaimVerdict.objects.filter(event=late).exists()


def test_no_audit_is_drawn_without_claims_beyond_the_share_or_with_a_share_of_nothing(
    scene: ClaimScene,
) -> None:
    prompts = scene.prompts(1)
    assert scene.queued() == []
    scene.claim(prompts[0], score=1.0)
    assert scene.queued() == []  # 2% of six runs pay for none
    _claim_much(scene, prompts, score=1.0)
    admin = scene.cast.as_(scene.admin)
    terms = policy.set_terms(caller=admin, share=0.0, budgets={}, now=scene.cast.now)
    assert "counts as word" in terms.explain()
    assert scene.queued() == []


@pytest.mark.parametrize(
    "why",
    ["unknown case", "operator's endpoint", "no case", "unfilled variable", "changed since", "withdrawn"],
)  # fmt: skip
def test_what_cannot_be_run_again_is_word_or_is_not_drawn(scene: ClaimScene, why: str) -> None:
    (prompt,) = scene.prompts(1)
    expected = Provenance.WORD
    if why == "unfilled variable":
        prompt = scene.cast.written("acme/open", "Sort {ticket} for {customer}.")
    if why == "operator's endpoint":
        from mintmark.rituals import runner_settings

        setup = runner_settings.RunnerSettingsInput(
            kind="openai", base_url=scene.url, model="perfect"
        )
        runner_settings.configure(
            caller=scene.cast.as_(scene.cast.buyer), assistant=scene.cast.scout, setup=setup,
            now=scene.cast.now,
        )  # fmt: skip
    cases: tuple[str, ...] = CASES
    if why == "unknown case":
        cases = (*CASES, "case-99")
    if why == "no case":
        scene.cast.record(scene.cast.outcome(score=1.0, prompt=prompt.pk, ritual=scene.ritual.pk))
        claim = Event.objects.latest("id")
    else:
        for _ in range(30):
            claim = scene.claim(prompt, score=1.0, cases=cases)
    if why == "changed since":
        scene.reach(scene.cast.scout, model="clumsy")
        expected = Provenance.CLAIM
    if why == "withdrawn":
        from mintmark.registry import entitlements

        entitlements.withdraw_permanently(
            caller=scene.cast.as_(scene.cast.seller),
            prompt=prompt,
            reason="unsafe",
            now=scene.cast.now,
        )
        expected = Provenance.CLAIM
    assert claim.provenance == expected
    assert scene.queued() == []


def test_an_endpoint_that_costs_money_is_called_within_its_budget_alone(scene: ClaimScene) -> None:
    scene.reach(scene.cast.scout, price_in_micro=1_000, price_out_micro=1_000)
    prompts = scene.prompts(2)
    _claim_much(scene, prompts, score=1.0)
    assert scene.queued() == []
    admin = scene.cast.as_(scene.admin)
    policy.set_terms(
        caller=admin, share=0.02, budgets={"USD": 40_000}, now=scene.cast.now - timedelta(days=1)
    )
    scene.queued()
    audit = scene.worked()
    assert audit is not None
    assert audit.cost_cap_micro == 2_000
    assert audit.state == MeasurementJob.State.DONE, audit.reason
    assert 0 < audit.spent_micro <= 2_000


def test_an_audit_that_breaks_off_records_nothing_and_is_not_repeated_at_once(
    scene: ClaimScene,
) -> None:
    prompts = scene.prompts(6)
    scene.reach(scene.cast.scout, model="malformed", attempts=1)
    for n in range(180):
        scene.claim(prompts[n % 6], score=1.0)
    before = Event.objects.count()
    assert len(scene.queued()) == 7
    while (audit := scene.worked()) is not None:
        assert audit.state == MeasurementJob.State.INCOMPLETE
        assert audit.execution is None
    assert Event.objects.count() == before
    assert scene.queued() == []


def test_a_team_may_ask_for_a_re_run_once_and_gains_no_credit_by_it(scene: ClaimScene) -> None:
    (prompt,) = scene.prompts(1)
    claim = scene.claim(prompt, score=1.0)
    buyer = scene.cast.as_(scene.cast.buyer)
    audit = requests.ask_for_audit(caller=buyer, event=claim, now=scene.cast.now, rng=scene.rng)
    with pytest.raises(requests.InvalidAuditRequest, match="asked for already"):
        requests.ask_for_audit(caller=buyer, event=claim, now=scene.cast.now, rng=scene.rng)
    assert scene.worked() == audit
    verdict = ClaimVerdict.objects.get(event=claim)
    assert (verdict.held, verdict.is_credit) == (True, False)
    assert not Event.objects.filter(kind=EvidenceKind.REWEIGH_TEAM).exists()
    detail = records.list_verdicts(caller=buyer, team=scene.cast.buyers)[0]
    assert [(case.claimed, case.executed) for case in detail.cases] == [(1.0, 1.0)] * 3


def test_repeated_executions_of_one_case_are_compared(scene: ClaimScene) -> None:
    (prompt,) = scene.prompts(1)
    _claim_much(scene, [prompt], score=1.0)
    _claim_much(scene, [prompt], score=1.0)
    _claim_much(scene, [prompt], score=1.0)
    _audit_all(scene, rounds=4)
    assert ClaimAudit.objects.filter(state=MeasurementJob.State.DONE).count() == 3
    known = AuditCall.objects.filter(squared_difference__isnull=False)
    assert set(known.values_list("squared_difference", flat=True)) == {0.0}
