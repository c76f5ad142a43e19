"""The start page."""

import re

import pytest
from django.test import Client

from tests.factories.cast import person
from tests.factories.web_scene import Scene
from tests.web import markup

pytestmark = [pytest.mark.django_db, pytest.mark.both("smoke set: the pages")]


def _page(client: Client, query: str = "", **headers: str) -> str:
    answer = client.get(f"/{query}", headers=headers)
    assert answer.status_code == 200
    return markup.read(answer)


def _prompts(page: str) -> list[str]:
    part = page.split('id="prompts"')[1].split("</section>")[0]
    return re.findall(r'class="name" href="[^"]+">([^<]+)<', part)


def test_prompts_stand_best_first_and_those_never_measured_last(
    scene: Scene, reader: Client
) -> None:
    listed = _prompts(_page(reader))
    assert listed[0] == "acme/triage@1"
    assert listed[-1] == "acme/never-run@1"
    assert "not measured yet" in _page(reader)


def test_prompts_and_assistants_are_found_by_part_of_their_name(
    scene: Scene, reader: Client
) -> None:
    page = _page(reader, "?q=QUICK")
    assert _prompts(page) == ["acme/quick-triage@1"]
    assert "smith" in _page(reader, "?q=smi")


def test_what_is_typed_finds_a_fragment_of_the_same_page(scene: Scene, reader: Client) -> None:
    part = _page(reader, "?q=quick", **{"HX-Request": "true"})
    assert "<html" not in part
    assert _prompts(part) == ["acme/quick-triage@1"]


def test_a_task_narrows_the_list(scene: Scene, reader: Client) -> None:
    assert "acme/never-run@1" not in _prompts(_page(reader, f"?task={scene.cast.triage.pk}"))


def test_a_tag_narrows_the_list(scene: Scene, reader: Client) -> None:
    assert _prompts(_page(reader, "?tag=new")) == ["acme/never-run@1"]


def test_a_search_without_a_find_says_how_to_go_on(scene: Scene, reader: Client) -> None:
    assert "No prompt matches" in _page(reader, "?q=zzz")


def test_the_list_pages_by_key_and_shows_each_prompt_once(scene: Scene, reader: Client) -> None:
    cast = scene.cast
    made = [cast.written(f"acme/line-{n}", f"Sort {{ticket}}, way {n}.") for n in range(45)]
    cast.record(*[cast.outcome(score=0.5, prompt=prompt.pk) for prompt in made])
    seen: list[str] = []
    query = f"?task={cast.triage.pk}"
    while query:
        page = _page(reader, query)
        seen += _prompts(page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        query = more[1].replace("&amp;", "&") if more else ""
    assert len(seen) == len(set(seen)) == 48


def test_an_empty_installation_teaches_the_next_command() -> None:
    client = Client()
    client.force_login(person("newcomer"))
    page = _page(client)
    assert "No prompts yet" in page
    assert "mintmark import multiprompt" in page
