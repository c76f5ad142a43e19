"""A Chromium for tests, and windows of it that wait long: how soon a page comes on a busy machine is not tested."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests import chromium

PATIENCE_MS = 120_000


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser, until the block ends."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(chromium: Browser, **options: Any) -> BrowserContext:
    """A window of its own session, with playwright's options of a context; whatever it waits for has time."""
    context = chromium.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return context
