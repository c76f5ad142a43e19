"""The page of what an assistant remembers."""

import pytest
from django.test import Client

from mintmark.accounts.models import Role
from mintmark.registry import assistants
from mintmark.registry.models import MemoryEntry
from tests.factories.cast import person
from tests.factories.runs_fixture import Laboratory
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db


def _path(lab: Laboratory) -> str:
    return f"/assistants/{lab.cast.scout.pk}/memory"


def test_its_team_reads_it_and_nobody_else(
    buyer: Client, seller: Client, stranger: Client, lab: Laboratory
) -> None:
    page = pages.page(buyer, _path(lab))
    assert "Answer briefly and politely." in page
    assert "1 entry" in page
    pages.page(lab.scene.client(lab.scene.admin), _path(lab))
    for client in (seller, stranger):
        assert "Answer briefly" not in pages.page(client, _path(lab), status=403)
        assert pages.post(client, _path(lab), key="a", text="b").status_code == 403
        assert pages.post(client, _path(lab), do="forget", key="house-style").status_code == 403
    assert MemoryEntry.objects.filter(assistant=lab.cast.scout).count() == 1


def test_who_does_not_operate_reads_alone(lab: Laboratory) -> None:
    author = lab.scene.client(person("pen", Role.AUTHOR, team=lab.cast.buyers))
    page = pages.page(author, _path(lab))
    assert "Answer briefly" in page
    assert "Save this entry" not in page
    assert pages.post(author, _path(lab), key="a", text="b").status_code == 403


def test_an_operator_adds_changes_and_removes(buyer: Client, lab: Laboratory) -> None:
    sent = {"do": "keep", "key": "refund & <more>", "text": "Over 200 euros\r\nit takes a person."}
    assert pages.post(buyer, _path(lab), **sent)["Location"] == _path(lab)
    page = pages.page(buyer, _path(lab))
    assert "refund &amp; &lt;more&gt;" in page
    assert "“refund &amp; &lt;more&gt;” was saved" in page
    assert "Over 200 euros<br>it takes" in page
    edit = pages.page(buyer, f"{_path(lab)}?key=refund+%26+%3Cmore%3E")
    assert "Change an entry" in edit
    pages.post(buyer, _path(lab), **sent | {"text": "Never."})
    kept = MemoryEntry.objects.get(assistant=lab.cast.scout, key=sent["key"])
    assert kept.text == "Never."
    pages.post(buyer, _path(lab), do="forget", key=sent["key"])
    pages.post(buyer, _path(lab), do="forget", key=sent["key"])
    assert "Nothing was changed" in pages.page(buyer, _path(lab))
    assert not MemoryEntry.objects.filter(key=sent["key"]).exists()


def test_a_refusal_is_told_and_changes_nothing(buyer: Client, lab: Laboratory) -> None:
    for key, text, says in (
        ("", "x", "printable characters"),
        ("k" * 201, "x", "printable characters"),
        ("a\tb", "x", "printable characters"),
        ("a", " ", "A memory is a text"),
        ("a", "x" * 100_001, "A memory is a text"),
    ):
        answer = pages.post(buyer, _path(lab), key=key, text=text)
        assert answer.status_code == 422
        assert says in markup.read(answer)
    assert MemoryEntry.objects.filter(assistant=lab.cast.scout).count() == 1


def test_an_unknown_deed_or_entry_is_told(buyer: Client, lab: Laboratory) -> None:
    assert pages.post(buyer, _path(lab), do="burn", key="a").status_code == 400
    assert "The memory of scout has no entry" in pages.page(
        buyer, f"{_path(lab)}?key=gone", status=404
    )


def test_the_list_goes_on_by_key(
    buyer: Client, lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.web.account.memories.ROWS_PER_PAGE", 2)
    for key in ("a", "b", "z&1"):
        assistants.store_memory(assistant=lab.cast.scout, key=key, text="x")
    first = pages.page(buyer, _path(lab))
    assert "?after=b" in first
    assert "house-style" not in pages.words(first).partition("Add an entry")[0]
    second = pages.page(buyer, f"{_path(lab)}?after=b")
    assert "house-style" in second
    assert "z&amp;1" in second
    assert "No more entries" in pages.page(buyer, f"{_path(lab)}?after=zz")
