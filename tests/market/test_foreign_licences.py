"""What a bundle brought is held under its licence, whoever keeps it now."""

import pytest

from mintmark.market.forks import ForkDraft
from mintmark.market.lineage import LicenceForbids
from mintmark.registry.models import Prompt
from tests.bundles import payloads
from tests.factories.market_fixture import Stall
from tests.vault import remote_installation

pytestmark = pytest.mark.django_db


def came(stall: Stall, licence: str) -> Prompt:
    remote_installation.trusted(stall)
    remote_installation.accepted(
        stall,
        remote_installation.file(payloads.prompt("north/new@1", text="Sum.", licence=licence)),
    )
    return Prompt.objects.get(text="Sum.")


def forked(stall: Stall, parent: Prompt, licence: str = "") -> Prompt:
    draft = ForkDraft(
        namespace="own", name="new", text="Sum it.", changes=["@clarity+"], licence=licence
    )
    return stall.market.fork(
        caller=stall.as_(stall.cast.buyer), parent=parent, draft=draft,
        team=stall.cast.buyers, now=stall.now,
    )  # fmt: skip


def test_a_text_that_came_under_a_licence_without_changes_is_not_forked(stall: Stall) -> None:
    prompt = came(stall, "CC-BY-ND-4.0")
    with pytest.raises(LicenceForbids):
        forked(stall, prompt)
    assert stall.listed(prompt, by=stall.cast.buyer, licence="").licence == "CC-BY-ND-4.0"


def test_a_text_that_came_under_a_licence_without_sale_is_not_sold_nor_are_its_forks(
    stall: Stall,
) -> None:
    prompt = came(stall, "CC-BY-NC-4.0")
    for one in (prompt, forked(stall, prompt)):
        with pytest.raises(LicenceForbids):
            stall.listed(one, by=stall.cast.buyer, licence="")


def test_forks_of_a_text_that_came_under_share_alike_stay_under_it(stall: Stall) -> None:
    prompt = came(stall, "CC-BY-SA-4.0")
    with pytest.raises(LicenceForbids):
        forked(stall, prompt, licence="MIT")
    assert forked(stall, prompt).licence == "CC-BY-SA-4.0"
