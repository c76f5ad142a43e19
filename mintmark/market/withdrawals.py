"""Revocations: take a prompt away from one team, or from everybody. Both act at the very next request."""

from datetime import datetime

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.deployments import injections
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement, Prompt, Tombstone

from . import listings, refunds, warranties


def revoke_entitlement(
    *, caller: Caller, entitlement: Entitlement, reason: str, now: datetime
) -> Entitlement:
    """End a team's use of a prompt, and whatever its assistants run of it.

    Who gave it may take it back; what was bought, an admin alone.
    """
    caller.require_scope("market")
    entitlements.require_may_end(caller=caller, entitlement=entitlement)
    entitlements.check_reason(reason)
    with transaction.atomic():
        # One that had ended before says nothing of what the team was granted since.
        if entitlements.end_grant(entitlement=entitlement, reason=reason, now=now):
            injections.end_injections(
                prompt=entitlement.prompt,
                ended_by=caller.principal,
                reason=f"revoked: {reason}",
                now=now,
                team_id=entitlement.team_id,
            )
    entitlement.refresh_from_db()
    return entitlement


def withdraw_permanently(
    *, caller: Caller, prompt: Prompt, reason: str, now: datetime
) -> Tombstone:
    """Withdraw a prompt from everywhere for ever: from the market, from every context, from every reader but its team.

    Prices that still wait in escrow for its warranty go back to the buyers. A seller can't take back what was sold: who
    still has a right to it is refunded by whoever sold it, in the same transaction, or nothing is withdrawn. An
    administrator may withdraw for safety; then nobody is made to refund. Raises `book.InsufficientFunds` naming what is
    lacking.
    """
    caller.require_scope("market")
    with transaction.atomic():
        entitlements.lock_to_end(prompt=prompt)
        if not caller.is_admin and not Tombstone.objects.filter(prompt=prompt).exists():
            entitlements.require_author(caller, prompt)
            refunds.refund_sold(prompt=prompt, actor=caller.principal, now=now)
        tombstone = entitlements.withdraw_permanently(
            caller=caller, prompt=prompt, reason=reason, now=now
        )
        listings.end_listing(prompt=prompt, reason=f"withdrawn for good: {reason}", now=now)
        injections.end_injections(
            prompt=prompt,
            ended_by=caller.principal,
            reason=f"withdrawn for good: {reason}",
            now=now,
        )
    # Each in a transaction of its own: together they would hold accounts that sales take in another order.
    warranties.refund_open(prompt=prompt, actor=caller.principal, now=now)
    return tombstone
