"""The three scores of a listing, each with the counts that explain it.

All lie in [0, 1]. `swarm_adoption_score`: the share of the swarm (assistants with evidence or an active injection in
the last days) with an active injection of the prompt. `codex_usage_score`: the share of the prompt's recent uses,
decayed, that were made under a codex contract with every blocking clause passing. `symbolic_tag_weight`: 1 − Π over the
prompt's tags of (1 − share of recent purchases that carry the tag).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max

from mintmark.core import ageing, kinds
from mintmark.evidence.models import Event
from mintmark.registry.models import CodexContract, Prompt, Tagging
from mintmark.trust.models import AssistantPromptTrustMap

from .models import Injection, PromptTokenListing, Purchase
from .policy import MarketPolicy

_USES = (kinds.Kind.OUTCOME, kinds.Kind.REPLAY, kinds.Kind.APPROVAL)
_MOST_EVENTS = 2_000
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TagShare:
    """A tag of the prompt, and how many of the recent purchases carry it."""

    tag: str
    purchases: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The scores of a listing and what they were counted from: `adopters` of `swarm` assistants; `uses_kept` of `uses`
    recent uses under contract (counted, not decayed); `tags` over `purchases` recent purchases."""

    swarm_adoption_score: float
    adopters: int
    swarm: int
    codex_usage_score: float
    uses_kept: int
    uses: int
    has_contract: bool
    symbolic_tag_weight: float
    tags: tuple[TagShare, ...]
    purchases: int


def of(*, policy: MarketPolicy, prompts: Sequence[Prompt], now: datetime) -> dict[int, Metrics]:
    """The metrics of prompts at `now`, by prompt id."""
    ids = [prompt.pk for prompt in prompts]
    since = now - timedelta(days=policy.recent_days)
    in_swarm = swarm(since=since)
    adopters = dict(
        Injection.objects.filter(prompt__in=ids, ended_at__isnull=True)
        .values_list("prompt")
        .annotate(Count("assistant", distinct=True))
    )
    under_contract = set(
        CodexContract.objects.filter(prompt__in=ids).values_list("prompt_id", flat=True)
    )
    bought = Purchase.objects.filter(bought_at__gte=since).count()
    carrying = _purchases_by_tag(prompts, since=since)
    found = {}
    for prompt in prompts:
        has_contract = prompt.pk in under_contract
        usage = _usage(policy, prompt, now=now) if has_contract else _without(prompt, since=since)
        tags = tuple(
            TagShare(tag=tag, purchases=carrying[tag], share=carrying[tag] / bought)
            for tag in prompt.tags
            if bought and carrying.get(tag)
        )
        using = adopters.get(prompt.pk, 0)
        found[prompt.pk] = Metrics(
            swarm_adoption_score=using / in_swarm if in_swarm else 0.0,
            adopters=using,
            swarm=in_swarm,
            codex_usage_score=usage[0],
            uses_kept=usage[1],
            uses=usage[2],
            has_contract=has_contract,
            symbolic_tag_weight=1.0 - math.prod(1.0 - tag.share for tag in tags),
            tags=tags,
            purchases=bought,
        )
    return found


def refresh(*, policy: MarketPolicy, now: datetime, prompt_ids: Sequence[int] | None = None) -> int:
    """Store the scores of the standing listings (of these prompts), as of `now`; how many changed."""
    listings = PromptTokenListing.objects.filter(withdrawn_at__isnull=True)
    if prompt_ids is not None:
        listings = listings.filter(prompt__in=prompt_ids)
    standing = list(listings.select_related("prompt").defer("prompt__text", "prompt__wording"))
    told = of(policy=policy, prompts=[listing.prompt for listing in standing], now=now)
    changed = []
    for listing in standing:
        metrics = told[listing.prompt_id]
        before = (
            listing.symbolic_tag_weight, listing.swarm_adoption_score, listing.codex_usage_score,
        )  # fmt: skip
        listing.symbolic_tag_weight = metrics.symbolic_tag_weight
        listing.swarm_adoption_score = metrics.swarm_adoption_score
        listing.codex_usage_score = metrics.codex_usage_score
        if before != (
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


def swarm(*, since: datetime) -> int:
    """How many assistants have evidence since then, or a prompt at work now."""
    newest = AssistantPromptTrustMap.objects.values_list("assistant").annotate(Max("event"))
    by_event = {event: assistant for assistant, event in newest}
    recent = Event.objects.filter(pk__in=list(by_event), recorded_at__gte=since)
    active = {by_event[event] for event in recent.values_list("pk", flat=True)}
    active |= set(
        Injection.objects.filter(ended_at__isnull=True).values_list("assistant_id", flat=True)
    )
    return len(active)


def _purchases_by_tag(prompts: Sequence[Prompt], *, since: datetime) -> dict[str, int]:
    tags = {tag for prompt in prompts for tag in prompt.tags}
    counted = (
        Tagging.objects.filter(tag__in=tags, prompt__purchases__bought_at__gte=since)
        .values_list("tag")
        .annotate(Count("prompt__purchases", distinct=True))
    )
    return dict(counted)


def _usage(policy: MarketPolicy, prompt: Prompt, *, now: datetime) -> tuple[float, int, int]:
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
        Event.objects.filter(
            prompt=prompt, assistant__isnull=False, kind__in=[*_USES, kinds.Kind.CLAUSE]
        )
        .order_by("-id")
        .values_list("batch", "assistant", "kind", "score", "tags", "recorded_at")[:_MOST_EVENTS]
    )
    uses: dict[tuple[int, int], datetime] = {}
    broken: set[tuple[int, int]] = set()
    for batch, assistant, kind, score, tags, recorded_at in rows:
        if recorded_at < since:
            break
        assert assistant is not None
        if kind != kinds.Kind.CLAUSE:
            uses[batch, assistant] = recorded_at
        elif score < 1.0 and not warnings.intersection(tags):
            broken.add((batch, assistant))
    weights = {use: _weight(policy, at, now=now) for use, at in uses.items()}
    whole = sum(weights.values())
    kept = [use for use in uses if use not in broken]
    share = sum(weights[use] for use in kept) / whole if whole else 0.0
    return share, len(kept), len(uses)


def _without(prompt: Prompt, *, since: datetime) -> tuple[float, int, int]:
    """Of a prompt under no contract: none of its uses was made under one."""
    uses = Event.objects.filter(prompt=prompt, kind__in=_USES, recorded_at__gte=since)
    counted = uses.values("batch", "assistant").distinct()[:_MOST_EVENTS].count()
    return 0.0, 0, counted


def _weight(policy: MarketPolicy, at: datetime, *, now: datetime) -> float:
    elapsed = (now - at).total_seconds() / _DAY_SECONDS
    return ageing.remaining(elapsed, policy.half_life_days)
