"""Candidates: what may be put to work in an assistant for a task, in the order of its trust; and how many its gates
keep from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db.models import QuerySet

from mintmark.registry import codices
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust.answers import Ranked
from mintmark.trust.tracker import AssistantTrustTracker
from mintmark.trust.view import MOST_CANDIDATES

from . import mandates

_TEXTS_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Prompts that the assistant's gates keep from it: `trust` for a lower bound under its floor, `contract` for a
    blocking clause; of the latter those that stood before the last row, for no further text is read."""

    trust: int
    contract: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The first of `total` prompts that pass the gates, as of an event and under a policy."""

    rows: tuple[Ranked, ...]
    total: int
    left_out: LeftOut
    as_of: int
    policy: int


def ranked(
    *,
    assistant: Assistant,
    tasks: Sequence[Ritual],
    usable: QuerySet[Prompt],
    now: datetime,
    order: str,
    limit: int,
) -> Candidates:
    """The `usable` prompts of these tasks that `injections.inject` would take from the assistant itself, in one of the
    orders of a ranking. Clauses are checked on the texts as they stand, with no variable filled in."""
    told = AssistantTrustTracker().ranking(
        assistant=assistant, tasks=tasks, usable=usable, now=now, order=order, limit=MOST_CANDIDATES
    )
    floor = mandates.of(assistant=assistant).trust_floor
    trusted = [row for row in told.rows if row.trust.low >= floor]
    rows: list[Ranked] = []
    contract = 0
    for some in batched(trusted, min(limit, _TEXTS_AT_ONCE)):
        ids = [row.prompt.pk for row in some]
        blocked = codices.blocked(prompts=ids, assistant=assistant)
        for row in some:
            if len(rows) == limit:
                break
            if row.prompt.pk in blocked:
                contract += 1
            else:
                rows.append(row)
        if len(rows) == limit:
            break
    return Candidates(
        rows=tuple(rows),
        total=len(trusted) - contract,
        left_out=LeftOut(trust=len(told.rows) - len(trusted), contract=contract),
        as_of=told.as_of,
        policy=told.policy,
    )
