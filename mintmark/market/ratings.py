"""Ratings: one to five stars from those who used a prompt. They enter as evidence like any other."""

import re
from collections.abc import Sequence
from datetime import datetime

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.registry import prompts
from mintmark.registry.models import Entitlement, Prompt
from mintmark.trust import intake, rating_eligibility
from mintmark.trust.intake import EvidenceClaim, RecordResult

_TAG_PATTERN = re.compile(r"@?[a-z][a-z0-9:-]{0,60}[+-]?")
MAX_TAGS = 10
SOURCE = "market"


class InvalidRating(errors.DomainError):
    """A rating that can't be kept: its stars or tags are wrong."""

    code = "invalid_rating"


class RatingNotAllowed(errors.DomainError):
    """A rating by one who may not use the prompt, never did, or wrote it or what it descends from."""

    code = "not_yours_to_rate"


def rate(
    *,
    caller: Caller,
    prompt: Prompt,
    stars: int,
    idempotency_key: str,
    now: datetime,
    tags: Sequence[str] = (),
    note: str = "",
) -> RecordResult:
    """Rate a prompt with 1 to 5 stars; a new rating takes the place of the rater's last one, which stays in the log.

    An assistant rates in its own name. Raises `RatingNotAllowed`, `InvalidRating`, `intake.InvalidEvidence`.
    """
    caller.require_scope("market")
    if isinstance(stars, bool) or not isinstance(stars, int) or not 1 <= stars <= 5:
        raise InvalidRating(f"The rating is {stars!r}; give 1 to 5 whole stars.")
    invalid_tags = [tag for tag in tags if not _TAG_PATTERN.fullmatch(tag)]
    if invalid_tags or len(tags) > MAX_TAGS:
        raise InvalidRating(
            f"The tags {invalid_tags or len(tags)}: at most {MAX_TAGS}, each such as '@clarity+' or 'tone'."
        )
    obstacle = find_rating_obstacle(caller=caller, prompt=prompt)
    if obstacle is not None:
        raise RatingNotAllowed(obstacle)
    claim = EvidenceClaim(
        kind="rating",
        prompt=prompt.pk,
        assistant=caller.principal.assistant.pk if caller.is_assistant else None,
        score=(stars - 1) / 4,
        key=idempotency_key,
        tags=tuple(tags),
        note=note,
    )
    return intake.record_unchecked(caller=caller, claims=[claim], source=SOURCE, now=now)


def find_rating_obstacle(*, caller: Caller, prompt: Prompt) -> str | None:
    """Why a caller may not rate a prompt now, or None if they may."""
    if rating_eligibility.has_authored_lineage(caller=caller, prompt_id=prompt.pk):
        return f"{prompt.reference} is your own, or descends from what is: others rate it."
    was_entitled = Entitlement.objects.filter(prompt=prompt, team__in=caller.team_ids).exists()
    if not was_entitled and not prompts.may_read_text(caller=caller, prompt=prompt):
        return f"Your team may not use {prompt.reference}: buy it, run it, then rate it."
    if not rating_eligibility.find_used_prompts(caller=caller, prompt_ids={prompt.pk}):
        return f"No assistant of yours has a recorded use of {prompt.reference}: record an outcome first."
    return None
