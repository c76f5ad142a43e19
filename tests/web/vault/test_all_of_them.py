"""What holds of all the pages of the vault."""

import json

import pytest
from django.conf import settings
from django.test import Client

from mintmark.accounts.models import Role
from mintmark.textchecks.injection_scan import ScanHit
from mintmark.web import untrusted_text
from mintmark.web.vault import import_error_help
from tests.bundles import generate
from tests.factories.cast import person
from tests.factories.vault_fixture import Strongroom
from tests.web.vault import pages

pytestmark = [pytest.mark.django_db, pytest.mark.both("smoke set: the pages")]


def test_every_code_of_a_file_has_words_of_its_own() -> None:
    told = {advice.code for advice in import_error_help.ADVICE}
    cases = {case.code for case in generate.bad().values()} | {
        code for code, _ in generate.large().values()
    }
    assert cases <= told
    assert import_error_help.get_advice("anything_else").meaning


def test_a_page_stays_small(buyer: Client, admin: Client, room: Strongroom) -> None:
    for path in (
        "/vaults", "/vaults/new", "/vaults/keys", "/vaults/take-in", "/vaults/verify",
        f"/vaults/{room.exported.pk}", f"/vaults/imports/{room.strange.pk}",
    ):  # fmt: skip
        assert len(admin.get(path).content) < 40_000, path


def test_one_who_reads_without_a_role_sees_the_keys_and_no_button(room: Strongroom) -> None:
    visitor = room.holdings.scene.client(person("visitor", Role.AUDITOR, team=room.cast.buyers))
    page = pages.page(visitor, "/vaults/keys")
    assert room.own_key.key_id[:8] in page
    assert "Create a key" not in page
    assert json.dumps(settings.SECRET_KEY) not in page


def test_a_mark_that_begins_before_what_is_shown_does_not_shift_the_others() -> None:
    text = "one two three"
    marks = [
        ScanHit(kind="x", name="first", line=1, column=1, offset=0, length=7),
        ScanHit(kind="x", name="second", line=1, column=9, offset=8, length=5),
    ]
    shown = untrusted_text.split_marked(text, marks=marks, start=4)
    assert [(part.text, part.mark) for part in shown] == [("two ", ""), ("three", "second")]
