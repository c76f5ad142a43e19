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

from mintmark.accounts import addresses, quotas
from mintmark.accounts.quotas import Kind
from mintmark.core import buckets
from mintmark.core.buckets import Standing, TooManyRequests

from . import problems

_ATTRIBUTE = "mintmark_admission"
_NOBODY = "address"
_SAID = {
    "key": "This key asked",
    "session": "This session asked",
    _NOBODY: "Without a key or session that is known, this address asked",
}


def counted(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """`view`, for as many requests as each caller may make; every answer says how many are left."""

    @functools.wraps(view)
    def admitted(request: HttpRequest, **values: Any) -> HttpResponseBase:
        admission = _Admission(request)
        setattr(request, _ATTRIBUTE, admission)
        response: HttpResponseBase
        try:
            admission.enter()
        except TooManyRequests as refusal:
            response = problems.answer(refusal)
        else:
            response = view(request, **values)
        admission.leave(response)
        return response

    return admitted


def recognised(request: HttpRequest) -> None:
    """The credential of this request is good, so that it counts by itself; `TooManyRequests`."""
    admission: _Admission | None = getattr(request, _ATTRIBUTE, None)
    if admission is not None:
        admission.recognise()


class _Admission:
    """What one request takes, and from whom."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._policy, self._credential = _credential(request)
        self._is_known = False
        self._told: tuple[str, int, Standing] | None = None

    def enter(self) -> None:
        if self._credential and quotas.shared().is_known(self._credential):
            self._is_known = True
            self._take_own()
        elif quota := settings.API_ANONYMOUS_PER_MINUTE:
            self._take(_NOBODY, Kind.ADDRESS, self._address, quota)

    def recognise(self) -> None:
        if self._is_known:
            return
        if quota := settings.API_ANONYMOUS_PER_MINUTE:
            quotas.shared().give_back(Kind.ADDRESS, self._address, quota=quota)
        self._is_known, self._told = True, None
        self._take_own()

    def leave(self, response: HttpResponseBase) -> None:
        if response.status_code == 401 and self._is_known:
            quotas.shared().forget(self._credential)
        if self._told is not None:
            policy, quota, standing = self._told
            window = int(buckets.WINDOW_SECONDS)
            response["RateLimit-Policy"] = f'"{policy}";q={quota};w={window}'
            response["RateLimit"] = f'"{policy}";r={standing.left};t={standing.seconds}'

    def _take_own(self) -> None:
        if quota := settings.API_PER_MINUTE:
            self._take(self._policy, Kind.CREDENTIAL, self._credential, quota)
        else:
            quotas.shared().note(self._credential)

    def _take(self, policy: str, kind: Kind, who: str, quota: int) -> None:
        standing = quotas.shared().take(kind, who, quota=quota)
        self._told = policy, quota, standing
        if not standing.is_taken:
            raise TooManyRequests(
                f"{_SAID[policy]} {quota:,} times within a minute, which is what it may; ask again in "
                f"{standing.seconds} s.",
                retry_seconds=standing.seconds,
            )

    @functools.cached_property
    def _address(self) -> str:
        return addresses.asking(
            peer=self._request.META.get("REMOTE_ADDR", ""),
            forwarded=self._request.headers.get("X-Forwarded-For", ""),
            proxies=settings.PROXIES,
        )


def _credential(request: HttpRequest) -> tuple[str, str]:
    """What speaks for the caller, as `credentials` looks at it: a key first, and a session where there is none."""
    given = request.headers.get("Authorization")
    if given is not None:
        return "key", given.strip().partition(" ")[2].strip()
    return "session", request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
