"""What a request is said to be never keeps it from being read, and never makes the server fail."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import BadRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from mintmark.config import wsgi
from mintmark.web import content_types

FORM = "application/x-www-form-urlencoded"
# Codecs that decode no text or fail where they can't, none at all, and RFC 2231's way to say one.
CHARSETS = [
    "charset=hex", "charset=undefined", "charset=idna", "charset=punycode", "charset=rot13", "charset=none-such",
    "charset=utf-16", 'Charset = "zlib"', "charset*=hex''utf-8", "name*=none-such''x", f"name={'x' * 20_000}",
]  # fmt: skip


@pytest.fixture
def served(db: None) -> Iterator[Client]:
    """What is served, from its entry point on; Django's own client begins behind it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield Client(wsgi.application)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _sent(client: Client, method: str, path: str, kind: str, body: bytes = b"") -> TestResponse:
    return client.open(path, method=method, data=body, headers={"Content-Type": kind})


@pytest.mark.parametrize("parameter", CHARSETS)
def test_a_page_and_an_endpoint_answer_whatever_charset_is_named(
    served: Client, parameter: str
) -> None:
    kind = f"application/json; {parameter}"
    assert _sent(served, "GET", "/sign-in?next=/%C3%A9", kind).status_code == 200
    assert _sent(served, "GET", "/api/v1/prompts?search=%C3%A9", kind).status_code == 401
    answer = _sent(served, "POST", "/api/v1/keys", kind, b'{"scopes": ["read"]}')
    assert (answer.status_code, answer.json["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(
    "parameter", [p for p in CHARSETS if p.lower().startswith(("charset=", "charset "))]
)
def test_a_form_in_another_charset_is_refused(parameter: str) -> None:
    kind = content_types.sanitise_content_type(f"{FORM}; {parameter}")
    with pytest.raises(BadRequest):
        _ = RequestFactory().generic("POST", "/", b"name=%E9", content_type=kind).POST


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=UTF-8", f'{FORM};charset="utf-8"'])
def test_a_form_in_utf_8_is_read(kind: str) -> None:
    kind = content_types.sanitise_content_type(kind)
    form = RequestFactory().generic("POST", "/", b"name=Zo%C3%AB", content_type=kind).POST
    assert form["name"] == "Zoë"


@given(kind=st.text(st.characters(max_codepoint=255)))
def test_whatever_it_says_some_header_remains_that_names_no_other_charset(kind: str) -> None:
    left = content_types.sanitise_content_type(kind)
    assert content_types.sanitise_content_type(left) == left
    assert left.partition(";")[0] == kind[:1_000].partition(";")[0]


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=\"a b\"", "text/csv; header=present", ""]
)  # fmt: skip
def test_what_can_be_read_is_left_alone(kind: str) -> None:
    assert content_types.sanitise_content_type(kind) == kind
