"""`/prompts/<id>/reputation`."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from mintmark.evidence.models import Vouch
from tests.factories.web_scene import SECRET, Scene
from tests.web import markup

pytestmark = [pytest.mark.django_db, pytest.mark.both("smoke set: the pages")]


def _page(client: Client, prompt: int, query: str = "") -> str:
    answer = client.get(f"/prompts/{prompt}/reputation{query}")
    assert answer.status_code == 200
    return markup.read(answer)


def _codes(page: str) -> list[float]:
    """Exact values of the sum: its lines, then the sum."""
    table = page.split("Exact values")[1].split("</details>")[0]
    return [float(figure) for figure in re.findall(r"<code[^>]*>([^<]+)</code>", table)]


def test_the_lines_shown_add_up_to_the_score_shown(scene: Scene, reader: Client) -> None:
    for prompt in (scene.cast.prompt, scene.fork, scene.secret, scene.never_run):
        *lines, total = _codes(_page(reader, prompt.pk))
        assert abs(float(sum(map(Decimal, lines))) - total) < 1e-12


def test_the_page_says_up_to_which_event_and_under_which_policy(
    scene: Scene, reader: Client
) -> None:
    page = _page(reader, scene.cast.prompt.pk)
    assert re.search(r"Current to event \d+", page)
    assert re.search(r"policy v\d+", page)


def test_every_kind_of_evidence_is_listed_in_plain_words(scene: Scene, reader: Client) -> None:
    page = _page(reader, scene.cast.prompt.pk)
    for words in ("measured outcome", "replay", "approval", "rating", "recall check", "rule check"):
        assert words in page.split('id="events"')[1], words
    assert "Says no prices." in page


def test_raw_and_weighted_rating_stand_side_by_side(scene: Scene, reader: Client) -> None:
    page = _page(reader, scene.cast.prompt.pk)
    assert re.search(r"Plain mean .*0\.75.* weighted ", page)
    assert "@clarity+ × 1" in page


def test_a_private_text_is_shown_to_its_team_and_to_nobody_else(scene: Scene) -> None:
    cast = scene.cast
    shown = {
        user.username: SECRET in _page(scene.client(user), scene.secret.pk)
        for user in (cast.seller, cast.buyer, cast.stranger, cast.auditor, scene.admin)
    }
    assert shown == {
        "seller": True, "buyer": False, "stranger": False, "auditor": False, "admin": True,
    }  # fmt: skip


def test_who_may_not_read_the_text_still_sees_scores_lineage_and_digest(scene: Scene) -> None:
    page = _page(scene.client(scene.cast.stranger), scene.secret.pk)
    assert scene.secret.digest in page
    assert "Sources" in page
    assert "and entitled teams can read the whole text" in page


def test_an_untouched_prompt_is_unknown_and_not_zero(scene: Scene, reader: Client) -> None:
    page = _page(reader, scene.never_run.pk)
    assert 'class="interval unknown"' in page
    assert "Ten or more runs of this prompt on any assistant would narrow it" in page
    assert "/api/v1/evidence" in page


def test_the_fork_and_its_parent_show_each_other(scene: Scene, reader: Client) -> None:
    parent, fork = scene.cast.prompt, scene.fork
    assert f"/prompts/{fork.pk}/reputation" in _page(reader, parent.pk)
    assert f"/prompts/{parent.pk}/reputation" in _page(reader, fork.pk)


def test_assistants_of_the_readers_team_are_marked(scene: Scene) -> None:
    mine = _page(scene.client(scene.cast.buyer), scene.cast.prompt.pk)
    strangers = _page(scene.client(scene.cast.stranger), scene.cast.prompt.pk)
    assert '<tr class="mine">' in mine.split('id="assistants-title"')[1].split("</section>")[0]
    assert (
        '<tr class="mine">'
        not in strangers.split('id="assistants-title"')[1].split("</section>")[0]
    )


def test_events_page_by_key_and_each_is_shown_once(scene: Scene, reader: Client) -> None:
    cast = scene.cast
    now = timezone.now() - timedelta(hours=1)
    cast.record(*[cast.outcome(score=0.5) for _ in range(60)], now=now)
    seen: list[str] = []
    query = ""
    for _ in range(4):
        page = _page(reader, cast.prompt.pk, query)
        seen += re.findall(r'id="event-(\d+)"', page)
        more = re.search(r'href="[^"]*(\?before=\d+)#evidence"', page)
        if not more:
            break
        query = more[1]
    assert len(seen) == len(set(seen)) == cast.prompt.events.count()
    assert seen == sorted(seen, key=int, reverse=True)


def test_a_fragment_of_older_events_is_the_same_list_without_the_page(
    scene: Scene, reader: Client
) -> None:
    newest = scene.cast.prompt.events.order_by("-id").first()
    assert newest is not None
    answer = reader.get(
        f"/prompts/{scene.cast.prompt.pk}/reputation?before={newest.pk}",
        headers={"HX-Request": "true"},
    )
    part = markup.read(answer)
    assert part.lstrip().startswith('<div id="events">')
    assert f'id="event-{newest.pk}"' not in part
    assert part.count('id="event-') == scene.cast.prompt.events.count() - 1


def test_evidence_as_a_file_has_every_event_with_exact_values(scene: Scene, reader: Client) -> None:
    answer = reader.get(f"/prompts/{scene.cast.prompt.pk}/evidence.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == scene.cast.prompt.events.count()
    assert {float(row["score"]) for row in rows if row["kind"] == "outcome"} == {0.7, 0.8, 0.9}
    assert {row["tags"] for row in rows if row["kind"] == "rating"} == {'["@clarity+"]'}


def test_a_prompts_own_address_leads_to_its_reputation(scene: Scene, reader: Client) -> None:
    answer = reader.get(f"/prompts/{scene.cast.prompt.pk}/")
    assert answer["Location"] == f"/prompts/{scene.cast.prompt.pk}/reputation"


def test_markup_in_names_and_notes_is_text(scene: Scene, reader: Client) -> None:
    cast = scene.cast
    cast.record(cast.claim("clause", score=0.0, note="<script>alert(1)</script>"))
    page = _page(reader, cast.prompt.pk)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_team_sees_its_own_view_first_and_the_public_one_beside_it(
    scene: Scene, reader: Client
) -> None:
    """The reader's team reports; the seller's reported nothing."""
    Vouch.objects.all().delete()
    cast = scene.cast
    cast.record(cast.outcome(score=0.0, runs=400))
    path = f"/prompts/{cast.prompt.pk}/reputation"
    own, public = reader.get(path), reader.get(f"{path}?scores=public")
    assert "What your team reported counts in full" in own.content.decode()
    assert "Show your team's view" in public.content.decode()
    own_trust, public_trust = (page.context["reputation"].trust.value for page in (own, public))
    assert own_trust < public_trust
    # Evidence ages between two requests, by some millionths.
    assert own.context["public_trust"].value == pytest.approx(public_trust, abs=1e-6)
    other = scene.client(cast.seller).get(path)
    assert "your team's view" not in other.content.decode()
    assert other.context["reputation"].trust.value == pytest.approx(public_trust, abs=1e-6)
