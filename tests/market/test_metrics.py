"""The specified goal "listings track cost and adoption metrics", and how each score is counted."""

from datetime import timedelta

import pytest

from mintmark.accounts.models import Membership, Role, Team
from mintmark.market.models import PromptTokenListing
from mintmark.registry import codices
from mintmark.registry.models import Entitlement
from mintmark.trust.intake import EvidenceClaim
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db


def _scores(stall: Stall) -> tuple[float, float, float]:
    stall.market.refresh_scores(now=stall.now)
    listing = PromptTokenListing.objects.get(prompt=stall.prompt)
    return (
        listing.swarm_adoption_score, listing.codex_usage_score, listing.symbolic_tag_weight,
    )  # fmt: skip


def test_listings_track_cost_and_adoption_metrics(stall: Stall) -> None:
    listing = stall.listed(cost=12.5)
    assert float(listing.token_cost) == 12.5
    assert _scores(stall) == (0.0, 0.0, 0.0)
    stall.bought(listing)
    stall.cast.record(
        stall.cast.outcome(score=0.9, assistant=stall.cast.smith.pk), by=stall.cast.seller
    )
    stall.market.inject(
        caller=stall.as_(stall.cast.buyer),
        prompt=stall.prompt,
        assistant=stall.cast.scout,
        now=stall.now,
    )
    adoption, _, tags = _scores(stall)
    assert adoption == 1.0  # the buyers run it; the sellers' own assistants do not count
    assert tags == 1.0  # the one purchase carries its tag
    told = stall.market.compute_scores(prompt=stall.prompt, now=stall.now)
    assert (told.adopters, told.assistants, told.swarm, told.purchases) == (1, 1, 1, 1)


def test_a_team_does_not_adopt_what_it_or_its_author_wrote(stall: Stall) -> None:
    stall.listed()
    studio = Team.objects.create(name="studio")
    Membership.objects.create(user=stall.cast.seller, team=studio, role=Role.OPERATOR)
    for name, team in (("own", stall.cast.sellers), ("other", studio)):
        assistant = stall.cast.assistant(name, team=team)
        Entitlement.objects.get_or_create(prompt=stall.prompt, team=team, reason="granted")
        stall.market.inject(
            caller=stall.as_(stall.cast.seller),
            prompt=stall.prompt,
            assistant=assistant,
            now=stall.now,
        )
    told = stall.market.compute_scores(prompt=stall.prompt, now=stall.now)
    assert (told.adopters, told.assistants, told.swarm) == (0, 0, 0)


def test_many_assistants_of_one_team_are_one_adopter(stall: Stall) -> None:
    stall.bought(stall.listed())
    for n in range(11):
        stall.market.inject(
            caller=stall.as_(stall.cast.buyer),
            prompt=stall.prompt,
            assistant=stall.cast.assistant(f"made-up-{n}", team=stall.cast.buyers),
            now=stall.now,
        )
    told = stall.market.compute_scores(prompt=stall.prompt, now=stall.now)
    assert (told.adopters, told.assistants, told.swarm) == (1, 11, 1)


def test_scores_that_did_not_change_are_as_of_the_last_look_too(stall: Stall) -> None:
    stall.listed(cost=1)
    stall.market.refresh_scores(now=stall.now + timedelta(hours=1))
    listing = PromptTokenListing.objects.get(prompt=stall.prompt)
    assert listing.scored_at == stall.now + timedelta(hours=1)


def test_adoption_forgets_assistants_that_have_been_silent(stall: Stall) -> None:
    stall.listed()
    stall.cast.record(stall.cast.outcome(score=0.9))
    assert stall.market.compute_scores(prompt=stall.prompt, now=stall.now).swarm == 1
    later = stall.now + timedelta(days=31)
    assert stall.market.compute_scores(prompt=stall.prompt, now=later).swarm == 0


def test_the_weight_of_tags_is_one_less_what_none_of_them_explains(stall: Stall) -> None:
    listing = stall.listed()
    tagged = stall.cast.written(
        "acme/tagged", "T {x}.", tags=["@clarity+", "task:triage"], is_open=False
    )
    plain = stall.cast.written("acme/plain", "P {x}.", tags=["@tone"], is_open=False)
    stall.bought(listing)
    for prompt in (tagged, plain):
        stall.bought(stall.listed(prompt, cost="1"))
    told = stall.market.compute_scores(prompt=tagged, now=stall.now)
    shares = {tag.tag: tag.share for tag in told.tags}
    assert shares == {"task:triage": pytest.approx(2 / 3), "@clarity+": pytest.approx(1 / 3)}
    assert told.symbolic_tag_weight == pytest.approx(1 - (1 / 3) * (2 / 3))


def _use(stall: Stall, *clauses: tuple[float, tuple[str, ...]], days: float = 0) -> None:
    at = stall.now - timedelta(days=days)
    checks: list[EvidenceClaim] = [
        stall.cast.claim("clause", prompt=stall.prompt.pk, score=score, tags=tags, occurred_at=at)
        for score, tags in clauses
    ]
    outcome = stall.cast.outcome(score=0.8, prompt=stall.prompt.pk, occurred_at=at)
    stall.cast.record(outcome, *checks, now=at)


def test_usage_counts_uses_under_contract_with_every_blocking_clause_kept(stall: Stall) -> None:
    stall.listed()
    _use(stall, (1.0, ()))
    assert _scores(stall)[1] == 0.0  # under no contract yet
    rule = {"text": "x", "applies_to": "output", "check": {"kind": "judge"}}
    codex = codices.register(
        name="house",
        clauses=[
            rule | {"id": "strict", "severity": "block"},
            rule | {"id": "mild", "severity": "warn"},
        ],
    )
    codices.bind(prompt=stall.prompt, codex=codex)
    assert _scores(stall)[1] == 1.0
    _use(stall, (0.0, ("strict",)))
    _use(stall, (0.0, ("mild",)), (1.0, ("strict",)))
    told = stall.market.compute_scores(prompt=stall.prompt, now=stall.now)
    assert (told.compliant_uses, told.uses) == (2, 3)
    assert told.codex_usage_score == pytest.approx(2 / 3)


def test_older_uses_count_less(stall: Stall) -> None:
    stall.listed()
    rule = {
        "id": "a",
        "text": "x",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "judge"},
    }
    codices.bind(prompt=stall.prompt, codex=codices.register(name="house", clauses=[rule]))
    _use(stall, (0.0, ()), days=15)
    _use(stall, (1.0, ()))
    told = stall.market.compute_scores(prompt=stall.prompt, now=stall.now)
    assert told.codex_usage_score == pytest.approx(1 / (1 + 2**-0.5))
