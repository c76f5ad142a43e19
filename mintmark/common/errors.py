"""The errors that a caller can cause: all derive from `DomainError`."""

from collections.abc import Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """The request can't be carried out. The message says what was wrong, with which value, and what to do.

    `code` is stable and documented; `rows` names the invalid rows of a batch, each with its own message.
    """

    code: ClassVar[str] = "not_allowed"

    def __init__(self, message: str, *, rows: Sequence["FieldError"] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.rows = tuple(rows)


class CodedError(DomainError):
    """An error of something that can be invalid in several ways: each occurrence has one of `codes`."""

    codes: ClassVar[frozenset[str]]

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]


class FieldError(dict[str, Any]):
    """One invalid row: `row` (position from 0), `field`, `value`, `message`."""

    def __init__(self, *, row: int, field: str, value: object, message: str) -> None:
        json_value = value if isinstance(value, int | float | bool | None) else str(value)[:200]
        if (isinstance(json_value, float) and json_value != json_value) or json_value in (
            float("inf"),
            float("-inf"),
        ):
            json_value = str(json_value)  # JSON has no NaN and no infinity
        super().__init__(row=row, field=field, value=json_value, message=message)


class NotFound(DomainError):
    """There is no such thing, or the caller may not see it (both look alike, so that ids reveal nothing)."""

    code = "not_found"


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    code = "forbidden"


class MissingExtra(DomainError):
    """The request needs packages that are not installed: an extra of Mintmark."""

    code = "missing_extra"


class IdempotencyKeyReused(DomainError):
    """An idempotency key was used before, with other arguments."""

    code = "idempotency_key_reused"
