"""The page on which a run is started."""

import re

import pytest
from django.test import Client

from mintmark.registry.models import Assistant
from mintmark.rituals import definitions
from mintmark.rituals.models import RitualRun
from tests.factories.runs_fixture import Laboratory
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db

REFUSED: list[tuple[dict[str, str], str]] = [
    ({"ritual": "gone"}, "No ritual"),
    ({"ritual": ""}, "No ritual"),
    ({"prompt": "acme/gone"}, "No prompt"),
    ({"ritual": "triage-cases"}, "triage-cases"),
    ({"frames": "101"}, "from 0 to 100"),
    ({"frames": "x"}, "&#x27;frames&#x27; is &#x27;x&#x27;"),
    ({"seed": "-1"}, "&#x27;seed&#x27;"),
    ({"cost_cap": "lots"}, "&#x27;cost_cap&#x27; is &#x27;lots&#x27;"),
    ({"prompt": "acme/secret"}, "may not use acme/secret@1"),
    ({"key": "x" * 300}, "1 to 200 printable"),
]


def _sent(lab: Laboratory, **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "do": "start",
        "ritual": str(lab.ritual),
        "prompt": lab.cast.prompt.reference,
        "assistant": lab.cast.scout.pk,
        "frames": "1",
        "seed": "5",
        "cost_cap": "0.5",
        "key": "a-key",
    }
    return values | changes


def test_the_links_fill_the_form_in(buyer: Client, lab: Laboratory) -> None:
    cast = lab.cast
    path = f"/runs/new?ritual={lab.ritual.pk}&prompt={cast.prompt.pk}&assistant={cast.scout.pk}&frames=2"
    page = pages.page(buyer, path)
    said = pages.words(page)
    assert 'value="urgency@1"' in page
    assert 'value="acme/triage@1"' in page
    assert "12 calls: 4 cases, once plain and in 2 replays" in said
    assert "Start: 12 calls to scout" in said
    for place in (
        f"/prompts/{cast.prompt.pk}/reputation",
        f"/assistants/{cast.scout.pk}/trust",
        f"/assistants/{cast.scout.pk}/trust/{cast.prompt.pk}",
        f"/rituals/{lab.ritual.pk}",
        "/runs",
    ):
        assert "/runs/new" in pages.page(buyer, place)


def test_a_run_is_started_once_however_often_one_presses(buyer: Client, lab: Laboratory) -> None:
    first = pages.post(buyer, "/runs/new", **_sent(lab))
    second = pages.post(buyer, "/runs/new", **_sent(lab))
    run = RitualRun.objects.get(key="a-key")
    assert first["Location"] == second["Location"] == f"/runs/{run.pk}"
    assert (run.perturbed, run.seed, run.cost_cap_micro) == (1, 5, 500_000)
    assert run.started_by == lab.cast.as_(lab.cast.buyer).principal


def test_the_same_form_with_other_choices_asks_for_another_press(
    buyer: Client, lab: Laboratory
) -> None:
    pages.post(buyer, "/runs/new", **_sent(lab))
    answer = pages.post(buyer, "/runs/new", **_sent(lab, seed="6"))
    page = markup.read(answer)
    assert answer.status_code == 422
    assert "Press again" in page
    assert 'value="a-key"' not in page


def test_a_refusal_stands_in_the_form_and_nothing_typed_is_lost(
    buyer: Client, lab: Laboratory
) -> None:
    for changes, says in REFUSED:
        before = RitualRun.objects.count()
        sent = _sent(lab, **changes)
        answer = pages.post(buyer, "/runs/new", **sent)
        page = markup.read(answer)
        assert answer.status_code == 422
        assert says in page
        for name in ("ritual", "prompt", "frames", "seed", "cost_cap"):
            assert f'name="{name}" value="{sent[name]}"' in page
        assert RitualRun.objects.count() == before


def test_a_button_that_promised_something_else_starts_nothing(
    buyer: Client, lab: Laboratory
) -> None:
    look = markup.read(pages.post(buyer, "/runs/new", **_sent(lab, do="look")))
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', look)
    before = RitualRun.objects.count()
    stale = pages.post(buyer, "/runs/new", **_sent(lab, seen=seen, frames="9"))
    assert stale.status_code == 422
    assert "The form was changed after the cost was shown" in markup.read(stale)
    assert RitualRun.objects.count() == before
    assert pages.post(buyer, "/runs/new", **_sent(lab, seen=seen)).status_code == 302


def test_what_is_in_the_way_is_said_before_one_presses(buyer: Client, lab: Laboratory) -> None:
    sent = _sent(lab, do="look", prompt="acme/secret")
    answer = buyer.post("/runs/new", sent, headers={"HX-Request": "true"})
    part = markup.read(answer)
    assert "<html" not in part
    assert "It can't be started." in part
    assert "may not use acme/secret@1" in part
    assert " disabled" in part


def test_an_assistant_that_nobody_can_reach_is_told_so(lab: Laboratory) -> None:
    ranger = lab.cast.assistant("ranger", team=lab.cast.buyers)
    client = lab.scene.client(lab.cast.buyer)
    answer = pages.post(client, "/runs/new", **_sent(lab, assistant=ranger.pk))
    assert answer.status_code == 422
    assert "ranger has no runner" in markup.read(answer)


def test_a_memory_that_is_lacking_is_told(buyer: Client, lab: Laboratory) -> None:
    lab.cast.scout.memory.all().delete()
    answer = pages.post(buyer, "/runs/new", **_sent(lab))
    assert answer.status_code == 422
    assert "remembers nothing under house-style" in markup.read(answer)


def test_a_rehearsal_says_what_it_is_before_it_starts(seller: Client, lab: Laboratory) -> None:
    sent = _sent(lab, do="look", assistant=lab.cast.smith.pk)
    said = pages.words(markup.read(pages.post(seller, "/runs/new", **sent)))
    assert "This is a rehearsal without a language model." in said
    assert "The results do not enter the log." in said


def test_who_operates_nothing_starts_nothing(stranger: Client, lab: Laboratory) -> None:
    assert "You operate no assistant" in pages.page(stranger, "/runs/new")
    answer = pages.post(stranger, "/runs/new", **_sent(lab))
    assert answer.status_code == 403
    assert "/runs/new" not in pages.page(stranger, f"/assistants/{lab.cast.scout.pk}/trust")
    assert "/runs/new" not in pages.page(stranger, f"/prompts/{lab.cast.prompt.pk}/reputation")


def test_another_team_s_assistant_is_not_run(seller: Client, lab: Laboratory) -> None:
    before = RitualRun.objects.count()
    assert pages.post(seller, "/runs/new", **_sent(lab)).status_code == 403
    assert RitualRun.objects.count() == before
    assert Assistant.objects.get(name="scout").ritual_runs.count() == 3


def test_an_admin_may_run_anybody_s(lab: Laboratory) -> None:
    admin = lab.scene.client(lab.scene.admin)
    assert pages.post(admin, "/runs/new", **_sent(lab)).status_code == 302


def test_a_ritual_with_a_rule_set_that_is_not_there_is_told(buyer: Client, lab: Laboratory) -> None:
    definitions.load_ritual(
        text="name: odd\ntag: t\ncodices: [gone]\ncases: [{vars: {ticket: x}, assert: [{type: contains, value: a}]}]"
    )
    answer = pages.post(buyer, "/runs/new", **_sent(lab, ritual="odd"))
    assert answer.status_code == 422
    assert "No codex" in markup.read(answer)
