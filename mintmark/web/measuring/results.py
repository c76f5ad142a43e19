"""What runs of a ritual have measured so far: prompts by assistants, with intervals and what they stand on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import F, FloatField, Sum

from mintmark.accounts.callers import Caller
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import runs
from mintmark.rituals.definitions import RitualDefinition
from mintmark.rituals.models import CaseRun, RitualRun, RunnerSettings
from mintmark.scoring import paired_effects
from mintmark.scoring.estimate import Estimate

MAX_RUNS = 500
"""How many of the newest runs are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RitualResult:
    """One prompt by one assistant: its mean score in the plain frames of so many runs. The interval is that of the
    cases of one run: to ask them again tells nothing of others."""

    prompt: Prompt
    assistant: Assistant
    score: Estimate
    runs: int
    newest: RitualRun
    is_rehearsal: bool


def list_results(
    ritual: Ritual, *, definition: RitualDefinition, caller: Caller
) -> list[RitualResult]:
    """The results of the runs that the caller may see, best first."""
    weights = [case.weight for case in definition.cases]
    cases = get_effective_size(weights)
    scored_runs = runs.visible_to(caller=caller).filter(
        ritual=ritual, frames__number=0, frames__score__isnull=False
    )
    pairs: dict[tuple[int, int, str], list[RitualRun]] = defaultdict(list)
    score_rows = scored_runs.values_list("id", "frames__score")[:MAX_RUNS]
    scores = {pk: score for pk, score in score_rows if score is not None}
    for run in scored_runs[:MAX_RUNS]:
        pairs[run.prompt_id, run.assistant_id, run.runner_kind].append(run)
    results = [_build_result(rows, scores=scores, cases=cases) for rows in pairs.values()]
    return sorted(results, key=lambda result: -result.score.low)


def _build_result(
    rows: Sequence[RitualRun], *, scores: Mapping[int, float], cases: float
) -> RitualResult:
    newest = rows[0]
    mean = sum(scores[run.pk] for run in rows) / len(rows)
    return RitualResult(
        prompt=newest.prompt,
        assistant=newest.assistant,
        score=estimate_score(mean, cases=cases),
        runs=len(rows),
        newest=newest,
        is_rehearsal=newest.runner_kind == RunnerSettings.Kind.REHEARSAL,
    )


def get_effective_sizes(ritual_runs: Sequence[RitualRun]) -> dict[int, float]:
    """How many cases of equal weight the cases of each of these runs are worth, by its id (`alike`)."""
    plain = CaseRun.objects.filter(run__in=ritual_runs, frame=0).order_by()
    sums = plain.values_list("run").annotate(
        Sum("weight"), squares=Sum(F("weight") * F("weight"), output_field=FloatField())
    )
    return {run: total * total / squares for run, total, squares in sums if squares}


def estimate_score(score: float, *, cases: float) -> Estimate:
    """A mean score over so many cases with its 90% interval (Wilson 1927, as if each case were passed or failed: for
    scores between it is rather too wide)."""
    low, high = paired_effects.wilson_interval(share=np.array([score]), runs=np.array([cases]))
    return Estimate(value=score, low=float(low[0]), high=float(high[0]), runs=cases)


def get_effective_size(weights: Sequence[float]) -> float:
    """How many cases of equal weight say as much as these (Kish 1965)."""
    total = sum(weights)
    return total * total / sum(weight * weight for weight in weights)
