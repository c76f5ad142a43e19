"""Who may use a prompt's text beside its own team: grants, their ends, and tombstones. All of it takes effect at
once."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.storage import locks
from mintmark.webhooks import outbox

from .models import Entitlement, Prompt, Tombstone

MAX_REASON_LENGTH = 400
BOUGHT = "bought"


class InvalidReason(errors.DomainError):
    """A change that needs a reason has none, or an invalid one."""

    code = "invalid_reason"


def lock_to_add(*, prompts: Sequence[Prompt]) -> None:
    """Lock these prompts in shared mode until the transaction ends; what was read of their access before is read
    again."""
    locks.share(Prompt, [prompt.pk for prompt in prompts])
    _forget(prompts)


def lock_to_end(*, prompt: Prompt) -> None:
    """Lock this prompt exclusively until the transaction ends, so that nobody adds what depends on it; what was read of
    its access before is read again."""
    locks.hold(Prompt, [prompt.pk])
    _forget([prompt])


def list_active_grants(*, prompt: Prompt, team_ids: frozenset[int]) -> QuerySet[Entitlement]:
    """The grants under which these teams may use a prompt now."""
    return Entitlement.objects.filter(prompt=prompt, team__in=team_ids, ended_at__isnull=True)


def list_held_grants(*, team_ids: Collection[int]) -> QuerySet[Entitlement]:
    """What these teams may use beside their own, newest first."""
    rows = Entitlement.objects.filter(
        team__in=team_ids, ended_at__isnull=True, prompt__tombstone__isnull=True
    )
    return rows.select_related("prompt__team", "team").order_by("-id")


def grant(*, caller: Caller, prompt: Prompt, team: Team, reason: str) -> Entitlement:
    """Let a team use a prompt of the caller's own team; granting again changes nothing."""
    require_author(caller, prompt)
    check_reason(reason)
    with transaction.atomic():
        lock_to_add(prompts=[prompt])
        entitlement, _ = Entitlement.objects.get_or_create(
            prompt=prompt, team=team, ended_at=None, defaults={"reason": reason[:200]}
        )
    return entitlement


def end_grant(*, entitlement: Entitlement, reason: str, now: datetime) -> bool:
    """End a grant. Returns False if it had already ended. The caller must have checked the permission."""
    with transaction.atomic():
        locks.hold(Prompt, [entitlement.prompt_id])
        ended = Entitlement.objects.filter(pk=entitlement.pk, ended_at__isnull=True).update(
            ended_at=now, end_reason=reason[:MAX_REASON_LENGTH]
        )
        if ended:
            _notify_teams(
                entitlement.prompt, [entitlement.team_id], reason=reason, for_good=False, now=now
            )
    return bool(ended)


def require_may_end(*, caller: Caller, entitlement: Entitlement) -> None:
    """Raise `Forbidden` unless the caller may revoke this grant: an author of the owning team for a granted one, an
    admin alone for a bought one."""
    if caller.is_admin:
        return
    if entitlement.reason == BOUGHT:
        raise errors.Forbidden("What was bought is revoked by an admin alone.")
    require_author(caller, entitlement.prompt)


def withdraw_permanently(
    *, caller: Caller, prompt: Prompt, reason: str, now: datetime
) -> Tombstone:
    """Withdraw a prompt everywhere and for good. The caller must be an author of its team; the first reason is
    kept."""
    require_author(caller, prompt)
    check_reason(reason)
    with transaction.atomic():
        lock_to_end(prompt=prompt)
        tombstone, is_new = Tombstone.objects.get_or_create(
            prompt=prompt, defaults={"actor": caller.principal, "reason": reason, "set_at": now}
        )
        if is_new:
            holders = Entitlement.objects.filter(prompt=prompt, ended_at__isnull=True)
            teams = {prompt.team_id, *holders.values_list("team_id", flat=True)}
            _notify_teams(prompt, teams, reason=reason, for_good=True, now=now)
    return tombstone


def build_usable_q(*, team_ids: frozenset[int] | set[int]) -> Q:
    """The condition for prompts that these teams may use: open, their own, or granted; and not withdrawn for good,
    unless their own."""
    granted = Entitlement.objects.filter(team__in=team_ids, ended_at__isnull=True).values("prompt")
    is_own = Q(team__in=team_ids)
    return is_own | (Q(tombstone__isnull=True) & (Q(is_open=True) | Q(pk__in=granted)))


def check_reason(reason: str) -> None:
    """Refuse a reason that is empty, too long or not printable."""
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH or not reason.isprintable():
        raise InvalidReason(
            f"The reason {reason[:60]!r} can't be stored: give 1 to {MAX_REASON_LENGTH} printable characters."
        )


def _forget(prompts: Sequence[Prompt]) -> None:
    """Drop cached tombstones from before the lock, cached absence included."""
    tombstone = Prompt._meta.get_field("tombstone")
    for prompt in prompts:
        if tombstone.is_cached(prompt):
            tombstone.delete_cached_value(prompt)


def _notify_teams(
    prompt: Prompt, team_ids: Collection[int], *, reason: str, for_good: bool, now: datetime
) -> None:
    outbox.enqueue(
        kind="prompt.revoked",
        team_ids=team_ids,
        data={"prompt": prompt.reference, "id": prompt.pk, "for_good": for_good, "reason": reason},
        now=now,
    )


def require_author(caller: Caller, prompt: Prompt) -> None:
    """Refuse unless the caller is an author of the prompt's team."""
    if not caller.has_role(Role.AUTHOR, team_id=prompt.team_id):
        raise errors.Forbidden("This takes the role 'author' in the prompt's team.")
