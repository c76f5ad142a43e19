"""What this door itself refuses, before a verb is called; and how it refuses a file that a verb has looked at."""

from collections.abc import Sequence
from typing import Any

from mintmark.common import errors
from mintmark.signing import bundles, canonical_json, dsse, key_policy


class NotAuthenticated(errors.DomainError):
    """No key and no session, or a key that is unknown, revoked or expired."""

    code = "not_authenticated"


class CsrfFailed(errors.DomainError):
    """A write over a session without the CSRF token of that session."""

    code = "csrf_failed"


class MethodNotAllowed(errors.DomainError):
    """This path exists and does not take this method."""

    code = "method_not_allowed"


class UnsupportedMediaType(errors.DomainError):
    """A body in something else than JSON."""

    code = "unsupported_media_type"


class PreconditionFailed(errors.DomainError):
    """A read under `If-Match`, of something that is no longer what the caller holds."""

    code = "precondition_failed"


class BodyTooLarge(errors.DomainError):
    """A body beyond `MINTMARK_MAX_REQUEST_BYTES`."""

    code = "body_too_large"


class InvalidJsonBody(errors.DomainError):
    """A body that is not JSON: broken, nested too deep, or with NaN, lone surrogates or invalid UTF-8."""

    code = "invalid_json"


class InvalidCursor(errors.DomainError):
    """A `cursor` that no answer of this list gave out."""

    code = "invalid_cursor"


class InternalError(errors.DomainError):
    """A mistake of the server's own."""

    code = "internal_error"


class InvalidRequest(errors.DomainError):
    """A path, query, header or body that does not have the declared shape; `places` names each spot."""

    code = "invalid_request"

    def __init__(self, message: str, *, invalid_inputs: Sequence["InvalidInput"] = ()) -> None:
        super().__init__(message)
        self.invalid_inputs = tuple(invalid_inputs)


class FileRefused(errors.CodedError):
    """A file that was brought and is not taken in; `bundle_import` is what is kept of that, the refusal alone."""

    codes = frozenset(
        (
            *canonical_json.InvalidCanonicalJson.codes, *dsse.InvalidEnvelope.codes, *bundles.InvalidBundle.codes,
            key_policy.SigningKeyRevoked.code, key_policy.SigningKeyExpired.code, key_policy.BelowThreshold.code,
            "invalid_prompt",
        )
    )  # fmt: skip

    def __init__(self, code: str, message: str, *, bundle_import: int) -> None:
        super().__init__(code, message)
        self.bundle_import = bundle_import


class InvalidInput(dict[str, Any]):
    """Where a request is wrong: `place` (such as `query.limit`), `value` as given, `message`."""

    def __init__(self, *, location: str, value: object, message: str) -> None:
        row = errors.FieldError(row=0, field=location, value=value, message=message)
        super().__init__(place=location, value=row["value"], message=message)
