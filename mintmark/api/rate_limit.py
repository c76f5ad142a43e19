"""How often a caller may ask: a quota a minute for each key and session, and one for each address of all others.

Who was let in lately is known by the credential and counted by it, before the database is asked. All others take from
the quota of their address, and get back what they took once their credential turns out to be good: so keys are guessed
no faster than that, and somebody who guesses at the same address keeps nobody out who was in before.
"""

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from mintmark.ratelimit import client_ip, counters, gcra
from mintmark.ratelimit.counters import QuotaSubject
from mintmark.ratelimit.gcra import RateLimitResult, TooManyRequests

from . import problems

_REQUEST_ATTRIBUTE = "mintmark_admission"
_ADDRESS_POLICY = "address"
_REFUSAL_OPENINGS = {
    "key": "This key asked",
    "session": "This session asked",
    _ADDRESS_POLICY: "Without a key or session that is known, this address asked",
}


def rate_limit(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """`view`, for as many requests as each caller may make; every answer says how many are left."""

    @functools.wraps(view)
    def limited_view(request: HttpRequest, **values: Any) -> HttpResponseBase:
        admission = _RateLimitedRequest(request)
        setattr(request, _REQUEST_ATTRIBUTE, admission)
        response: HttpResponseBase
        try:
            admission.admit()
        except TooManyRequests as error:
            response = problems.build_problem_response(error)
        else:
            response = view(request, **values)
        admission.finish(response)
        return response

    return limited_view


def count_by_credential(request: HttpRequest) -> None:
    """The credential of this request is good, so that it counts by itself; `TooManyRequests`."""
    admission: _RateLimitedRequest | None = getattr(request, _REQUEST_ATTRIBUTE, None)
    if admission is not None:
        admission.switch_to_credential()


class _RateLimitedRequest:
    """What one request takes, and from whom."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._policy, self._credential = _read_credential(request)
        self._is_known = False
        self._last_result: tuple[str, int, RateLimitResult] | None = None

    def admit(self) -> None:
        if self._credential and counters.get_shared_quotas().is_recently_seen(self._credential):
            self._is_known = True
            self._consume_credential_quota()
        elif quota := settings.API_ANONYMOUS_PER_MINUTE:
            self._consume(_ADDRESS_POLICY, QuotaSubject.ADDRESS, self._address, quota)

    def switch_to_credential(self) -> None:
        if self._is_known:
            return
        if quota := settings.API_ANONYMOUS_PER_MINUTE:
            counters.get_shared_quotas().refund(QuotaSubject.ADDRESS, self._address, quota=quota)
        self._is_known, self._last_result = True, None
        self._consume_credential_quota()

    def finish(self, response: HttpResponseBase) -> None:
        if response.status_code == 401 and self._is_known:
            counters.get_shared_quotas().forget(self._credential)
        if self._last_result is not None:
            policy, quota, result = self._last_result
            window = int(gcra.WINDOW_SECONDS)
            response["RateLimit-Policy"] = f'"{policy}";q={quota};w={window}'
            response["RateLimit"] = f'"{policy}";r={result.remaining};t={result.seconds}'

    def _consume_credential_quota(self) -> None:
        if quota := settings.API_PER_MINUTE:
            self._consume(self._policy, QuotaSubject.CREDENTIAL, self._credential, quota)
        else:
            counters.get_shared_quotas().remember(self._credential)

    def _consume(self, policy: str, kind: QuotaSubject, subject: str, quota: int) -> None:
        result = counters.get_shared_quotas().consume(kind, subject, quota=quota)
        self._last_result = policy, quota, result
        if not result.is_allowed:
            raise TooManyRequests(
                f"{_REFUSAL_OPENINGS[policy]} {quota:,} times within a minute, which is what it may; ask again in "
                f"{result.seconds} s.",
                retry_seconds=result.seconds,
            )

    @functools.cached_property
    def _address(self) -> str:
        return client_ip.get_client_ip(
            peer=self._request.META.get("REMOTE_ADDR", ""),
            forwarded=self._request.headers.get("X-Forwarded-For", ""),
            proxies=settings.TRUSTED_PROXIES,
        )


def _read_credential(request: HttpRequest) -> tuple[str, str]:
    """What speaks for the caller, as `credentials` looks at it: a key first, and a session where there is none."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return "key", authorization.strip().partition(" ")[2].strip()
    return "session", request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
