"""A server of several processes counts as one; a proxy that it trusts says for whom it asks."""

import time
from http.client import HTTPConnection, HTTPResponse

import pytest

from tests import installations


def _asked(port: int, **headers: str) -> HTTPResponse:
    """An answer over a connection of its own, so that any of the processes may give it."""
    caller = HTTPConnection("127.0.0.1", port, timeout=60)
    caller.request(
        "GET",
        "/api/v1/me",
        headers={name.replace("_", "-"): text for name, text in headers.items()},
    )
    answer = caller.getresponse()
    answer.read()
    caller.close()
    return answer


def test_all_processes_count_together_by_the_address_that_a_proxy_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINTMARK_API_ANONYMOUS_PER_MINUTE", "30")
    monkeypatch.setenv("MINTMARK_TRUSTED_PROXIES", "127.0.0.1")
    with installations.installation() as installation, installation.served(workers=2) as port:
        begun = time.monotonic()
        answers = [_asked(port) for _ in range(90)]
        trickled = (time.monotonic() - begun) * 30 / 60
        passed = sum(answer.status == 401 for answer in answers)
        assert 30 <= passed <= 30 + trickled + 1
        assert {answer.status for answer in answers} == {401, 429}
        assert answers[0].headers["RateLimit-Policy"] == '"address";q=30;w=60'
        assert {answer.headers["Retry-After"] for answer in answers if answer.status == 429} <= {
            "1",
            "2",
        }
        assert _asked(port, X_Forwarded_For="198.51.100.7, 203.0.113.9").status == 401
