"""The pages of comparisons: started, watched, stopped, gone on with, by those who may."""

import copy
import re

import pytest
from django.test import Client

from mintmark.experiments import decision, sequential_test
from mintmark.rituals import comparisons
from mintmark.rituals.models import Comparison
from mintmark.web.charts import confidence_sequence
from tests.factories.runs_fixture import Laboratory
from tests.factories.web_scene import Scene
from tests.standing import standing
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db


@pytest.fixture
def built_comparisons(built_lab: Laboratory) -> Laboratory:
    lab: Laboratory = standing("comparisons", _compared, upon="laboratory")
    return lab


@pytest.fixture
def lab(scene: Scene, built_comparisons: Laboratory) -> Laboratory:
    return built_comparisons


def _compared(lab: Laboratory) -> Laboratory:
    mine = copy.deepcopy(lab)
    mine.compare()
    return mine


def typed(lab: Laboratory, **changes: object) -> dict[str, object]:
    """The form of a comparison as a browser sends it."""
    return {
        "first": lab.cast.prompt.reference,
        "second": lab.scene.fork.reference,
        "ritual": "urgency@1",
        "assistant": lab.tinker.pk,
        "margin": 5,
        "alpha": "0.05",
        "most_pairs": 40,
        "seed": 0,
        "cost_cap": "0.5",
        "key": "pressed",
        "do": "start",
    } | changes


def test_the_list_says_what_each_said(buyer: Client, lab: Laboratory) -> None:
    said = pages.words(pages.page(buyer, "/comparisons"))
    better = "acme/careful-triage@1"
    assert (
        f"{better} or acme/quick-triage@1 on urgency@1 tinker rehearsal {better} is better" in said
    )
    assert re.search(r"scout open – 0 queued", said)
    waits = pages.words(pages.page(buyer, "/comparisons?state=queued"))
    assert "scout open" in waits
    assert "tinker rehearsal" not in waits
    assert "No comparison matches" in pages.page(
        buyer, f"/comparisons?assistant={lab.cast.smith.pk}"
    )


def test_a_comparison_says_its_verdict_its_interval_and_its_cases(
    buyer: Client, lab: Laboratory
) -> None:
    told = comparisons.get_progress(lab.compared)
    assert told.result.pairs > 10
    page = pages.page(buyer, f"/comparisons/{lab.compared.pk}")
    said = pages.words(page)
    assert f"{told.result.pairs} of at most 1,000 pairs" in said
    assert '<p class="verdict in-words">acme/careful-triage@1 is better</p>' in page
    assert "This interval holds with a probability of 95%, however often you look." in said
    assert "without a language model" in said
    assert page.count("<title>after") == lab.compared.looks.count() > 1
    for case in ("outage", "refund", "typo", "style"):
        assert case in said
    assert "hx-trigger" not in page


def test_one_under_way_is_asked_again_by_itself(buyer: Client, lab: Laboratory) -> None:
    path = f"/comparisons/{lab.matching.pk}"
    page = pages.page(buyer, path)
    assert f'hx-get="{path}" hx-trigger="every 2s"' in page
    assert "No data yet" in pages.words(page)
    part = markup.read(buyer.get(path, headers={"HX-Request": "true"}))
    assert "<html" not in part and "Result so far" in part


def test_of_other_teams_it_does_not_exist(
    seller: Client, stranger: Client, lab: Laboratory
) -> None:
    for client in (seller, stranger):
        pages.page(client, f"/comparisons/{lab.compared.pk}", status=404)
        assert "No comparisons yet" in pages.page(client, "/comparisons")
        for verb in ("stop", "resume"):
            answer = pages.post(client, f"/comparisons/{lab.matching.pk}/{verb}")
            assert answer.status_code == 404
    lab.matching.refresh_from_db()
    assert lab.matching.state == Comparison.State.QUEUED


def test_it_is_stopped_and_goes_on(buyer: Client, lab: Laboratory) -> None:
    path = f"/comparisons/{lab.matching.pk}"
    assert pages.post(buyer, f"{path}/stop")["Location"] == path
    assert "The comparison was stopped" in pages.page(buyer, path)
    refused = pages.post(buyer, f"{path}/resume", most_pairs=20, cost_cap="cheap")
    assert refused.status_code == 422
    assert "cost_cap" in markup.read(refused) and 'value="cheap"' in markup.read(refused)
    pages.post(buyer, f"{path}/resume", most_pairs=2_000, cost_cap="")
    lab.matching.refresh_from_db()
    assert (lab.matching.state, lab.matching.most_pairs) == ("queued", 2_000)


def test_a_comparison_is_started_once_however_often_one_presses(
    buyer: Client, lab: Laboratory
) -> None:
    before = Comparison.objects.count()
    first = pages.post(buyer, "/comparisons/new", **typed(lab))
    second = pages.post(buyer, "/comparisons/new", **typed(lab))
    assert first["Location"] == second["Location"]
    made = Comparison.objects.latest("id")
    assert Comparison.objects.count() == before + 1
    assert (made.margin, made.alpha, made.most_pairs) == (0.05, 0.05, 40)
    assert made.cost_cap_micro == 500_000
    other = pages.post(buyer, "/comparisons/new", **typed(lab, margin=10))
    assert "has already started another comparison" in markup.read(other)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"second": "acme/triage@1"}, "compared with itself"),
        ({"second": "acme/none"}, "acme/none"),
        ({"ritual": "none"}, "none"),
        ({"cost_cap": "-1"}, "cost_cap"),
    ],
)
def test_what_cannot_be_compared_says_why_and_keeps_what_was_typed(
    buyer: Client, lab: Laboratory, changes: dict[str, object], says: str
) -> None:
    before = Comparison.objects.count()
    answer = pages.post(buyer, "/comparisons/new", **typed(lab, **changes))
    page = markup.read(answer)
    assert answer.status_code == 422
    assert says in page and "Your input is still in the form" in page
    for value in changes.values():
        assert f'value="{value}"' in page
    assert Comparison.objects.count() == before


def test_the_form_says_what_it_takes_before_anything_is_asked(
    buyer: Client, seller: Client, stranger: Client, lab: Laboratory
) -> None:
    query = f"?first={lab.cast.prompt.pk}&second={lab.scene.fork.pk}&ritual={lab.ritual.pk}&assistant={lab.tinker.pk}"
    said = pages.words(pages.page(buyer, f"/comparisons/new{query}"))
    assert "At most 1,000 pairs, two calls each, drawn from 4 cases" in said
    assert "Compare with tinker" in said
    assert "You operate no assistant" in pages.page(stranger, "/comparisons/new")
    answer = pages.post(seller, "/comparisons/new", **typed(lab))
    assert answer.status_code == 403


def test_the_chart_narrows_and_holds_what_is_wider_than_its_axis() -> None:
    points = [
        confidence_sequence.DifferencePoint(pairs=10, mean=0.2, low=-0.9, high=0.9),
        confidence_sequence.DifferencePoint(pairs=40, mean=0.1, low=0.02, high=0.18),
    ]
    line = confidence_sequence.build_difference_chart(points, margin=0.03)
    assert line is not None
    assert [label for _, label in line.grid] == ["−20", "−10", "0", "+10", "+20"]
    assert [x for x, _, _ in line.marks] == [25.0, 100.0]
    assert line.equal_top < 98 < line.equal_top + line.equal_height
    heights = [float(y) for y in re.findall(r",([0-9.]+)", line.band)]
    assert min(heights) == 8.0 and max(heights) == 188.0
    assert confidence_sequence.build_difference_chart([], margin=0.03) is None


def test_margins_and_error_rates_on_offer_can_be_asked() -> None:
    from mintmark.web.measuring import comparison_form

    begun = sequential_test.start(weights=[1.0, 2.0])
    for margin in comparison_form.MARGINS:
        for alpha in comparison_form.ERROR_RATES:
            assert decision.evaluate(begun, alpha=float(alpha), margin=margin / 100.0).pairs == 0
