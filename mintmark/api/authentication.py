"""Who calls: a bearer key in `Authorization`, or the session of the pages with its CSRF token."""

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.security.apikey import APIKeyCookie
from ninja.security.http import HttpBearer
from ninja.utils import check_csrf

from mintmark.accounts import authentication, callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import User

from . import api_errors, rate_limit


class AuthenticatedRequest(HttpRequest):
    """A request whose caller is known and holds the scope that the endpoint takes."""

    auth: Caller


class BearerKey(HttpBearer):
    """A key of an assistant or a person. A key that is not live is refused: no session stands in for it."""

    def __init__(self, *, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller | None:
        authorization = request.headers.get(self.header)
        if authorization is None:
            return None
        scheme, _, secret = authorization.strip().partition(" ")
        if scheme.lower() != self.openapi_scheme:
            raise api_errors.NotAuthenticated(
                f"The Authorization scheme {scheme[:40]!r} is not taken; send 'Bearer' and a key."
            )
        return self.authenticate(request, secret.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        caller = authentication.authenticate(secret=token, now=timezone.now())
        if caller is None:
            raise api_errors.NotAuthenticated(
                "This key is unknown, revoked or expired; issue a new one."
            )
        return _authorize(request, caller, scope=self.scope)


class Session(APIKeyCookie):
    """A person signed in to the pages; writes carry the CSRF token in the header `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, *, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller | None:
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        user = request.user
        if not isinstance(user, User):
            return None
        if check_csrf(request) is not None:
            raise api_errors.CsrfFailed(
                "A write over a session carries the CSRF token in X-CSRFToken; read it from the page, "
                "or use a bearer key."
            )
        return _authorize(request, callers.from_user(user=user), scope=self.scope)


def build_authenticators(scope: str) -> list[BearerKey | Session]:
    """The credentials that open an endpoint: either kind, with `scope`."""
    return [BearerKey(scope=scope), Session(scope=scope)]


def _authorize(request: HttpRequest, caller: Caller, *, scope: str) -> Caller:
    rate_limit.count_by_credential(request)
    caller.require_scope(scope)
    return caller
