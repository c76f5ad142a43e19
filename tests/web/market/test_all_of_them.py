"""What holds of all the market's pages."""

import re

import pytest
from django.contrib.staticfiles import finders

from tests.web import markup
from tests.web.market.pages import Town

pytestmark = [pytest.mark.django_db, pytest.mark.both("smoke set: the pages")]


def _paths(town: Town) -> list[str]:
    town.curated(town.scene.secret)
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    at = f"/market/prompts/{town.listing.pk}"
    return [
        "/market/prompts", at, f"{at}/buy", f"{at}/manage", "/market/sets", "/market/sets/new",
        "/market/sets/starter", "/market/sets/starter/buy", f"/market/receipts/{town.bought()}",
        f"/prompts/{prompt.pk}/list",
    ]  # fmt: skip


def test_no_page_needs_a_script_or_a_style_of_its_own(town: Town) -> None:
    client = town.scene.client(town.scene.admin)
    for path in _paths(town):
        answer = client.get(path)
        page = markup.read(answer)
        assert answer.status_code == 200, path
        assert "<style" not in page
        assert " style=" not in page
        assert page.count("<script") == page.count("<script src=") > 0
        # What htmx does, a link or a form does too.
        for tag in re.findall(r"<(\w+)[^>]* hx-(?:get|post)=", page):
            assert tag in ("a", "form"), path


def test_nobody_sees_the_market_without_signing_in(town: Town) -> None:
    for path in _paths(town):
        assert town.scene.client(None).get(path).status_code == 302, path


def test_what_does_not_exist_is_not_found(town: Town) -> None:
    for path in (
        "/market/prompts/999999", "/market/prompts/999999/buy", "/market/prompts/999999/manage",
        "/market/sets/none", "/market/sets/none/buy", "/prompts/999999/list",
        "/market/prompts?task=999999", "/market/prompts?assistant=999999",
    ):  # fmt: skip
        assert town.seller.get(path).status_code == 404, path


def test_the_first_load_of_the_market_weighs_less_than_a_hundred_kilobytes(town: Town) -> None:
    town.stocked(24)
    page = town.buyer.get("/market/prompts", headers={"Accept-Encoding": "gzip"}).content
    weight = len(page)
    for name in (
        "mintmark/style.css", "mintmark/market.css",
        "vendor/ibm-plex/ibm-plex-sans-latin-400-normal.woff2",
        "vendor/ibm-plex/ibm-plex-sans-latin-600-normal.woff2",
        "vendor/ibm-plex/ibm-plex-serif-latin-500-normal.woff2",
    ):  # fmt: skip
        found = finders.find(name)
        assert isinstance(found, str)
        with open(found, "rb") as file:
            weight += len(file.read())
    assert weight < 100_000
