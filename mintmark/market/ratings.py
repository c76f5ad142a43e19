"""Ratings: one to five stars from those who used a prompt. They enter as evidence like any other."""

import re
from collections.abc import Sequence
from datetime import datetime

from mintmark.accounts.callers import Caller
from mintmark.core import errors
from mintmark.registry import prompts
from mintmark.registry.models import Entitlement, Prompt
from mintmark.trust import intake, judges
from mintmark.trust.intake import Claim, Receipt

_TAG = re.compile(r"@?[a-z][a-z0-9:-]{0,60}[+-]?")
MOST_TAGS = 10
SOURCE = "market"


class InvalidRating(errors.Refusal):
    """A rating that can't be kept: its stars or tags are wrong."""

    code = "invalid_rating"


class NotYoursToRate(errors.Refusal):
    """A rating by one who may not use the prompt, never did, or wrote it or what it descends from."""

    code = "not_yours_to_rate"


def rate(
    *,
    caller: Caller,
    prompt: Prompt,
    stars: int,
    key: str,
    now: datetime,
    tags: Sequence[str] = (),
    note: str = "",
) -> Receipt:
    """Rate a prompt with 1 to 5 stars; a new rating takes the place of the rater's last one, which stays in the log.

    An assistant rates in its own name. Raises `NotYoursToRate`, `InvalidRating`, `intake.InvalidEvidence`.
    """
    caller.require_scope("market")
    if isinstance(stars, bool) or not isinstance(stars, int) or not 1 <= stars <= 5:
        raise InvalidRating(f"The rating is {stars!r}; give 1 to 5 whole stars.")
    wrong = [tag for tag in tags if not _TAG.fullmatch(tag)]
    if wrong or len(tags) > MOST_TAGS:
        raise InvalidRating(
            f"The tags {wrong or len(tags)}: at most {MOST_TAGS}, each such as '@clarity+' or 'tone'."
        )
    refused = why_not(caller=caller, prompt=prompt)
    if refused is not None:
        raise NotYoursToRate(refused)
    claim = Claim(
        kind="rating",
        prompt=prompt.pk,
        assistant=caller.principal.assistant.pk if caller.is_assistant else None,
        score=(stars - 1) / 4,
        key=key,
        tags=tuple(tags),
        note=note,
    )
    return intake.enter(caller=caller, claims=[claim], source=SOURCE, now=now)


def why_not(*, caller: Caller, prompt: Prompt) -> str | None:
    """Why a caller may not rate a prompt now, or None if he may."""
    if judges.wrote_lineage(caller=caller, prompt_id=prompt.pk):
        return f"{prompt.reference} is your own, or descends from what is: others rate it."
    held = Entitlement.objects.filter(prompt=prompt, team__in=caller.team_ids).exists()
    if not held and not prompts.may_read_text(caller=caller, prompt=prompt):
        return f"Your team may not use {prompt.reference}: buy it, run it, then rate it."
    if not judges.uses(caller=caller, prompt_ids={prompt.pk}):
        return f"No assistant of yours has a recorded use of {prompt.reference}: record an outcome first."
    return None
