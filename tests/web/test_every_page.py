"""Every page is visited by the browser tests, which hold it to axe, and to the width of a desktop and of a phone."""

import pytest
from django.urls import resolve

from mintmark.web import urls

pytestmark = pytest.mark.browser

# What is no page to look at, each with its reason.
NOT_LOOKED_AT = {
    "prompt": "leads to the reputation page",
    "evidence_file": "a file",
    "trust_file": "a file",
    "wallet_file": "a file",
    "vault_file": "a file",
    "vault_folder": "a file",
    "withdrawals": "a file",
    "receipt_bundle": "a button, which leads to the bundle",
    "withdraw": "a button",
    "put_back": "a button",
    "withdraw_set": "a button",
    "countersign": "a button",
    "request_audit": "a button",
    "cancel_run": "a button",
    "resume_run": "a button",
    "stop_comparison": "a button",
    "resume_comparison": "a button",
    "logout": "a button",
    "theme": "a button",
    "login": "is looked at by a test of its own, before the sign-in",
}


def test_every_page_is_looked_at() -> None:
    from tests.web.test_browser import PATHS

    visited = {resolve(path.partition("?")[0]).url_name for path in PATHS.values()}
    there = {one.name for one in urls.urlpatterns}
    assert there - visited == NOT_LOOKED_AT.keys()
