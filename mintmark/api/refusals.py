"""What this door itself refuses, before a verb is called; and how it refuses a file that a verb has looked at."""

from collections.abc import Sequence
from typing import Any

from mintmark.core import bundles, canonical_json, dsse, errors, trust_roots


class NotAuthenticated(errors.Refusal):
    """No key and no session, or a key that is unknown, revoked or expired."""

    code = "not_authenticated"


class CsrfFailed(errors.Refusal):
    """A write over a session without the CSRF token of that session."""

    code = "csrf_failed"


class MethodNotAllowed(errors.Refusal):
    """This path exists and does not take this method."""

    code = "method_not_allowed"


class UnsupportedMediaType(errors.Refusal):
    """A body in something else than JSON."""

    code = "unsupported_media_type"


class PreconditionFailed(errors.Refusal):
    """A read under `If-Match`, of something that is no longer what the caller holds."""

    code = "precondition_failed"


class BodyTooLarge(errors.Refusal):
    """A body beyond `MINTMARK_MAX_REQUEST_BYTES`."""

    code = "body_too_large"


class InvalidJson(errors.Refusal):
    """A body that is not JSON: broken, nested too deep, or with NaN, lone surrogates or invalid UTF-8."""

    code = "invalid_json"


class InvalidCursor(errors.Refusal):
    """A `cursor` that no answer of this list gave out."""

    code = "invalid_cursor"


class Internal(errors.Refusal):
    """A mistake of the server's own."""

    code = "internal_error"


class InvalidRequest(errors.Refusal):
    """A path, query, header or body that does not have the declared shape; `places` names each spot."""

    code = "invalid_request"

    def __init__(self, message: str, *, places: Sequence["Place"] = ()) -> None:
        super().__init__(message)
        self.places = tuple(places)


class FileRefused(errors.OneOf):
    """A file that was brought and is not taken in; `bundle_import` is what is kept of that, the refusal alone."""

    codes = frozenset(
        (
            *canonical_json.BadJson.codes, *dsse.BadEnvelope.codes, *bundles.BadBundle.codes,
            trust_roots.KeyRevoked.code, trust_roots.KeyExpired.code, trust_roots.BelowThreshold.code, "invalid_prompt",
        )
    )  # fmt: skip

    def __init__(self, code: str, message: str, *, bundle_import: int) -> None:
        super().__init__(code, message)
        self.bundle_import = bundle_import


class Place(dict[str, Any]):
    """Where a request is wrong: `place` (such as `query.limit`), `value` as given, `message`."""

    def __init__(self, *, place: str, value: object, message: str) -> None:
        shown = errors.Row(row=0, field=place, value=value, message=message)
        super().__init__(place=place, value=shown["value"], message=message)
