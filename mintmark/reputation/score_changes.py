"""What a change of policy or formula did to the scores: each prompt before and after, as of the same event."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Max, Sum

from mintmark.common import evidence_kinds
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event
from mintmark.projection import policies
from mintmark.projection.prompt_models import Policy, PromptReputationScore
from mintmark.registry.models import Prompt

_CHUNK = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """A prompt's trust under two policies right after one event; `runs` are its reported runs by provenance."""

    prompt: Prompt
    event: int
    before: float
    after: float
    runs: Mapping[str, int]

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """Two policies, how many prompts have scores under both, and those whose trust changed most."""

    before: Policy
    after: Policy
    compared: int
    changed: int
    changes: tuple[ScoreChange, ...]


def explain_change(*, limit: int = 20, min_change: float = 0.005) -> PolicyChange | None:
    """Compare the current policy's scores with those of the policy before it; None where there was none.

    A prompt is compared right after the last event that has its score under both. Prompts whose trust changed by less
    than `min_change` are counted and not listed.
    """
    after = policies.get_current()
    scored = PromptReputationScore.objects.exclude(policy=after)
    newest = scored.aggregate(newest=Max("policy"))["newest"]
    if newest is None:
        return None
    before = Policy.objects.get(pk=newest)
    now_scored = PromptReputationScore.objects.filter(policy=after)
    both = PromptReputationScore.objects.filter(policy=before, event__in=now_scored.values("event"))
    last = dict(both.values_list("prompt").annotate(Max("event")).order_by())
    old_scores = _load(before, last)
    new_scores = _load(after, last)
    moved = sorted(
        (prompt for prompt in old_scores.keys() & new_scores.keys()),
        key=lambda prompt: (-abs(new_scores[prompt] - old_scores[prompt]), prompt),
    )
    changed = [p for p in moved if abs(new_scores[p] - old_scores[p]) >= min_change]
    shown = changed[:limit]
    prompts = Prompt.objects.in_bulk(shown)
    runs = _count_runs(shown)
    return PolicyChange(
        before=before,
        after=after,
        compared=len(moved),
        changed=len(changed),
        changes=tuple(
            ScoreChange(
                prompt=prompts[pk],
                event=last[pk],
                before=old_scores[pk],
                after=new_scores[pk],
                runs=runs[pk],
            )
            for pk in shown
        ),
    )


def _load(policy: Policy, last: Mapping[int, int]) -> dict[int, float]:
    """The trust of each prompt under a policy right after the event given."""
    scores: dict[int, float] = {}
    wanted = list(last.items())
    for start in range(0, len(wanted), _CHUNK):
        chunk = dict(wanted[start : start + _CHUNK])
        rows = PromptReputationScore.objects.filter(
            policy=policy, prompt__in=chunk, event__in=chunk.values()
        )
        scores.update(
            (prompt, trust)
            for prompt, event, trust in rows.values_list("prompt", "event", "trust_score")
            if chunk[prompt] == event
        )
    return scores


def _count_runs(prompt_ids: list[int]) -> dict[int, dict[str, int]]:
    counts: dict[int, Counter[str]] = {pk: Counter() for pk in prompt_ids}
    measured = Event.objects.filter(prompt__in=prompt_ids, kind__in=sorted(evidence_kinds.MEASURED))
    rows = measured.values_list("prompt", "provenance").annotate(runs=Sum("runs")).order_by()
    for prompt, provenance, runs in rows:
        name = (Provenance.WORD if provenance is None else Provenance(provenance)).name.lower()
        counts[prompt][name] += runs
    return {pk: dict(sorted(count.items())) for pk, count in counts.items()}
