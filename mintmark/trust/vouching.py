"""Vouch for a reporter: what they record then counts as if this installation had run it."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role
from mintmark.common import errors
from mintmark.evidence.models import Vouch


class InvalidVouch(errors.DomainError):
    """This reporter can't be vouched for, or isn't."""

    code = "invalid_vouch"


def vouch_for(*, caller: Caller, reporter: Principal, reason: str, now: datetime) -> Vouch:
    """Vouch for a person's reports, or those of a program that uses their key, from now on.

    Takes an administrator. An assistant can't be vouched for: it would open its own gate. Raises `InvalidVouch`.
    """
    _require_admin(caller)
    if hasattr(reporter, "assistant"):
        raise InvalidVouch(
            f"{reporter.name} is an assistant and would vouch for itself: vouch for the person whose key its harness "
            "uses."
        )
    reason = reason.strip()
    if not 1 <= len(reason) <= 400 or not reason.isprintable():
        raise InvalidVouch("Give a reason of 1 to 400 printable characters; it stays on record.")
    try:
        with transaction.atomic():
            return Vouch.objects.create(
                reporter=reporter, reason=reason, given_by=caller.principal, given_at=now
            )
    except IntegrityError as clash:
        raise InvalidVouch(f"{reporter.name} is vouched for already.") from clash


def end_vouch(*, caller: Caller, reporter: Principal, now: datetime) -> Vouch:
    """Stop vouching: what the reporter records from now on is a claim. What was recorded keeps its provenance."""
    _require_admin(caller)
    with transaction.atomic():
        vouch = (
            Vouch.objects.select_for_update()
            .filter(reporter=reporter, ended_at__isnull=True)
            .first()
        )
        if vouch is None:
            raise InvalidVouch(f"Nobody vouches for {reporter.name}.")
        vouch.ended_by, vouch.ended_at = caller.principal, now
        vouch.save(update_fields=["ended_by", "ended_at"])
    return vouch


def list_vouches(*, caller: Caller) -> QuerySet[Vouch]:
    """Every vouch, ended ones included, the newest first: for administrators and auditors."""
    if not caller.has_role_anywhere(Role.AUDITOR):
        raise errors.Forbidden(
            "Administrators and auditors read whom the installation vouches for."
        )
    return Vouch.objects.select_related("reporter", "given_by", "ended_by").order_by("-pk")


def _require_admin(caller: Caller) -> None:
    caller.require_scope("admin")
    if not caller.is_admin:
        raise errors.Forbidden("Vouching for a reporter takes an administrator.")
