"""The desk where a prompt is put to work."""

import pytest
from django.test import Client

from mintmark.deployments.models import Injection
from mintmark.registry.models import Codex, Prompt
from tests.factories.holdings_fixture import BRIEF, ESCALATE, FORK, Holdings
from tests.web import markup
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def _inject(holdings: Holdings, prompt: Prompt, **more: str) -> dict[str, str]:
    scout = holdings.cast.scout
    slot = more.get("slot", "main")
    return {
        "do": "inject",
        "assistant": str(scout.pk),
        "slot": slot,
        "seen": f"{scout.pk} {slot}",
    } | more


def test_the_desk_shows_every_gate_and_what_is_replaced(holdings: Holdings, buyer: Client) -> None:
    scout = holdings.cast.scout
    page = pages.page(buyer, f"/prompts/{holdings.forked.pk}/inject?assistant={scout.pk}")
    assert "Can its team use the prompt?" in page
    assert "scout asks for 0.90" in page
    assert "no, but you can override it" in page
    assert "The slot <strong>main</strong> holds" in page
    assert "replacing acme/incident-brief@1" in page
    assert FORK not in page


def test_a_prompt_is_put_to_work_once_with_its_variables(holdings: Holdings, buyer: Client) -> None:
    sent = _inject(holdings, holdings.forked, slot="line", override_reason="tried by hand") | {
        "var.incident": "#12"
    }
    for _ in range(2):
        status, to, _ = pages.post(buyer, f"/prompts/{holdings.forked.pk}/inject", **sent)
        assert (status, to) == (302, pages.context(holdings))
    one = Injection.objects.get(prompt=holdings.forked)
    assert (one.slot, one.variables, one.overridden) == ("line", {"incident": "#12"}, ["trust"])
    assert "gets it from its next request" in pages.page(buyer, pages.context(holdings))


def test_a_closed_gate_wants_a_reason(holdings: Holdings, buyer: Client) -> None:
    sent = _inject(holdings, holdings.forked)
    status, _, page = pages.post(buyer, f"/prompts/{holdings.forked.pk}/inject", **sent)
    assert status == 422
    assert "An operator may override this with a reason" in page
    assert not Injection.objects.filter(prompt=holdings.forked).exists()


def test_what_was_not_bought_cannot_be_put_to_work_and_its_clauses_tell_nothing(
    holdings: Holdings, buyer: Client
) -> None:
    spy = Codex.objects.create(
        name="spy",
        clauses=[
            {
                "id": "a", "text": "says wake", "severity": "block", "applies_to": "prompt",
                "check": {"kind": "not-contains", "value": "wake"},
            }
        ],
    )  # fmt: skip
    spy.assistants.add(holdings.cast.scout)
    path = f"/prompts/{holdings.escalate.pk}/inject"
    shown = pages.page(buyer, f"{path}?assistant={holdings.cast.scout.pk}")
    assert "buy it first" in shown
    assert "Buy it for 9 credits" in shown
    assert 'value="inject"' not in shown
    status, _, page = pages.post(
        buyer, path, **_inject(holdings, holdings.escalate, override_reason="because")
    )
    assert status == 422
    for body in (shown, page):
        assert "says wake" not in body
        assert ESCALATE not in body


def test_another_assistant_than_the_button_said_is_looked_at_first(
    holdings: Holdings, buyer: Client
) -> None:
    sent = _inject(holdings, holdings.digest, slot="other") | {"seen": "1 main"}
    status, _, page = pages.post(buyer, f"/prompts/{holdings.digest.pk}/inject", **sent)
    assert status == 422
    assert "The form was changed after the check" in page
    assert not Injection.objects.filter(slot="other").exists()


@pytest.mark.parametrize("slot", ["Main", "9", "a b", "x" * 65])
def test_a_slot_that_cannot_be_named_so_is_refused(
    holdings: Holdings, buyer: Client, slot: str
) -> None:
    sent = _inject(holdings, holdings.brief, slot=slot)
    status, _, page = pages.post(buyer, f"/prompts/{holdings.brief.pk}/inject", **sent)
    assert status == 422
    assert "use 1 to 64 of a-z" in page


def test_an_assistant_of_others_is_not_offered_and_not_taken(
    holdings: Holdings, buyer: Client, stranger: Client
) -> None:
    smith = holdings.cast.smith
    path = f"/prompts/{holdings.brief.pk}/inject"
    assert "smith" not in pages.page(buyer, f"{path}?assistant={smith.pk}")
    sent = _inject(holdings, holdings.brief) | {
        "assistant": str(smith.pk),
        "seen": f"{smith.pk} main",
    }
    assert pages.post(buyer, path, **sent)[0] == 422
    assert not Injection.objects.filter(assistant=smith).exists()
    assert "You operate no assistant" in pages.page(stranger, path)
    assert BRIEF not in pages.page(stranger, path)


def test_the_gates_come_as_a_fragment_while_one_chooses(holdings: Holdings, buyer: Client) -> None:
    answer = buyer.post(
        f"/prompts/{holdings.digest.pk}/inject",
        {"assistant": holdings.cast.scout.pk, "slot": "evening"},
        headers={"HX-Request": "true"},
    )
    part = markup.read(answer)
    assert "<html" not in part
    assert part.lstrip().startswith('<section class="sheet" id="look"')
    assert "The prompt is already at work in this slot" in part
