"""Candidates: what may be put to work in an assistant for a task, in the order of its trust; and how many its gates
keep from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db.models import QuerySet

from mintmark.registry import codices
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust.results import RankedPrompt, Ranking
from mintmark.trust.scoring_view import MAX_CANDIDATES
from mintmark.trust.tracker import AssistantTrustTracker

from . import mandates

_TEXT_BATCH_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedCounts:
    """Prompts that the assistant's gates keep from it: `trust` for a lower bound under its floor, `contract` for a
    blocking clause; of the latter those that stood before the last row, for no further text is read."""

    trust: int
    contract: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedRanking:
    """The first of `total` prompts that pass the gates, as of an event and under a policy."""

    rows: tuple[RankedPrompt, ...]
    total: int
    left_out: ExcludedCounts
    as_of: int
    policy: int


def rank_for_task(
    *,
    assistant: Assistant,
    tasks: Sequence[Ritual],
    usable: QuerySet[Prompt],
    now: datetime,
    order: str,
    limit: int,
    own_team: int | None = None,
) -> GatedRanking:
    """The `usable` prompts of these tasks that `injections.inject` would take from the assistant itself, in one of the
    orders of a ranking. Clauses are checked on the texts as they stand, with no variable filled in. With `own_team`
    they are ranked as that team sees them; the gates go by the public bound all the same.
    """

    def rank(team: int | None) -> Ranking:
        return AssistantTrustTracker(own_team=team).rank_prompts(
            assistant=assistant, tasks=tasks, usable=usable, now=now, order=order, limit=MAX_CANDIDATES
        )  # fmt: skip

    ranking = rank(own_team)
    public = ranking if own_team is None else rank(None)
    bounds = {(row.prompt.pk, row.ritual.pk): row.bound for row in public.rows}
    floor = mandates.get_mandate(assistant=assistant).trust_floor
    trusted = [
        row for row in ranking.rows if bounds.get((row.prompt.pk, row.ritual.pk), 0.0) >= floor
    ]
    rows: list[RankedPrompt] = []
    contract = 0
    for batch in batched(trusted, min(limit, _TEXT_BATCH_SIZE)):
        ids = [row.prompt.pk for row in batch]
        blocked = codices.find_blocked(prompts=ids, assistant=assistant)
        for row in batch:
            if len(rows) == limit:
                break
            if row.prompt.pk in blocked:
                contract += 1
            else:
                rows.append(row)
        if len(rows) == limit:
            break
    return GatedRanking(
        rows=tuple(rows),
        total=len(trusted) - contract,
        left_out=ExcludedCounts(trust=len(ranking.rows) - len(trusted), contract=contract),
        as_of=ranking.as_of,
        policy=ranking.policy,
    )
