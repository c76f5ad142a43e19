"""The reference page in a real browser, under the strict content policy of the pages."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mintmark.api import endpoints
from tests import windows
from tests.factories.api_world import PREFIX

# What the page fetched, counted there: every operation with its group.
_FETCHED = """
async () => {
  const schema = await (await fetch("/api/v1/openapi.json")).json();
  return Object.values(schema.paths).flatMap((methods) => Object.values(methods).map(({ tags }) => tags[0]));
}
"""


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    # Playwright's loop runs in this thread, and Django takes that for asynchronous code.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with windows.launched() as chromium:
        yield windows.opened(chromium).new_page()


@pytest.mark.browser
def test_the_reference_shows_every_group_and_asks_no_other_server(
    emptied_past_the_triggers: None, live_server: Any, page: Page
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    answer = page.goto(live_server.url + PREFIX + "/docs")
    assert answer is not None
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    groups = page.locator(".opblock-tag")
    expect(groups.first).to_be_visible()
    told = page.evaluate(_FETCHED)
    assert len(told) == len(endpoints.ENDPOINTS)
    assert sorted(groups.evaluate_all("all => all.map(it => it.dataset.tag)")) == sorted(set(told))
    assert page.locator(".opblock").count() == 0
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
    assert complaints == []


@pytest.mark.browser
def test_a_group_is_found_opened_and_an_operation_of_it_tried(
    emptied_past_the_triggers: None, live_server: Any, page: Page
) -> None:
    page.goto(live_server.url + PREFIX + "/docs")
    page.get_by_placeholder("Filter by tag").fill("system")
    expect(page.locator(".opblock-tag")).to_have_count(1)
    page.locator(".opblock-tag").click()
    expect(page.locator(".opblock")).to_have_count(
        sum(endpoint.tag == "system" for endpoint in endpoints.ENDPOINTS)
    )
    page.locator(".opblock").filter(has_text="/api/v1/me").locator("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text("not_authenticated")
