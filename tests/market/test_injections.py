"""Injections: the gates, what is served, and that what was taken away is gone at the next request."""

import pytest

from mintmark.common import errors
from mintmark.deployments.injections import GateClosed, InvalidInjection
from mintmark.deployments.models import Injection
from mintmark.registry import codices, entitlements
from mintmark.registry.models import Assistant, Entitlement, Prompt
from tests.factories.market_fixture import Stall

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


def _inject(stall: Stall, **changes: object) -> Injection:
    asked: dict[str, object] = {
        "caller": stall.as_(stall.cast.buyer),
        "prompt": stall.prompt,
        "assistant": stall.cast.scout,
        "now": stall.now,
    }
    return stall.market.inject(**(asked | changes))  # type: ignore[arg-type]


def _texts(stall: Stall, assistant: Assistant | None = None) -> list[str]:
    of = assistant or stall.cast.scout
    return [
        served.text
        for served in stall.market.list_active_prompts(caller=stall.as_(of), assistant=of)
    ]


def test_a_bought_prompt_is_served_with_its_variables_filled_in(stall: Stall) -> None:
    stall.bought(stall.listed())
    _inject(stall, variables={"coin": "a {denarius}"})
    assert _texts(stall) == ["The secret of the mint: weigh a {denarius} twice."]


def test_nobody_injects_what_his_team_may_not_use(stall: Stall) -> None:
    stall.listed()
    with pytest.raises(GateClosed) as refused:
        _inject(stall, override_reason="I insist")
    assert "buy it first" in refused.value.message
    assert _texts(stall) == []


def test_only_an_assistant_and_its_operators_change_its_context(stall: Stall) -> None:
    stall.bought(stall.listed())
    for user in (stall.cast.seller, stall.cast.stranger, stall.cast.auditor, stall.cast.smith):
        with pytest.raises(errors.Forbidden):
            _inject(stall, caller=stall.as_(user))
    _inject(stall, caller=stall.as_(stall.cast.scout))
    for reader in (stall.cast.seller, stall.cast.smith, stall.cast.auditor):
        with pytest.raises(errors.Forbidden):
            stall.market.list_active_prompts(caller=stall.as_(reader), assistant=stall.cast.scout)
    assert len(_texts(stall)) == 1


def test_a_slot_has_one_prompt_and_the_one_before_is_on_record(stall: Stall) -> None:
    stall.bought(stall.listed())
    first = _inject(stall)
    assert _inject(stall).pk == first.pk
    second = _inject(stall, prompt=stall.cast.prompt)
    first.refresh_from_db()
    assert "replaced by acme/triage@1" in first.end_reason
    assert [served.injection.pk for served in stall.market.list_active_prompts(
        caller=stall.as_(stall.cast.scout), assistant=stall.cast.scout
    )] == [second.pk]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"slot": "Main Slot"}, {"slot": ""}, {"variables": {"nothing": "x"}}, {"variables": {"coin": "x" * 20_001}},
    ],
)  # fmt: skip
def test_a_wrong_slot_or_variable_is_refused(stall: Stall, changes: dict[str, object]) -> None:
    stall.bought(stall.listed())
    with pytest.raises(InvalidInjection):
        _inject(stall, **changes)


def test_a_blocking_clause_stands_in_the_way_until_overridden_with_a_reason(stall: Stall) -> None:
    rule = {
        "id": "no-secrets", "text": "Names no secret.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "not-contains", "value": "secret"},
    }  # fmt: skip
    codices.bind(prompt=stall.prompt, codex=codices.register(name="house", clauses=[rule]))
    stall.bought(stall.listed())
    with pytest.raises(GateClosed) as refused:
        _inject(stall)
    assert "Names no secret." in refused.value.message
    with pytest.raises(GateClosed):
        _inject(stall, caller=stall.as_(stall.cast.scout), override_reason="I am sure")
    made = _inject(stall, override_reason="checked by hand")
    assert (made.overridden, made.override_reason) == (["contract"], "checked by hand")


def test_a_floor_of_trust_stands_in_the_way_of_what_was_never_measured(stall: Stall) -> None:
    stall.market.set_mandate(
        caller=stall.as_(stall.cast.buyer), assistant=stall.cast.scout, per_purchase_micro=0,
        per_day_micro=0, trust_floor=0.9, now=stall.now,
    )  # fmt: skip
    stall.bought(stall.listed())
    with pytest.raises(GateClosed) as refused:
        _inject(stall)
    assert "asks for 0.90" in refused.value.message
    assert _inject(stall, override_reason="a trial").overridden == ["trust"]


def test_what_was_withdrawn_is_gone_at_the_next_request(stall: Stall) -> None:
    stall.bought(stall.listed())
    made = _inject(stall)
    stall.market.withdraw_injection(
        caller=stall.as_(stall.cast.buyer), injection=made, reason="worse", now=stall.now
    )
    assert _texts(stall) == []
    assert _inject(stall).pk != made.pk
    assert len(_texts(stall)) == 1


def test_what_was_revoked_is_gone_for_that_team_alone(stall: Stall) -> None:
    listing = stall.listed()
    stall.bought(listing)
    stall.bought(listing, by=stall.third)
    ranger = stall.cast.assistant("ranger", team=stall.thirds)
    _inject(stall)
    _inject(stall, caller=stall.as_(stall.third), assistant=ranger)
    held = Entitlement.objects.get(team=stall.cast.buyers, ended_at=None)
    for user in (stall.cast.seller, stall.cast.buyer, stall.third):
        with pytest.raises(errors.Forbidden):
            stall.market.revoke_entitlement(
                caller=stall.as_(user), entitlement=held, reason="abuse", now=stall.now
            )
    stall.market.revoke_entitlement(
        caller=stall.as_(stall.admin), entitlement=held, reason="abuse", now=stall.now
    )
    assert _texts(stall) == []
    assert len(_texts(stall, ranger)) == 1


def test_what_was_given_can_be_taken_back_by_who_gave_it(stall: Stall) -> None:
    seller = stall.as_(stall.cast.seller)
    given = entitlements.grant(
        caller=seller, prompt=stall.prompt, team=stall.cast.buyers, reason="a friend"
    )
    _inject(stall)
    stall.market.revoke_entitlement(
        caller=seller, entitlement=given, reason="no more", now=stall.now
    )
    assert _texts(stall) == []


def test_a_tombstone_takes_a_prompt_out_of_everything(stall: Stall) -> None:
    listing = stall.listed()
    stall.bought(listing)
    _inject(stall)
    with pytest.raises(errors.Forbidden):
        stall.market.withdraw_permanently(
            caller=stall.as_(stall.cast.buyer), prompt=stall.prompt, reason="x", now=stall.now
        )
    stall.market.withdraw_permanently(
        caller=stall.as_(stall.cast.seller), prompt=stall.prompt, reason="unsafe", now=stall.now
    )
    listing.refresh_from_db()
    assert listing.withdrawn_at == stall.now
    assert _texts(stall) == []
    dead = Prompt.objects.get(pk=stall.prompt.pk)
    with pytest.raises(GateClosed, match="unsafe"):
        _inject(stall, prompt=dead)
    with pytest.raises(errors.DomainError):
        stall.listed(dead)
    with pytest.raises(errors.Forbidden):
        stall.forked(dead)


def test_a_right_that_ended_past_the_injection_serves_nothing(stall: Stall) -> None:
    """The reader checks the right itself; the end of the injection is written besides."""
    stall.bought(stall.listed())
    _inject(stall)
    Entitlement.objects.filter(prompt=stall.prompt).update(ended_at=stall.now)
    assert Injection.objects.filter(ended_at=None).exists()
    assert _texts(stall) == []
