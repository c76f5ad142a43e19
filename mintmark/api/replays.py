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
from mintmark.core import errors

from . import answers, refusals
from .models import KeptAnswer

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A write that was done: its answer, and the body that a replay shows."""

    status: int
    body: bytes
    kept: bytes
    location: str = ""


def once(*, request: HttpRequest, principal: Principal, write: Callable[[], Done]) -> HttpResponse:
    """Do `write`, or answer as it was answered before under the same key."""
    key = request.headers.get(HEADER)
    if key is None:
        done = write()
        return answers.write_answer(done.body, status=done.status, location=done.location)
    _check(key)
    now = timezone.now()
    digest = _digest(request)
    with transaction.atomic():
        KeptAnswer.objects.filter(principal=principal, created_at__lt=now - KEPT_FOR).delete()
        # A second writer with this key waits here until the first has committed or failed.
        kept, is_first = KeptAnswer.objects.get_or_create(
            principal=principal, key=key, defaults={"digest": digest, "created_at": now}
        )
        if is_first:
            done = write()
            KeptAnswer.objects.filter(pk=kept.pk).update(
                status=done.status, body=done.kept, location=done.location
            )
            return answers.write_answer(done.body, status=done.status, location=done.location)
    if bytes(kept.digest) != digest:
        raise errors.KeyReused(
            f"The {HEADER} {key!r} was used before for another request; send a new key with a new request."
        )
    return marked(
        answers.write_answer(bytes(kept.body), status=kept.status, location=kept.location)
    )


def required_key(request: HttpRequest) -> str:
    """The key of a write that needs one: the caller's own, new for each thing that he means to be done."""
    key = request.headers.get(HEADER)
    if key is None:
        message = (
            f"This write needs the header {HEADER}: make a key of your own, and send the same one again if you "
            "can't tell whether it was done."
        )
        raise refusals.InvalidRequest(
            message, places=[refusals.Place(place=f"header.{HEADER}", value=None, message=message)]
        )
    _check(key)
    return key


def marked(response: HttpResponse) -> HttpResponse:
    """An answer as that of a write which was done before under its key."""
    response["Idempotent-Replayed"] = "true"
    return response


def _check(key: str) -> None:
    if not (1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
        message = "An Idempotency-Key is 1 to 200 printable ASCII characters."
        raise refusals.InvalidRequest(
            message,
            places=[refusals.Place(place=f"header.{HEADER}", value=key, message=message)],
        )


def _digest(request: HttpRequest) -> bytes:
    asked = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(asked + request.body).digest()
