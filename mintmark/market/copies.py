"""A near-copy of what another team lists is not listed without its royalty, or a treasurer's decision."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError, transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.registry import interests, near_copies, prompts
from mintmark.registry.models import NearCopy, Prompt

from .models import CopyDecision, PromptTokenListing


class CopiedPrompt(errors.DomainError):
    """A prompt holds most of one that another team listed before; the message says which, and what to do."""

    code = "copied_prompt"


class InvalidCopyDecision(errors.DomainError):
    """A near-copy can't be allowed as asked; the message says why."""

    code = "invalid_copy_decision"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedText:
    """An earlier prompt that a prompt holds most of: whether it was ever listed, and the decision that allows it."""

    original: Prompt
    likeness: float
    was_listed: bool
    decision: CopyDecision | None


def list_copied_for(*, caller: Caller, prompt: Prompt) -> list[CopiedText]:
    """What a prompt is a near-copy of, as far as this caller may know: all of it for treasurers and administrators,
    else what was listed or what they may read.

    They see a likeness to the tenth below: exact ones would show how near a guess comes to a text that they may not
    read.
    """
    copied = list_copied(prompt=prompt)
    if caller.has_role(Role.TREASURER, team_id=None):
        return copied
    ids = [each.original.pk for each in copied]
    readable = prompts.readable_by(caller=caller).filter(pk__in=ids)
    readable_ids = set(readable.values_list("pk", flat=True))
    return [
        replace(each, likeness=_round_down(each.likeness))
        for each in copied
        if each.was_listed or each.original.pk in readable_ids
    ]


def list_copied(*, prompt: Prompt) -> list[CopiedText]:
    """What a prompt is a near-copy of, the most alike first; for the market's own use."""
    rows = near_copies.list_originals(prompt=prompt)
    ids = [row.original_id for row in rows]
    listed = set(PromptTokenListing.objects.filter(prompt__in=ids).values_list("prompt", flat=True))
    decisions = {
        decision.original_id: decision
        for decision in CopyDecision.objects.filter(prompt=prompt).select_related("decided_by")
    }
    return [
        CopiedText(
            original=row.original,
            likeness=row.likeness,
            was_listed=row.original_id in listed,
            decision=decisions.get(row.original_id),
        )
        for row in rows
    ]


def require_no_copy(*, prompt: Prompt) -> None:
    """Refuse a near-copy of what another team listed, unless it was decided that it may stand. Raises
    `CopiedPrompt`."""
    own_teams = interests.find_own_teams(prompts=[prompt])[prompt.pk]
    for copied in list_copied(prompt=prompt):
        if (
            copied.was_listed
            and copied.decision is None
            and copied.original.team_id not in own_teams
        ):
            raise CopiedPrompt(
                f"{prompt.reference} holds {_round_down(copied.likeness):.0%} or more of the wording of "
                f"{copied.original.reference}, which "
                f"team {copied.original.team} listed. Fork that prompt, so that its royalty is paid, or ask a "
                "treasurer to decide that this one may be listed (mintmark market allow-copy)."
            )


def _round_down(likeness: float) -> float:
    return math.floor(likeness * 10.0) / 10.0


def allow_copy(
    *, caller: Caller, prompt: Prompt, original: Prompt, reason: str, now: datetime
) -> CopyDecision:
    """Decide that a near-copy may be listed; takes a treasurer or an administrator, and stays on record. Raises
    `InvalidCopyDecision`."""
    caller.require_scope("market")
    if not caller.has_role(Role.TREASURER, team_id=None):
        raise errors.Forbidden("Whether a near-copy may be listed is decided by a treasurer.")
    reason = reason.strip()
    if not 1 <= len(reason) <= 400 or not reason.isprintable():
        raise InvalidCopyDecision(
            "Give a reason of 1 to 400 printable characters; it stays on record."
        )
    if not NearCopy.objects.filter(prompt=prompt, original=original).exists():
        raise InvalidCopyDecision(
            f"{prompt.reference} is not known as a near-copy of {original.reference}: there is nothing to decide."
        )
    try:
        with transaction.atomic():
            return CopyDecision.objects.create(
                prompt=prompt,
                original=original,
                reason=reason,
                decided_by=caller.principal,
                decided_at=now,
            )
    except IntegrityError as clash:
        raise InvalidCopyDecision(
            f"{prompt.reference} may be listed beside {original.reference} already."
        ) from clash
