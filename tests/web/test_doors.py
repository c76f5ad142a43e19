"""Who gets in, what is refused and how it is said."""

from typing import Any

import pytest
from django.test import Client

from tests.factories.web_scene import Scene
from tests.web import markup

pytestmark = pytest.mark.django_db

PAGES = (
    "/",
    "/prompts/{prompt}/reputation",
    "/prompts/{prompt}/evidence.csv",
    "/assistants/{assistant}/trust",
    "/assistants/{assistant}/trust?view=heat",
    "/assistants/{assistant}/trust?view=team",
    "/assistants/{assistant}/trust.csv",
    "/assistants/{assistant}/trust/{prompt}",
    "/about/scores",
)
PEOPLE = ("seller", "buyer", "stranger", "auditor", "admin")


def _path(scene: Scene, pattern: str) -> str:
    return pattern.format(prompt=scene.cast.prompt.pk, assistant=scene.cast.scout.pk)


def _person(scene: Scene, name: str) -> Any:
    return scene.admin if name == "admin" else getattr(scene.cast, name)


@pytest.mark.parametrize("pattern", PAGES)
def test_nobody_sees_a_page_without_signing_in(scene: Scene, pattern: str) -> None:
    answer = scene.client(None).get(_path(scene, pattern))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in?next=/")


def test_whoever_signs_in_sees_every_page(scene: Scene) -> None:
    for name in PEOPLE:
        client = scene.client(_person(scene, name))
        for pattern in PAGES:
            answer = client.get(_path(scene, pattern))
            assert answer.status_code == 200, (name, pattern)


@pytest.mark.parametrize("pattern", PAGES)
def test_a_page_is_only_read(scene: Scene, reader: Client, pattern: str) -> None:
    path = _path(scene, pattern)
    assert reader.post(path).status_code == 405
    assert reader.head(path).status_code == 200


@pytest.mark.parametrize("pattern", PAGES)
def test_no_page_holds_inline_style_or_script(scene: Scene, reader: Client, pattern: str) -> None:
    answer = reader.get(_path(scene, pattern))
    if answer.streaming:
        return
    page = markup.read(answer)
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick" not in page
    assert page.count("<script") == page.count("<script src=") > 0
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("path", "name", "allowed"),
    [
        ("/?task=abc", "task", "a whole number from 1"),
        ("/?after=2_1", "after", "a position in the list"),
        ("/?q=%00", "q", "printable characters"),
        ("/assistants/{assistant}/trust?order=luck", "order", "one of trust_low"),
        ("/assistants/{assistant}/trust?view=globe", "view", "one of table, heat, team"),
        ("/assistants/{assistant}/trust?page=-1", "page", "a whole number from 1"),
        ("/assistants/{assistant}/trust.csv?page=99999999999999999999", "page", "to 1000000"),
        ("/assistants/{assistant}/trust?with=me", "with", "a whole number from 1"),
        ("/prompts/{prompt}/reputation?before=x", "before", "a whole number from 1"),
        ("/prompts/{prompt}/reputation?every_relative=2", "every_relative", "one of 1, 0"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(
    scene: Scene, reader: Client, path: str, name: str, allowed: str
) -> None:
    answer = reader.get(_path(scene, path))
    assert answer.status_code == 400
    page = markup.read(answer)
    assert f"The parameter &#x27;{name}&#x27;" in page
    assert allowed in page


@pytest.mark.parametrize(
    "path",
    [
        "/prompts/999999999/reputation",
        "/prompts/999999999999999999/reputation",
        "/prompts/9999999999999999999999999/reputation",
        "/prompts/999999999/evidence.csv",
        "/assistants/999999999/trust",
        "/assistants/{assistant}/trust/999999999",
        "/assistants/{assistant}/trust?task=999999999",
        "/?task=999999999",
        "/no/such/page",
    ],
)
def test_what_does_not_exist_is_not_found_and_says_so_kindly(
    scene: Scene, reader: Client, path: str
) -> None:
    answer = reader.get(_path(scene, path))
    assert answer.status_code == 404
    assert "Page not found" in markup.read(answer)


def test_signing_in_with_a_wrong_password_says_so() -> None:
    answer = Client().post("/sign-in", {"username": "nobody", "password": "wrong"})
    assert answer.status_code == 200
    assert 'role="alert"' in markup.read(answer)


def test_signing_in_leads_to_the_page_that_was_asked_for(scene: Scene) -> None:
    client = scene.client(None)
    sent = {"username": "buyer", "password": "correct horse battery", "next": "/about/scores"}
    answer = client.post("/sign-in", sent)
    assert answer["Location"] == "/about/scores"


def test_signing_in_leads_to_no_other_site(scene: Scene) -> None:
    sent = {
        "username": "buyer",
        "password": "correct horse battery",
        "next": "https://evil.example/",
    }
    assert scene.client(None).post("/sign-in", sent)["Location"] == "/"


def test_the_theme_is_kept_and_leads_back_to_no_other_site(scene: Scene, reader: Client) -> None:
    answer = reader.post("/theme", {"next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert 'data-theme="dark"' in markup.read(reader.get("/"))
    assert reader.post("/theme", {"next": "/about/scores"})["Location"] == "/about/scores"
    assert 'data-theme="light"' in markup.read(reader.get("/"))


def test_a_form_from_elsewhere_is_refused_kindly(scene: Scene) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(scene.cast.buyer)
    answer = client.post("/theme", {"next": "/"})
    assert answer.status_code == 403
    assert "This form is out of date" in markup.read(answer)


def test_a_body_beyond_what_is_taken_is_refused_before_it_is_read(
    scene: Scene, reader: Client, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    answer = reader.post("/theme", {"theme": "x" * 1_001})
    assert answer.status_code == 413
    assert "At most 1,000 are accepted" in markup.read(answer)


def test_what_breaks_says_what_was_kept(
    scene: Scene, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mintmark.web import home

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(home, "build_context", broken)
    reader.raise_request_exception = False
    answer = reader.get("/")
    assert answer.status_code == 500
    assert "Recorded evidence is safe" in markup.read(answer)


def test_the_first_page_without_a_script_weighs_less_than_a_hundred_kilobytes(
    scene: Scene, reader: Client
) -> None:
    from django.contrib.staticfiles import finders

    page = reader.get(_path(scene, PAGES[1]), headers={"Accept-Encoding": "gzip"}).content
    files = [
        "mintmark/style.css",
        "vendor/ibm-plex/ibm-plex-sans-latin-400-normal.woff2",
        "vendor/ibm-plex/ibm-plex-sans-latin-600-normal.woff2",
        "vendor/ibm-plex/ibm-plex-serif-latin-500-normal.woff2",
    ]
    weight = len(page)
    for name in files:
        found = finders.find(name)
        assert isinstance(found, str)
        with open(found, "rb") as file:
            weight += len(file.read())
    assert weight < 100_000
