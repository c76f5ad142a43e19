"""The three scores of a listing, each with the counts that explain it.

All lie in [0, 1]. `swarm_adoption_score`: of the swarm (teams with an assistant that has evidence in the last days or
an active injection), the share with an active injection of the prompt; the team that wrote the prompt, and the other
teams of its author, are in neither number, so that nobody adopts their own. `codex_usage_score`: the share of the
prompt's recent uses, decayed, that were made under a codex contract with every blocking clause passing.
`symbolic_tag_weight`: 1 − Π over the prompt's tags of (1 − share of recent purchases that carry the tag).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from mintmark.common import evidence_kinds
from mintmark.deployments.models import Injection
from mintmark.evidence.models import Event
from mintmark.projection.pair_models import AssistantPromptTrustMap
from mintmark.registry import interests
from mintmark.registry.models import CodexContract, Prompt, PromptTag
from mintmark.scoring import decay

from .models import PromptTokenListing, Purchase
from .policy import MarketPolicy

_USE_KINDS = (
    evidence_kinds.EvidenceKind.OUTCOME,
    evidence_kinds.EvidenceKind.REPLAY,
    evidence_kinds.EvidenceKind.APPROVAL,
)
_MAX_EVENTS = 2_000
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TagShare:
    """A tag of the prompt, and how many of the recent purchases carry it."""

    tag: str
    purchases: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingScores:
    """The scores of a listing and what they were counted from: `adopters` of `swarm` teams, with `assistants` of
    theirs; `uses_kept` of `uses` recent uses under contract (counted, not decayed); `tags` over `purchases` recent
    purchases."""

    swarm_adoption_score: float
    adopters: int
    assistants: int
    swarm: int
    codex_usage_score: float
    compliant_uses: int
    uses: int
    has_contract: bool
    symbolic_tag_weight: float
    tags: tuple[TagShare, ...]
    purchases: int


def compute_scores(
    *, policy: MarketPolicy, prompts: Sequence[Prompt], now: datetime
) -> dict[int, ListingScores]:
    """The metrics of prompts at `now`, by prompt id."""
    ids = [prompt.pk for prompt in prompts]
    since = now - timedelta(days=policy.recent_days)
    active_teams = find_active_teams(since=since)
    adopters = _list_adopters(ids)
    own_teams = interests.find_own_teams(prompts=prompts)
    under_contract = set(
        CodexContract.objects.filter(prompt__in=ids).values_list("prompt_id", flat=True)
    )
    purchase_count = Purchase.objects.filter(bought_at__gte=since).count()
    purchases_by_tag = _count_purchases_by_tag(prompts, since=since)
    scores_by_prompt = {}
    for prompt in prompts:
        has_contract = prompt.pk in under_contract
        usage = (
            _measure_contract_usage(policy, prompt, now=now)
            if has_contract
            else _count_uses_without_contract(prompt, since=since)
        )
        tags = tuple(
            TagShare(
                tag=tag,
                purchases=purchases_by_tag[tag],
                share=purchases_by_tag[tag] / purchase_count,
            )
            for tag in prompt.tags
            if purchase_count and purchases_by_tag.get(tag)
        )
        adopting = {
            assistant: team
            for assistant, team in adopters[prompt.pk].items()
            if team not in own_teams[prompt.pk]
        }
        adopter_count = len(set(adopting.values()))
        swarm_size = len(active_teams - own_teams[prompt.pk])
        scores_by_prompt[prompt.pk] = ListingScores(
            swarm_adoption_score=adopter_count / swarm_size if swarm_size else 0.0,
            adopters=adopter_count,
            assistants=len(adopting),
            swarm=swarm_size,
            codex_usage_score=usage[0],
            compliant_uses=usage[1],
            uses=usage[2],
            has_contract=has_contract,
            symbolic_tag_weight=1.0 - math.prod(1.0 - tag.share for tag in tags),
            tags=tags,
            purchases=purchase_count,
        )
    return scores_by_prompt


def refresh_scores(
    *, policy: MarketPolicy, now: datetime, prompt_ids: Sequence[int] | None = None
) -> int:
    """Store the scores of the standing listings (of these prompts), as of `now`; how many changed."""
    listings = PromptTokenListing.objects.filter(withdrawn_at__isnull=True)
    if prompt_ids is not None:
        listings = listings.filter(prompt__in=prompt_ids)
    active_listings = list(
        listings.select_related("prompt").defer("prompt__text", "prompt__wording")
    )
    scores_by_prompt = compute_scores(
        policy=policy, prompts=[listing.prompt for listing in active_listings], now=now
    )
    changed = []
    for listing in active_listings:
        scores = scores_by_prompt[listing.prompt_id]
        previous = (
            listing.symbolic_tag_weight, listing.swarm_adoption_score, listing.codex_usage_score,
        )  # fmt: skip
        listing.symbolic_tag_weight = scores.symbolic_tag_weight
        listing.swarm_adoption_score = scores.swarm_adoption_score
        listing.codex_usage_score = scores.codex_usage_score
        if previous != (
            listing.symbolic_tag_weight, listing.swarm_adoption_score, listing.codex_usage_score,
        ):  # fmt: skip
            changed.append(listing)
    PromptTokenListing.objects.bulk_update(
        changed,
        ["symbolic_tag_weight", "swarm_adoption_score", "codex_usage_score"],
        batch_size=200,
    )
    listings.update(scored_at=now)
    return len(changed)


def find_active_teams(*, since: datetime) -> frozenset[int]:
    """The teams with an assistant that has evidence since then, or a prompt at work now."""
    newest = AssistantPromptTrustMap.objects.values("event")
    recent = Event.objects.filter_shared().filter(pk__in=newest, recorded_at__gte=since)
    active = set(recent.values_list("assistant__team", flat=True).distinct())
    active |= set(
        Injection.objects.filter(ended_at__isnull=True).values_list("assistant__team", flat=True)
    )
    return frozenset(team for team in active if team is not None)


def _list_adopters(prompt_ids: Sequence[int]) -> dict[int, dict[int, int]]:
    """By prompt, the assistants that have it at work now, each with its team."""
    adopters: dict[int, dict[int, int]] = {pk: {} for pk in prompt_ids}
    rows = Injection.objects.filter(prompt__in=prompt_ids, ended_at__isnull=True)
    for prompt, assistant, team in rows.values_list("prompt", "assistant", "assistant__team"):
        adopters[prompt][assistant] = team
    return adopters


def _count_purchases_by_tag(prompts: Sequence[Prompt], *, since: datetime) -> dict[str, int]:
    tags = {tag for prompt in prompts for tag in prompt.tags}
    counts = (
        PromptTag.objects.filter(tag__in=tags, prompt__purchases__bought_at__gte=since)
        .values_list("tag")
        .annotate(Count("prompt__purchases", distinct=True))
    )
    return dict(counts)


def _measure_contract_usage(
    policy: MarketPolicy, prompt: Prompt, *, now: datetime
) -> tuple[float, int, int]:
    """Of a prompt under contract: the decayed share of its uses with every blocking clause passing, and the counts.

    A use is what one batch says of one assistant; the clause checks of the same batch and assistant are those made of
    it. A failed check breaks it, unless its tags name a clause that only warns.
    """
    contracts = CodexContract.objects.filter(prompt=prompt).select_related("codex")
    warnings = {
        tag
        for contract in contracts
        for clause in contract.codex.clauses
        if clause.get("severity") == "warn"
        for tag in (str(clause.get("id")), f"clause:{clause.get('id')}")
    }
    since = now - timedelta(days=policy.recent_days)
    rows = (
        Event.objects.filter_shared()
        .filter(
            prompt=prompt,
            assistant__isnull=False,
            kind__in=[*_USE_KINDS, evidence_kinds.EvidenceKind.CLAUSE],
        )
        .order_by("-id")
        .values_list("batch", "assistant", "kind", "score", "tags", "recorded_at")[:_MAX_EVENTS]
    )
    uses: dict[tuple[int, int], datetime] = {}
    broken: set[tuple[int, int]] = set()
    for batch, assistant, kind, score, tags, recorded_at in rows:
        if recorded_at < since:
            break
        assert assistant is not None
        if kind != evidence_kinds.EvidenceKind.CLAUSE:
            uses[batch, assistant] = recorded_at
        elif score < 1.0 and not warnings.intersection(tags):
            broken.add((batch, assistant))
    weights = {use: _weigh_use(policy, used_at, now=now) for use, used_at in uses.items()}
    total_weight = sum(weights.values())
    compliant = [use for use in uses if use not in broken]
    share = sum(weights[use] for use in compliant) / total_weight if total_weight else 0.0
    return share, len(compliant), len(uses)


def _count_uses_without_contract(prompt: Prompt, *, since: datetime) -> tuple[float, int, int]:
    """Of a prompt under no contract: none of its uses was made under one."""
    shared = Event.objects.filter_shared()
    use_events = shared.filter(prompt=prompt, kind__in=_USE_KINDS, recorded_at__gte=since)
    use_count = use_events.values("batch", "assistant").distinct()[:_MAX_EVENTS].count()
    return 0.0, 0, use_count


def _weigh_use(policy: MarketPolicy, used_at: datetime, *, now: datetime) -> float:
    elapsed = (now - used_at).total_seconds() / _DAY_SECONDS
    return decay.decay_factor(elapsed, policy.half_life_days)
