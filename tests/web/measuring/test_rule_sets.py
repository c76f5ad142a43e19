"""The pages of rule sets."""

import pytest
from django.test import Client

from mintmark.registry import codices, default_codex
from mintmark.registry.models import Codex
from mintmark.textchecks import checks
from mintmark.web.measuring import check_descriptions
from tests.factories.runs_fixture import PROMISED, Laboratory
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db

GOOD = """name: kind
clauses:
  - id: thanks
    text: Says thanks.
    severity: warn
    applies_to: output
    check: {kind: contains, value: thank}
"""
BAD = """name: kind
clauses:
  - id: thanks
    text: Says thanks.
    severity: shout
    applies_to: output
    check: {kind: contains, value: thank}
  - {id: two, text: Two., severity: warn, applies_to: output, check: {kind: nothing-known}}
"""


def test_the_list_has_the_newest_version_of_each_and_says_whom_it_binds(
    stranger: Client, lab: Laboratory
) -> None:
    said = pages.words(pages.page(stranger, "/codices"))
    assert "house-rules@2" in said
    assert "house-rules@1" not in said
    assert "1 prompt, 1 assistant" in said
    assert "default@1" in said
    assert "everything" in said


def test_a_rule_set_reads_in_plain_words_and_names_what_it_binds(
    stranger: Client, lab: Laboratory
) -> None:
    page = pages.page(stranger, f"/codices/{lab.codex.pk}")
    said = pages.words(page)
    assert "Promises no refund. blocks on outputs" in said
    assert "a text that does not contain “you get your money back”" in said
    assert "a text of at most 60 words and punctuation marks" in said
    assert f"/codices/{lab.older.pk}" in page
    assert "acme/triage@1" in said
    assert "scout" in said


def test_a_text_is_checked_marked_and_not_kept(stranger: Client, lab: Laboratory) -> None:
    before = Codex.objects.count()
    sent = {"text": PROMISED, "applies_to": "output"}
    answer = pages.post(stranger, f"/codices/{lab.codex.pk}", **sent)
    page = markup.read(answer)
    assert answer.status_code == 200
    assert "1 clause blocks this text." in page
    assert "you get your money back</mark>" in page
    assert "U+200B" in page
    assert "broken" in page
    assert Codex.objects.count() == before


def test_the_fragment_of_a_check_is_no_whole_page(stranger: Client, lab: Laboratory) -> None:
    answer = stranger.post(
        f"/codices/{lab.codex.pk}", {"text": "Sort {ticket}."}, headers={"HX-Request": "true"}
    )
    said = markup.read(answer)
    assert "No clause blocks this text." in said
    assert "<html" not in said


def test_what_is_pasted_never_runs(stranger: Client, lab: Laboratory) -> None:
    sent = {"text": "<script>alert(1)</script> you get your money back", "applies_to": "output"}
    page = markup.read(pages.post(stranger, f"/codices/{lab.codex.pk}", **sent))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_an_empty_text_and_one_too_long_are_told_so(stranger: Client, lab: Laboratory) -> None:
    for text, says in ((" ", "Paste a text"), ("x" * 50_001, "at most 50,000")):
        answer = pages.post(stranger, f"/codices/{lab.codex.pk}", text=text)
        assert answer.status_code == 422
        assert says in markup.read(answer)


def test_an_operator_registers_one_and_again_changes_nothing(
    buyer: Client, lab: Laboratory
) -> None:
    answer = pages.post(buyer, "/codices/new", text=GOOD)
    made = codices.resolve(reference="kind")
    assert answer.status_code == 302
    assert answer["Location"] == f"/codices/{made.pk}"
    pages.post(buyer, "/codices/new", text=GOOD)
    assert "Nothing was changed" in pages.page(buyer, f"/codices/{made.pk}")
    assert Codex.objects.filter(name="kind").count() == 1


def test_what_is_wrong_is_told_with_its_line_and_nothing_typed_is_lost(
    buyer: Client, lab: Laboratory
) -> None:
    answer = pages.post(buyer, "/codices/new", text=BAD)
    page = markup.read(answer)
    assert answer.status_code == 422
    said = pages.words(page)
    assert "5 clauses.0.severity severity is one of warn, block." in said
    assert "8 clauses.1.check.kind kind is one of" in said
    assert "text: Says thanks." in page
    assert not Codex.objects.filter(name="kind").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "line "),
        ("just words", "is a mapping"),
        ("{name: x, clauses: [], more: 1}", "more"),
        ("{name: 3, clauses: []}", "name"),
        ("{name: x, clauses: [], description: [1]}", "description"),
        ("{name: default, clauses: [{}]}", "binds everybody"),
        ("{name: x, clauses: [3]}", "A clause is an object"),
    ],
)
def test_no_document_breaks_the_page(buyer: Client, lab: Laboratory, text: str, says: str) -> None:
    answer = pages.post(buyer, "/codices/new", text=text)
    assert answer.status_code == 422
    assert says in markup.read(answer)


def test_an_admin_changes_the_one_that_binds_everybody(lab: Laboratory) -> None:
    admin = lab.scene.client(lab.scene.admin)
    answer = pages.post(admin, "/codices/new", text=GOOD.replace("kind\n", "default\n", 1))
    assert answer.status_code == 302
    assert codices.get_default().clauses[0]["id"] == "thanks"


def test_who_operates_nothing_cannot_register(stranger: Client, lab: Laboratory) -> None:
    assert "Register a rule set" not in pages.page(stranger, "/codices")
    assert "role" in pages.page(stranger, "/codices/new", status=403)
    assert pages.post(stranger, "/codices/new", text=GOOD).status_code == 403
    assert not Codex.objects.filter(name="kind").exists()


def test_a_rule_set_that_there_is_not_is_not_found(buyer: Client, lab: Laboratory) -> None:
    assert "Page not found" in pages.page(buyer, "/codices/999999", status=404)


def test_every_kind_of_check_has_plain_words() -> None:
    values = {
        "max-tokens": 3,
        "language": "en",
        "similarity": {"reference": "a", "at_least": 0.4},
    }
    for kind in checks.KINDS:
        said = check_descriptions.describe_check(
            {"check": {"kind": kind, "value": values.get(kind, "word")}}
        )
        assert "unknown kind" not in said
    assert "unknown kind" in check_descriptions.describe_check({"check": {"kind": "new"}})
    assert default_codex.CLAUSES
