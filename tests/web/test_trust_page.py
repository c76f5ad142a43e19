"""`/assistants/<id>/trust`, and why a pairing is trusted."""

import csv
import io
import re
from typing import Any

import pytest
from django.test import Client

from mintmark.accounts.models import User
from mintmark.registry import assistants
from mintmark.web.scores import trust
from tests.factories.web_scene import Scene
from tests.web import markup

pytestmark = [pytest.mark.django_db, pytest.mark.both("smoke set: the pages")]


def _page(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return markup.read(answer)


def _listed(page: str) -> list[str]:
    table = page.split("<tbody data-rows>")[1].split("</tbody>")[0]
    return re.findall(r'class="name" href="[^"]+">([^<]+)<', table)


def _path(scene: Scene, query: str = "") -> str:
    return f"/assistants/{scene.cast.scout.pk}/trust{query}"


def test_every_tried_prompt_is_a_row(scene: Scene, reader: Client) -> None:
    assert sorted(_listed(_page(reader, _path(scene)))) == [
        "acme/quick-triage@1", "acme/secret@1", "acme/triage@1",
    ]  # fmt: skip


@pytest.mark.parametrize("view", trust.VIEWS)
def test_every_view_says_up_to_which_event_it_is_current(
    scene: Scene, reader: Client, view: str
) -> None:
    page = _page(reader, _path(scene, f"?view={view}"))
    assert re.search(r"Current to event \d+", page)
    assert re.search(r"policy v\d+", page)


@pytest.mark.parametrize("order", [order for order, _ in trust.ORDER_LABELS])
def test_every_order_can_be_turned_round(scene: Scene, reader: Client, order: str) -> None:
    there = _listed(_page(reader, _path(scene, f"?order={order}")))
    back = _listed(_page(reader, _path(scene, f"?order=-{order}")))
    assert len(there) == 3
    assert set(there) == set(back)
    if order in ("name", "trust", "trust_low", "resonance"):
        assert there == list(reversed(back))


def test_names_run_from_a_to_z_and_the_heading_says_so(scene: Scene, reader: Client) -> None:
    page = _page(reader, _path(scene, "?order=name"))
    assert _listed(page) == sorted(_listed(page))
    assert 'aria-sort="ascending"' in page


def test_the_matrix_is_filtered_by_words_task_and_tag(scene: Scene, reader: Client) -> None:
    assert _listed(_page(reader, _path(scene, "?q=quick"))) == ["acme/quick-triage@1"]
    assert len(_listed(_page(reader, _path(scene, f"?task={scene.cast.triage.pk}")))) == 3
    page = _page(reader, _path(scene, "?tag=nothing-has-it"))
    assert "Nothing matches" in page


def test_a_page_past_the_end_offers_the_way_back(scene: Scene, reader: Client) -> None:
    assert "Nothing matches" not in _page(reader, _path(scene))
    assert "No more rows" in _page(reader, _path(scene, "?page=9"))


def test_an_assistant_is_compared_with_another_one(scene: Scene, reader: Client) -> None:
    page = _page(reader, _path(scene, f"?with={scene.cast.smith.pk}"))
    heading = page.split("<thead>")[1].split("</thead>")[0]
    assert "smith" in heading
    assert 'title="not tried"' in page


def test_an_untried_assistant_learns_what_to_do(scene: Scene, reader: Client) -> None:
    page = _page(reader, f"/assistants/{scene.cast.smith.pk}/trust")
    assert "No prompt has been tried yet" in page
    assert "/api/v1/evidence" in page


def test_a_prompt_never_tried_is_suggested_with_its_odds(scene: Scene, reader: Client) -> None:
    untried = scene.cast.written("acme/slow-triage", "Sort {ticket} slowly and with care.")
    page = _page(reader, _path(scene)).split('id="suggestions"')[1]
    assert untried.reference in page
    assert re.search(r"\d+%", page)


def test_wording_effects_come_with_intervals_and_examples(scene: Scene, reader: Client) -> None:
    part = _page(reader, _path(scene)).split('id="wording"')[1].split("</section>")[0]
    assert part.count("90% between") >= 5
    assert "/reputation" in part


def test_the_heat_map_shows_what_the_table_shows(scene: Scene, reader: Client) -> None:
    table, heat = (_page(reader, _path(scene, f"?view={view}")) for view in ("table", "heat"))
    assert _listed(table) == _listed(heat)
    assert re.search(r'<td class="q\d+">', heat)
    assert re.search(r'<td class="d\d+">', heat)


def test_the_teams_map_marks_the_assistant_and_what_is_only_predicted(
    scene: Scene, reader: Client
) -> None:
    other = scene.cast.assistant("ranger", team=scene.cast.buyers)
    scene.cast.record(scene.cast.outcome(score=0.3, assistant=other.pk))
    page = _page(reader, _path(scene, f"?view=team&task={scene.cast.triage.pk}"))
    assert re.search(r'<td class="q\d+ own">', page)
    assert re.search(r'<td class="q\d+ guess">', page)


def test_the_file_has_every_row_exact_and_as_filtered(scene: Scene, reader: Client) -> None:
    answer = reader.get(f"/assistants/{scene.cast.scout.pk}/trust.csv?q=triage&order=name")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["prompt"] for row in rows] == ["acme/quick-triage@1", "acme/triage@1"]
    for row in rows:
        parts = [float(row[f"resonance_{part}"]) for part in ("task", "wording", "own_record")]
        assert abs(sum(parts) - float(row["resonance_score"])) < 1e-12
        assert float(row["trust_low"]) <= float(row["trust"]) <= float(row["trust_high"])


def test_a_pairing_is_explained_down_to_the_rule_it_broke(scene: Scene, reader: Client) -> None:
    page = _page(reader, _path(scene, f"/{scene.cast.prompt.pk}"))
    for words in ("How the score is built", "from the wording", "Broken rules", "Says no prices."):
        assert words in page


def test_a_pairing_never_tried_is_called_a_prediction(scene: Scene, reader: Client) -> None:
    page = _page(reader, _path(scene, f"/{scene.never_run.pk}"))
    assert "This is a prediction: the pairing was never measured" in page


def test_the_explanation_for_a_dialog_is_the_page_without_its_frame(
    scene: Scene, reader: Client
) -> None:
    path = _path(scene, f"/{scene.cast.prompt.pk}")
    part = _page(reader, path, **{"HX-Request": "true"})
    assert "<html" not in part
    assert part.lstrip().startswith("<h2>scout with")
    headings = re.findall(r"<h3>.*?</h3>", part)
    assert headings == re.findall(r"<h3>.*?</h3>", _page(reader, path))


def test_a_pairing_says_how_like_the_prompt_is_to_what_the_assistant_remembers(
    scene: Scene, settings: Any
) -> None:
    settings.EMBEDDINGS = "none"
    cast = scene.cast
    path = f"/assistants/{cast.scout.pk}/trust/{cast.prompt.pk}"

    def said(user: User) -> str:
        return markup.read(scene.client(user).get(path))

    assert "scout has no memory entries yet" in said(cast.buyer)
    assistants.store_memory(assistant=cast.scout, key="house-rule", text="Sort tickets by urgency.")
    page = said(cast.buyer)
    assert "the prompt is most similar to the entry <code>house-rule</code>" in page
    assert "It is not evidence, and no score or prediction uses it." in page
    for user in (cast.seller, cast.stranger, cast.auditor):
        page = said(user)
        assert "house-rule" not in page
        assert "Shown to users who may read both the prompt and the memory" in page
