"""What a request says is read as UTF-8, whatever charset it names."""

import pytest
from django.test import Client

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("charset", ["hex", "undefined", "idna", "punycode", "utf-16"])
def test_a_page_is_shown_whatever_charset_is_named(db: None, charset: str) -> None:
    kind = f"text/html; charset={charset}"
    response = Client().generic("GET", "/sign-in?next=/%C3%A9", content_type=kind)
    assert (response.status_code, response.wsgi_request.GET["next"]) == (200, "/é")


@pytest.mark.parametrize("charset", ["latin-1", "hex", "utf-16"])
def test_a_form_in_another_charset_is_refused(db: None, charset: str) -> None:
    kind = f"{FORM}; charset={charset}"
    response = Client().generic("POST", "/sign-in", b"username=\xe9", content_type=kind)
    assert response.status_code == 400


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=UTF-8"])
def test_a_form_in_utf_8_is_read(db: None, kind: str) -> None:
    response = Client().generic("POST", "/sign-in", "username=é".encode(), content_type=kind)
    assert response.wsgi_request.POST["username"] == "é"
