"""The pages of rituals."""

import pytest
from django.test import Client

from mintmark.registry.models import NameOwner, Ritual
from mintmark.textchecks import assertions
from mintmark.web.measuring import check_descriptions
from tests.factories.runs_fixture import RITUAL, Laboratory
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db

BAD = """name: x
tag: t
cases:
  - assert: [{type: javascript, value: 1}]
  - id: b
    weight: -1
    assert: [{type: icontains, value: a}]
"""


def test_the_list_names_the_task_the_cases_and_one_s_own_runs(
    buyer: Client, stranger: Client, lab: Laboratory
) -> None:
    assert "urgency@1 Does it tell how urgent a ticket is? task:triage 4 3" in pages.words(
        pages.page(buyer, "/rituals")
    )
    assert "task:triage 4 0" in pages.words(pages.page(stranger, "/rituals"))
    assert "No task matches" in pages.page(stranger, "/rituals?q=zzz")


def test_a_ritual_reads_in_plain_words(stranger: Client, lab: Laboratory) -> None:
    said = pages.words(pages.page(stranger, f"/rituals/{lab.ritual.pk}"))
    assert "outage weight 2 of 5" in said
    assert "The output contains “urgent”, ignoring case." in said
    assert "The output does not meet this: it contains “urgent”" in said
    assert "should use from memory: house-style" in said
    assert "takes at most 60000 ms" in said
    assert "house-rules@2" in said


def test_a_ritual_says_which_rule_set_it_still_lacks(buyer: Client, lab: Laboratory) -> None:
    NameOwner.objects.create(
        kind=NameOwner.Kind.RITUAL,
        name="urgency",
        team=lab.cast.buyers,
        given_by=lab.cast.as_(lab.cast.buyer).principal,
        since=lab.cast.now,
    )
    pages.post(buyer, "/rituals/new", text=RITUAL.replace("house-rules@2", "gone"))
    page = pages.page(buyer, f"/rituals/{Ritual.objects.get(name='urgency', version=2).pk}")
    assert "gone (not registered here" in pages.words(page)


def test_results_are_for_those_who_may_see_the_runs(
    buyer: Client, seller: Client, stranger: Client, lab: Laboratory
) -> None:
    path = f"/rituals/{lab.ritual.pk}"
    mine = pages.words(pages.page(buyer, path))
    assert lab.done.frames.get(number=0).score is not None
    assert "acme/triage@1 scout 0.80" in mine
    assert "smith rehearsal" not in mine
    assert "smith rehearsal" in pages.words(pages.page(seller, path))
    assert "No runs that you can see" in pages.page(stranger, path)


def test_a_ritual_known_by_name_alone_says_that_it_cannot_be_run(
    buyer: Client, lab: Laboratory
) -> None:
    page = pages.page(buyer, f"/rituals/{lab.cast.triage.pk}")
    assert "This task has no cases here" in page
    assert "Run it" not in page


def test_an_operator_registers_one_and_again_changes_nothing(
    buyer: Client, lab: Laboratory
) -> None:
    text = RITUAL.replace("name: urgency", "name: urgency-2")
    answer = pages.post(buyer, "/rituals/new", text=text)
    made = Ritual.objects.get(name="urgency-2")
    assert answer["Location"] == f"/rituals/{made.pk}"
    pages.post(buyer, "/rituals/new", text=text)
    assert "Nothing was changed" in pages.page(buyer, f"/rituals/{made.pk}")
    pages.post(buyer, "/rituals/new", text=text.replace("64", "65"))
    assert Ritual.objects.filter(name="urgency-2").count() == 2


def test_what_is_wrong_is_told_with_its_line_and_nothing_typed_is_lost(
    buyer: Client, lab: Laboratory
) -> None:
    answer = pages.post(buyer, "/rituals/new", text=BAD)
    said = pages.words(markup.read(answer))
    assert answer.status_code == 422
    assert "4 cases.0.assert.0" in said
    assert "6 cases.1.weight" in said
    assert "id: b" in said
    assert not Ritual.objects.filter(name="x").exists()


@pytest.mark.parametrize("text", ["a: [1", "3", "[]", "{name: x, tag: 't t', cases: []}", "\0"])
def test_no_document_breaks_the_page(buyer: Client, lab: Laboratory, text: str) -> None:
    assert pages.post(buyer, "/rituals/new", text=text).status_code == 422


def test_who_operates_nothing_cannot_register(stranger: Client, lab: Laboratory) -> None:
    assert "Register a task" not in pages.page(stranger, "/rituals")
    assert pages.post(stranger, "/rituals/new", text=RITUAL).status_code == 403


def test_the_cases_come_a_page_at_a_time(buyer: Client, lab: Laboratory) -> None:
    cases = "\n".join(f"  - {{assert: [{{type: contains, value: a{n}}}]}}" for n in range(30))
    pages.post(buyer, "/rituals/new", text=f"name: long\ntag: t\ncases:\n{cases}\n")
    path = f"/rituals/{Ritual.objects.get(name='long').pk}"
    assert "1–25 of 30" in pages.page(buyer, path)
    assert "26–30 of 30" in pages.page(buyer, f"{path}?case=26")


def test_pages_are_behind_the_sign_in(lab: Laboratory) -> None:
    nobody = lab.scene.client(None)
    for path in ("/rituals", "/codices", f"/codices/{lab.codex.pk}", "/rituals/new"):
        assert nobody.get(path)["Location"].startswith("/sign-in")


def test_every_assertion_has_plain_words() -> None:
    for kind in sorted(assertions.KINDS):
        raw = {"type": kind, "value": {"type": "object"} if kind == "is-json" else "word"}
        if kind in ("cost", "latency"):
            raw = {"type": kind, "threshold": 3}
        assert check_descriptions.describe_assertion(assertions.parse_assertion(raw, variables={}))
