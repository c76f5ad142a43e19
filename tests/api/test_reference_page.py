"""The reference page in a real browser, under the strict content policy of the pages."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from mintmark.api import routes
from tests import browser

from .world import PREFIX


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    # Playwright's loop runs in this thread, and Django takes that for asynchronous code.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=["--no-sandbox"])
        yield chromium.new_page()
        chromium.close()


@pytest.mark.browser
def test_the_reference_shows_every_endpoint_and_asks_no_other_server(
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
    page.wait_for_selector(".opblock")
    page.wait_for_load_state("networkidle")
    assert page.locator(".opblock").count() == len(routes.ENDPOINTS)
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
    assert complaints == []
    page.locator(".opblock").filter(has_text="/api/v1/me").locator("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.wait_for_selector(".live-responses-table")
    assert "not_authenticated" in page.locator(".live-responses-table").inner_text()
