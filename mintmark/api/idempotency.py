"""`Idempotency-Key`: a write sent twice under one key is done once and answered twice.

After draft-ietf-httpapi-idempotency-key-header: the key is the caller's own, kept for a day with a digest of what was
asked; the same key for something else is refused. Only what succeeded is kept, in the transaction of the write.
Where a book holds to keys itself (purchases, gifts, evidence), the key is handed on to it, for ever.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from mintmark.accounts.models import Principal
from mintmark.common import errors

from . import api_errors, responses
from .models import IdempotentResponse

HEADER = "Idempotency-Key"
RETENTION = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedWrite:
    """A write that was done: its answer, and the body that a replay shows."""

    status: int
    body: bytes
    replay_body: bytes
    location: str = ""


def run_idempotently(
    *, request: HttpRequest, principal: Principal, write: Callable[[], CompletedWrite]
) -> HttpResponse:
    """Do `write`, or answer as it was answered before under the same key."""
    idempotency_key = request.headers.get(HEADER)
    if idempotency_key is None:
        completed = write()
        return responses.build_write_response(
            completed.body, status=completed.status, location=completed.location
        )
    _validate_key(idempotency_key)
    now = timezone.now()
    digest = _digest_request(request)
    with transaction.atomic():
        IdempotentResponse.objects.filter(
            principal=principal, created_at__lt=now - RETENTION
        ).delete()
        # A second writer with this key waits here until the first has committed or failed.
        stored, is_first = IdempotentResponse.objects.get_or_create(
            principal=principal, key=idempotency_key, defaults={"digest": digest, "created_at": now}
        )
        if is_first:
            completed = write()
            IdempotentResponse.objects.filter(pk=stored.pk).update(
                status=completed.status, body=completed.replay_body, location=completed.location
            )
            return responses.build_write_response(
                completed.body, status=completed.status, location=completed.location
            )
    if bytes(stored.digest) != digest:
        raise errors.IdempotencyKeyReused(
            f"The {HEADER} {idempotency_key!r} was used before for another request; send a new key with a new request."
        )
    return mark_replayed(
        responses.build_write_response(
            bytes(stored.body), status=stored.status, location=stored.location
        )
    )


def require_key(request: HttpRequest) -> str:
    """The key of a write that needs one: the caller's own, a new one for each operation."""
    idempotency_key = request.headers.get(HEADER)
    if idempotency_key is None:
        message = (
            f"This write needs the header {HEADER}: make a key of your own, and send the same one again if you "
            "can't tell whether it was done."
        )
        raise api_errors.InvalidRequest(
            message,
            invalid_inputs=[
                api_errors.InvalidInput(location=f"header.{HEADER}", value=None, message=message)
            ],
        )
    _validate_key(idempotency_key)
    return idempotency_key


def mark_replayed(response: HttpResponse) -> HttpResponse:
    """An answer as that of a write which was done before under its key."""
    response["Idempotent-Replayed"] = "true"
    return response


def _validate_key(idempotency_key: str) -> None:
    if not (
        1 <= len(idempotency_key) <= 200
        and idempotency_key.isascii()
        and idempotency_key.isprintable()
    ):
        message = "An Idempotency-Key is 1 to 200 printable ASCII characters."
        raise api_errors.InvalidRequest(
            message,
            invalid_inputs=[
                api_errors.InvalidInput(
                    location=f"header.{HEADER}", value=idempotency_key, message=message
                )
            ],
        )


def _digest_request(request: HttpRequest) -> bytes:
    request_line = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(request_line + request.body).digest()
