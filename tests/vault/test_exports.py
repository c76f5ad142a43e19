"""Exports: what a team may tell elsewhere, and what it may not."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mintmark.accounts.models import Role, User
from mintmark.common import errors, licences
from mintmark.market import lineage
from mintmark.market.lineage import LicenceForbids
from mintmark.registry import entitlements, prompts
from mintmark.registry.models import Assistant, Prompt
from mintmark.signing import bundles, canonical_json
from mintmark.signing.bundles import Bundle
from mintmark.vault import bundle_store
from mintmark.vault.bundle_builder import InvalidExport
from mintmark.vault.models import PromptMarketplaceVault, PromptProvenance
from tests.factories.cast import person
from tests.factories.market_fixture import SECRET, Stall

pytestmark = pytest.mark.django_db


def exported(
    stall: Stall, prompts: Sequence[Prompt], *, by: User | Assistant | None = None, **changes: Any
) -> PromptMarketplaceVault:
    who = by or stall.cast.seller
    team = changes.pop("team", None) or stall.principal(who).team
    asked: dict[str, Any] = {"name": "a-set", "now": stall.now} | changes
    return stall.market.export_bundle(caller=stall.as_(who), team=team, prompts=prompts, **asked)


def told(vault: PromptMarketplaceVault) -> Bundle:
    return bundles.verify(bundle_store.get_raw_file(vault)).bundle


def test_a_team_exports_its_own_prompt_as_its_author(stall: Stall) -> None:
    bundle = told(exported(stall, [stall.prompt], title="The mint", description="How to weigh."))
    (prompt,) = bundle.prompts
    assert (prompt.name, prompt.text, prompt.rights) == ("acme/mint@1", SECRET, "author")
    assert prompt.licence == licences.PROPRIETARY
    assert (bundle.prompt_set.title, bundle.issuer.team) == ("The mint", "sellers")
    assert prompt.author == "seller"


def test_exporting_again_without_a_change_is_the_same_vault(stall: Stall) -> None:
    first = exported(stall, [stall.prompt])
    again = exported(stall, [stall.prompt], now=stall.now + timedelta(days=3))
    assert again == first
    assert bundle_store.get_raw_file(again) == bundle_store.get_raw_file(first)
    assert PromptMarketplaceVault.objects.count() == 1


def test_new_evidence_makes_another_bundle(stall: Stall) -> None:
    prompt = stall.cast.prompt
    first = exported(stall, [prompt])
    stall.cast.record(stall.cast.outcome(score=0.9))
    second = exported(stall, [prompt])
    assert second != first
    assert [told(one).prompts[0].reputation.outcomes for one in (first, second)] == [0, 10]


def test_what_was_bought_under_a_free_licence_is_passed_on_with_what_sales_owe(
    stall: Stall,
) -> None:
    stall.bought(stall.listed(licence="MIT", royalty_bp=1_000))
    (prompt,) = told(exported(stall, [stall.prompt], by=stall.cast.buyer)).prompts
    assert (prompt.rights, prompt.licence) == ("passed_on", "MIT")
    assert [one.model_dump() for one in prompt.royalties] == [
        {"ancestor": "acme/mint@1", "holder": "seller", "rate_bp": 1_000}
    ]


def test_a_fork_owes_its_ancestors_elsewhere_what_it_owes_them_here(stall: Stall) -> None:
    stall.bought(stall.listed(licence="MIT", royalty_bp=1_000))
    child = stall.forked(stall.prompt)
    bundle = told(exported(stall, [child], by=stall.cast.buyer))
    (prompt,) = bundle.prompts
    assert (prompt.rights, prompt.parent) == ("author", "acme/mint@1")
    assert [(one.holder, one.rate_bp) for one in prompt.royalties] == [("seller", 1_000)]
    (ancestor,) = bundle.ancestors
    assert (ancestor.name, ancestor.author, ancestor.licence) == ("acme/mint@1", "seller", "MIT")
    assert (
        SECRET
        not in bundle_store.get_raw_file(exported(stall, [child], by=stall.cast.buyer)).decode()
    )


def test_a_licence_that_keeps_it_here_refuses_all_and_names_each(stall: Stall) -> None:
    stall.bought(stall.listed(licence=licences.PROPRIETARY))
    with pytest.raises(LicenceForbids, match="2 of 2 prompts") as refused:
        exported(stall, [stall.cast.prompt, stall.prompt], by=stall.cast.buyer)
    assert [row["value"] for row in refused.value.rows] == ["acme/triage@1", "acme/mint@1"]
    assert not PromptMarketplaceVault.objects.exists()


def test_what_one_may_not_use_is_not_exported(stall: Stall) -> None:
    with pytest.raises(errors.Forbidden, match="not the team's to use") as refused:
        exported(stall, [stall.prompt], by=stall.cast.buyer)
    assert [row["row"] for row in refused.value.rows] == [0]


def test_an_ended_entitlement_ends_the_right_to_export(stall: Stall) -> None:
    receipt = stall.bought(stall.listed(licence="MIT"))
    granted = entitlements.list_active_grants(
        prompt=stall.prompt, team_ids=frozenset([stall.cast.buyers.pk])
    ).get()
    assert receipt.is_new and exported(stall, [stall.prompt], by=stall.cast.buyer)
    stall.market.revoke_entitlement(
        caller=stall.as_(stall.admin), entitlement=granted, reason="refunded", now=stall.now
    )
    with pytest.raises(errors.Forbidden):
        exported(stall, [stall.prompt], by=stall.cast.buyer)


def test_what_was_withdrawn_for_good_is_not_even_exported_by_its_team(stall: Stall) -> None:
    stall.market.withdraw_permanently(
        caller=stall.as_(stall.cast.seller), prompt=stall.prompt, reason="leaks", now=stall.now
    )
    with pytest.raises(InvalidExport, match="withdrawn for good"):
        exported(stall, [stall.prompt])


def test_what_came_from_elsewhere_is_passed_on_not_told_as_ones_own(stall: Stall) -> None:
    prompt = stall.cast.written("abroad/weigh", "Weigh {coin} there.")
    first = exported(stall, [prompt])
    PromptProvenance.objects.create(
        prompt=prompt, vault=first, issuer="f" * 32, issuer_name="Elsewhere", name="their/weigh@4",
        author="ines", reputation={}, registered=True,
    )  # fmt: skip
    with pytest.raises(LicenceForbids):
        exported(stall, [prompt], name="again")
    stall.listed(
        stall.cast.written("abroad/open", "Weigh {coin} twice there.", is_open=False),
        licence="CC-BY-4.0",
    )
    ours = Prompt.objects.get(namespace="abroad", name="open")
    PromptProvenance.objects.create(
        prompt=ours, vault=first, issuer="f" * 32, issuer_name="Elsewhere", name="their/open@1",
        author="ines", reputation={}, registered=True,
    )  # fmt: skip
    (once_more,) = told(exported(stall, [ours])).prompts
    assert (once_more.rights, once_more.author, once_more.royalties) == ("passed_on", "ines", ())


def test_a_set_is_exported_in_its_order_under_its_name(stall: Stall) -> None:
    second = stall.cast.written("acme/second", "Count {coin} thrice.", is_open=False)
    for prompt in (stall.prompt, second):
        stall.listed(prompt)
    made = stall.market.create_prompt_set(
        caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, name="coins", title="Coins",
        prompts=[second, stall.prompt], now=stall.now,
    )  # fmt: skip
    vault = stall.market.export_bundle(
        caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, prompt_set=made, now=stall.now
    )
    assert vault.name == "coins"
    assert [prompt.name for prompt in told(vault).prompts] == ["acme/second@1", "acme/mint@1"]
    assert set(vault.prompt_set.all()) == {second, stall.prompt}


def test_an_assistant_may_own_a_vault_and_not_export_one(stall: Stall) -> None:
    smith, scout = stall.cast.smith, stall.cast.scout
    assert exported(stall, [stall.prompt], owner_assistant=smith).owner_assistant == smith
    with pytest.raises(errors.Forbidden, match="a person"):
        exported(stall, [stall.prompt], by=smith)
    with pytest.raises(errors.Forbidden, match="no assistant of team sellers"):
        exported(stall, [stall.prompt], owner_assistant=scout, name="other")


def test_exporting_takes_a_role_in_the_team(stall: Stall) -> None:
    auditor = person("reader", Role.AUDITOR, team=stall.cast.sellers)
    for nobody in (stall.cast.stranger, auditor, stall.cast.buyer):
        with pytest.raises(errors.Forbidden, match="'author' or 'operator'"):
            exported(stall, [stall.prompt], by=nobody, team=stall.cast.sellers)
    operator = person("runner", Role.OPERATOR, team=stall.cast.sellers)
    assert exported(stall, [stall.prompt], by=operator)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"name": "a\u202eb"}, "printable"),
        ({"name": "  "}, "needs a name"),
        ({"title": "t" * 201}, "up to 200"),
        ({"description": "a\0b"}, "no NUL"),
        ({"description": "d" * 4_001}, "4,001 characters"),
    ],
)
def test_words_that_fit_no_bundle_are_refused(
    stall: Stall, words: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidExport, match=says):
        exported(stall, [stall.prompt], **words)


def test_nothing_is_no_bundle(stall: Stall) -> None:
    with pytest.raises(InvalidExport, match="nothing to tell"):
        exported(stall, [])


def test_a_name_that_no_reader_takes_is_refused_and_not_kept(stall: Stall) -> None:
    odd = stall.cast.written("acme/odd", "Odd {x}.")
    # No name like this is registered any more; an older store may hold one.
    odd.pk, odd.name = None, "a/../b"
    odd.save(force_insert=True)
    with pytest.raises(bundles.InvalidBundle, match="is a path"):
        exported(stall, [odd])
    assert not PromptMarketplaceVault.objects.exists()


def test_a_bundle_beyond_what_is_taken_is_refused_and_not_kept(stall: Stall, settings: Any) -> None:
    settings.VAULT_MAX_BYTES = 1_000
    with pytest.raises(canonical_json.InvalidCanonicalJson, match="1,000 are taken"):
        exported(stall, [stall.prompt])
    assert not PromptMarketplaceVault.objects.exists()


def test_the_terms_of_many_are_those_of_each_alone(stall: Stall) -> None:
    stall.bought(stall.listed(licence="MIT", royalty_bp=1_000))
    child = stall.forked(stall.prompt)
    grandchild = stall.forked(child, line="again")
    family = [stall.prompt, child, grandchild, stall.cast.prompt]
    royalties = lineage.list_royalties_by_prompt(prompts=family)
    licence = lineage.get_licences(prompts=family, team_id=stall.cast.buyers.pk)
    listed = lineage.find_applicable_listings(prompts=family, team_id=stall.cast.buyers.pk)
    for prompt in family:
        alone = {"prompt": prompt, "team_id": stall.cast.buyers.pk}
        assert royalties[prompt.pk] == lineage.list_royalties(prompt=prompt)
        assert licence[prompt.pk] == lineage.get_licence(**alone)
        assert listed.get(prompt.pk) == lineage.find_applicable_listing(**alone)
    assert [len(royalties[prompt.pk]) for prompt in family] == [0, 1, 1, 0]
    assert list(listed) == [stall.prompt.pk]


def test_many_prompts_take_as_many_questions_as_few(stall: Stall) -> None:
    drafts = [
        prompts.PromptDraft(namespace="many", name=f"n{n}", text=f"Number {n}: {{x}}.")
        for n in range(60)
    ]
    author = stall.principal(stall.cast.seller)
    many = prompts.register_all(drafts=drafts, author=author, team=stall.cast.sellers)
    exported(stall, many[:5])
    with CaptureQueriesContext(connection) as few:
        exported(stall, many[:10])
    with CaptureQueriesContext(connection) as more:
        exported(stall, many)
    assert len(more) == len(few)
