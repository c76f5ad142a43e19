"""`/prompts/<id>/fork`: the editor, what it foresees, what it registers, and what is missing where it can't."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from mintmark.market.models import RoyaltyTerm
from mintmark.registry.models import Prompt
from mintmark.trust.results import EditFeatureEffect
from mintmark.web.scores import foresight_panel
from tests.factories.holdings_fixture import BRIEF, DIGEST, Holdings
from tests.web import markup

pytestmark = pytest.mark.django_db

EDITED = BRIEF.replace("in three sentences", "step by step").replace("Brief:", "Answer:")


@pytest.fixture
def buyer(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.buyer)


@pytest.fixture
def seller(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.seller)


def _path(prompt: Prompt) -> str:
    return f"/prompts/{prompt.pk}/fork"


def _sent(holdings: Holdings, **changes: Any) -> dict[str, Any]:
    """The form of a fork that is taken."""
    team = holdings.cast.buyers.pk
    return {
        "do": "register",
        "text": EDITED.replace("\n", "\r\n"),  # as browsers send it
        "namespace": "buyers",
        "name": "brief-in-steps",
        "title": "A brief in steps",
        "change": ["@clarity+"],
        "more_changes": "@steps+",
        "tags": "task:triage brief",
        "team": team,
        "seen_team": team,
        "licence": "",
        "forked_by": holdings.cast.scout.pk,
    } | changes


def _post(client: Client, prompt: Prompt, sent: dict[str, Any], **headers: str) -> HttpResponse:
    return client.post(_path(prompt), sent, headers=headers)  # type: ignore[return-value]


def test_the_editor_opens_with_the_parents_text_and_says_that_nothing_changed(
    holdings: Holdings, buyer: Client
) -> None:
    page = markup.read(buyer.get(_path(holdings.brief)))
    typed = re.search(r'<textarea name="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert typed
    assert typed[1] == BRIEF
    assert "The text is still the same as the parent's" in page
    assert "No change: the text is the same." in page


def test_an_edit_shows_its_difference_and_the_trust_it_would_have_for_each_assistant(
    holdings: Holdings, buyer: Client
) -> None:
    ranger = holdings.cast.assistant("ranger", team=holdings.cast.buyers)
    answer = _post(buyer, holdings.brief, {"text": EDITED}, **{"HX-Request": "true"})
    part = markup.read(answer)
    assert part.lstrip().startswith('<div id="look"')
    assert "<ins>+ Answer:</ins>" in part
    assert "<del>− Brief:</del>" in part
    for name in ("scout", ranger.name):
        assert f">{name}</a>" in part
    assert part.count("<title>parent 0.") == 2
    assert "now: closing “A:” or “Answer:”" in part
    assert "rest of the wording" in part


def test_without_a_script_the_preview_button_shows_the_same_and_keeps_what_was_typed(
    holdings: Holdings, buyer: Client
) -> None:
    sent = _sent(holdings, do="look", name="kept-name")
    page = markup.read(_post(buyer, holdings.brief, sent))
    assert "<ins>+ Answer:</ins>" in page
    assert 'value="kept-name"' in page
    assert re.search(r'value="@clarity\+" checked', page)
    assert not Prompt.objects.filter(name="kept-name").exists()


def test_it_says_plainly_that_it_is_a_prediction_and_how_well_such_have_held(
    holdings: Holdings, buyer: Client
) -> None:
    page = markup.read(buyer.get(_path(holdings.brief)))
    assert "This is a prediction from the wording, not a measurement" in page
    assert "Fewer than ten prompts were measured here so far" in page
    cast = holdings.cast
    made = [cast.written(f"acme/line-{n}", f"Sort {{ticket}}, way {n}.") for n in range(12)]
    cast.record(*[cast.outcome(score=n / 12, prompt=one.pk) for n, one in enumerate(made)])
    page = markup.read(buyer.get(_path(holdings.brief)))
    assert re.search(r"For the newest 1\d prompts, the mean error of the prediction", page)


def test_the_sum_of_what_moved_it_is_the_change(holdings: Holdings) -> None:
    told = foresight_panel.build_foresight(
        text=EDITED, parent=holdings.brief, assistants=[holdings.cast.scout], now=holdings.now
    )
    row = told["rows"][0]
    parts = sum(one.effect for one in row.moves) + row.rest
    assert abs(parts - row.change.effect) < 1e-12


@pytest.mark.parametrize(
    ("label", "counted", "before", "after", "words"),
    [
        ("polite", False, 0.0, 1.0, "now: polite"),
        ("polite", False, 1.0, 0.0, "no longer: polite"),
        ("more colons", True, 0.0, 0.7, "more colons"),
        ("more colons", True, 0.7, 0.0, "fewer colons"),
        ("longer text", True, 2.0, 1.0, "shorter text"),
        ("more text after the last placeholder", True, 2.0, 1.0, "less text after the last placeholder"),
        ("the first placeholder comes later", True, 2.0, 1.0, "the first placeholder comes earlier"),
    ],
)  # fmt: skip
def test_what_an_edit_does_to_the_wording_is_said_in_words(
    label: str, counted: bool, before: float, after: float, words: str
) -> None:
    effect = EditFeatureEffect(
        name="n", label=label, counted=counted, before=before, after=after, effect=0.0, low=0.0, high=0.0
    )  # fmt: skip
    assert foresight_panel.describe_effect(effect) == words


@pytest.mark.parametrize("text", ["", "   ", "\r\n"])
def test_an_empty_text_is_refused_while_one_types(
    holdings: Holdings, buyer: Client, text: str
) -> None:
    answer = _post(buyer, holdings.brief, {"text": text}, **{"HX-Request": "true"})
    assert answer.status_code == 200
    assert "The text is empty" in markup.read(answer)


def test_a_fork_is_registered_once_and_leads_to_listing_it(
    holdings: Holdings, buyer: Client
) -> None:
    for _ in range(2):
        answer = _post(buyer, holdings.brief, _sent(holdings))
        made = Prompt.objects.get(name="brief-in-steps")
        assert answer["Location"] == f"/prompts/{made.pk}/reputation"
    assert (made.text, made.parent, made.team) == (EDITED, holdings.brief, holdings.cast.buyers)
    assert made.mutation_note == "@clarity+ @steps+"
    assert made.tags == ["task:triage", "brief"]
    assert made.licence == "CC-BY-SA-4.0"
    assert made.forked_by == holdings.cast.scout
    assert RoyaltyTerm.objects.get(prompt=made).rate_bp == 1_000
    page = markup.read(buyer.get(answer["Location"]))
    assert "buyers/brief-in-steps@1 is registered" in page
    assert f"/prompts/{made.pk}/list" in page


def test_what_its_sales_will_owe_is_said_before(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    page = markup.read(buyer.get(_path(holdings.brief)))
    assert re.search(r"<strong>10%</strong> of the price after the platform fee, to seller", page)
    guest = holdings.scene.client(holdings.guest)
    theirs = markup.read(guest.get(_path(holdings.forked)))
    assert re.search(r"<strong>10%</strong> of the price after the platform fee, to seller", theirs)
    own = markup.read(seller.get(_path(holdings.brief)))
    assert "None. Only the platform fee is taken" in own
    assert "it becomes the next revision" in own


def test_a_licence_that_forks_keep_is_the_only_choice(holdings: Holdings, buyer: Client) -> None:
    page = markup.read(buyer.get(_path(holdings.brief)))
    licence = page.split('<select name="licence">')[1].split("</select>")[0]
    assert licence.count("<option") == 1
    answer = _post(buyer, holdings.brief, _sent(holdings, licence="MIT"))
    assert answer.status_code == 422
    assert "stay under its licence" in markup.read(answer)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"text": BRIEF}, "unchanged"),
        ({"change": [], "more_changes": ""}, "name 1 to 8"),
        ({"more_changes": "better!"}, "such as &#x27;@tone-shift&#x27;"),
        ({"namespace": "Not Mine"}, "A namespace is"),
        ({"namespace": "acme", "name": "incident-brief"}, "belongs to another team"),
        ({"text": "Sort \u202e{incident}."}, "hides"),
        ({"seen_team": "0"}, "Another team was chosen"),
    ],
)
def test_a_fork_that_cannot_be_made_is_refused_and_what_was_typed_stays(
    holdings: Holdings, buyer: Client, wrong: dict[str, Any], says: str
) -> None:
    before = Prompt.objects.count()
    answer = _post(buyer, holdings.brief, _sent(holdings, **wrong))
    page = markup.read(answer)
    assert answer.status_code == 422
    assert says in page
    assert 'value="A brief in steps"' in page
    assert Prompt.objects.count() == before


def test_another_teams_assistant_cannot_be_named_as_the_one_that_forked(
    holdings: Holdings, buyer: Client
) -> None:
    answer = _post(buyer, holdings.brief, _sent(holdings, forked_by=holdings.cast.smith.pk))
    assert answer.status_code == 422
    assert not Prompt.objects.filter(name="brief-in-steps").exists()


def test_who_may_not_fork_is_told_what_is_missing_and_sees_no_text(
    holdings: Holdings, buyer: Client
) -> None:
    scene = holdings.scene
    stranger, guest = scene.client(holdings.cast.stranger), scene.client(holdings.guest)
    for client, prompt, says in (
        (stranger, holdings.brief, "takes the role &#x27;author&#x27;"),
        (guest, holdings.brief, "those who bought it"),
        (buyer, holdings.digest, "does not allow changed texts"),
    ):
        text = BRIEF if prompt == holdings.brief else DIGEST
        for answer in (
            client.get(_path(prompt)),
            _post(client, prompt, _sent(holdings)),
            _post(client, prompt, {"text": "x"}, **{"HX-Request": "true"}),
        ):
            page = markup.read(answer)
            assert answer.status_code == 403
            assert says in page
            assert text.splitlines()[0] not in page
            assert "<del>" not in page
    assert not Prompt.objects.filter(name="brief-in-steps").exists()
    assert "Buy it for 12.5 credits" in markup.read(guest.get(_path(holdings.brief)))


def test_markup_in_a_text_is_text(holdings: Holdings, buyer: Client) -> None:
    sent = {"text": "</textarea><script>alert(1)</script> {incident}", "do": "look"}
    page = markup.read(_post(buyer, holdings.brief, sent))
    assert "<script>alert" not in page
    assert "&lt;/textarea&gt;&lt;script&gt;" in page
