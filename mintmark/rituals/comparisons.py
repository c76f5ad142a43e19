"""Comparisons of two prompts by one assistant on one ritual: start, stop, resume, and read the result so far.

The result may be read at any time, and a comparison may be stopped because of it (see `experiments.sequential_test`).
Results of a comparison are not evidence: which cases were run depends on earlier results.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.experiments import decision, perturbations, sequential_test
from mintmark.experiments.allocation import Draws
from mintmark.experiments.decision import ComparisonResult, Decision
from mintmark.experiments.sequential_test import ComparisonState
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import definitions, leases, runner_settings, runs
from .definitions import Case, RitualDefinition
from .models import Comparison, ComparisonCall, ComparisonSnapshot, RunnerSettings

PAIRS_PER_DRAW = 10
"""How many pairs are drawn at once. They run side by side; the next are drawn from the results of all of them."""
MAX_PAIRS = 10_000
DEFAULT_PAIRS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseComparison:
    """The results of one case: `mean` is the first prompt's score minus the second's, None before the first pair."""

    case: str
    weight: float
    pairs: int
    mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonProgress:
    """The result of a comparison so far, and its progress: `drawn` pairs were started, `verdict.pairs` of them are
    counted."""

    state: str
    reason: str
    result: ComparisonResult
    pairs_drawn: int
    most_pairs: int
    failed: int
    cases: tuple[CaseComparison, ...]
    spent_micro: int
    lost_micro: int
    cost_cap_micro: int | None
    currency: str

    @property
    def decision(self) -> Decision:
        return self.result.decision


def start(
    *,
    caller: Caller,
    first: Prompt,
    second: Prompt,
    assistant: Assistant,
    ritual: Ritual,
    now: datetime,
    alpha: float = sequential_test.ALPHA,
    margin: float = sequential_test.MARGIN,
    most_pairs: int = DEFAULT_PAIRS,
    seed: int = 0,
    cost_cap_micro: int | None = None,
    idempotency_key: str | None = None,
) -> Comparison:
    """Start a comparison of two prompts: it ends when one is better, when both are equal within `margin`, or after
    `most_pairs` pairs.

    The caller must be a person and an operator of the assistant's team, which must be allowed to use both prompts. With
    an `idempotency_key`, a second call returns the existing comparison, whatever its limits. Raises `InvalidRun`,
    `InvalidComparison`, `InvalidRunner`.
    """
    caller.require_scope("evidence")
    runs.require_person(caller, assistant)
    requested = (
        first.pk,
        second.pk,
        assistant.pk,
        ritual.pk,
        alpha,
        margin,
        seed,
    )
    if (
        idempotency_key is not None
        and (existing := _find_by_key(caller, idempotency_key)) is not None
    ):
        return _require_same_request(existing, requested)
    definition = definitions.get_definition(ritual)
    runner = runner_settings.get_runner_settings(assistant=assistant)
    runs.check_idempotency_key(idempotency_key)
    initial_state = require_startable(
        first=first,
        second=second,
        assistant=assistant,
        definition=definition,
        runner=runner,
        alpha=alpha,
        margin=margin,
        most_pairs=most_pairs,
        seed=seed,
    )
    try:
        with transaction.atomic():
            return Comparison.objects.create(
                ritual=ritual,
                first=first,
                second=second,
                assistant=assistant,
                started_by=caller.principal,
                key=idempotency_key,
                seed=seed,
                alpha=alpha,
                margin=margin,
                most_pairs=most_pairs,
                packed=sequential_test.serialize(initial_state),
                runner_kind=runner.kind,
                model=runner.model,
                currency=runner.currency,
                cost_cap_micro=runs.apply_cost_cap(runner, cost_cap_micro),
                created_at=now,
            )
    except IntegrityError:  # two requests used the same key at the same time
        existing = _find_by_key(caller, idempotency_key) if idempotency_key is not None else None
        if existing is None:
            raise
        return _require_same_request(existing, requested)


def require_startable(
    *,
    first: Prompt,
    second: Prompt,
    assistant: Assistant,
    definition: RitualDefinition,
    runner: RunnerSettings,
    alpha: float,
    margin: float,
    most_pairs: int,
    seed: int,
) -> ComparisonState:
    """Refuse a comparison that could not be completed; otherwise return the state before the first pair."""
    if first == second:
        raise sequential_test.InvalidComparison(
            "Name two prompts: one can't be compared with itself."
        )
    _check_pairs(most_pairs)
    if not 0.0001 <= alpha <= 0.5 or not 0.01 <= margin <= 0.5:
        raise sequential_test.InvalidComparison(
            f"An error rate of {alpha:g} and a margin of {margin:g}: the one lies from 0.0001 to 0.5, the other from "
            "0.01 to 0.5, in whole points."
        )
    if not 0 <= seed <= perturbations.MAX_SEED:
        raise runs.InvalidRun(f"A seed is 0 to {perturbations.MAX_SEED}.")
    for prompt in (first, second):
        runs.require_runnable(
            prompt=prompt, assistant=assistant, definition=definition, runner=runner
        )
    initial_state = sequential_test.start(
        weights=[case.weight for case in list_weighted_cases(definition)]
    )
    decision.evaluate(initial_state, alpha=alpha, margin=margin)
    return initial_state


def stop(*, caller: Caller, comparison: Comparison, now: datetime) -> Comparison:
    """End a comparison at once; its result so far stays valid. A comparison that has ended is returned unchanged."""
    caller.require_scope("evidence")
    runs.require_person(caller, comparison.assistant)
    leases.cancel(comparison, cancelled_by=str(caller.principal), now=now)
    comparison.refresh_from_db()
    return comparison


def resume(
    *,
    caller: Caller,
    comparison: Comparison,
    cost_cap_micro: int | None = None,
    most_pairs: int | None = None,
) -> Comparison:
    """Let a worker continue a comparison that stopped early or, with a larger `most_pairs`, one that ran all its pairs
    undecided.

    Finished calls are not made again; failed calls are, so that no pair is left out. A comparison that is decided or
    still running is returned unchanged.
    """
    caller.require_scope("evidence")
    runs.require_person(caller, comparison.assistant)
    runner = runner_settings.get_runner_settings(assistant=comparison.assistant)
    if (runner.kind, runner.model) != (comparison.runner_kind, comparison.model):
        raise runs.InvalidRun(
            f"Comparison {comparison.pk} began with the model {comparison.model or comparison.runner_kind!r}, and "
            f"{comparison.assistant} has another now: start a new one."
        )
    if most_pairs is not None:
        _check_pairs(most_pairs)
    cap = comparison.cost_cap_micro
    with transaction.atomic():
        row = Comparison.objects.select_for_update(of=("self",)).get(pk=comparison.pk)
        if most_pairs is not None and _may_continue(row):
            row.most_pairs = max(row.most_pairs, most_pairs)
            if row.counted < row.most_pairs:
                row.state = Comparison.State.INCOMPLETE
            row.save(update_fields=["most_pairs", "state"])
        leases.requeue(
            row,
            cost_cap_micro=cap
            if cost_cap_micro is None
            else runs.apply_cost_cap(runner, cost_cap_micro),
        )
    comparison.refresh_from_db()
    return comparison


def visible_to(*, caller: Caller) -> QuerySet[Comparison]:
    """The comparisons by assistants of the caller's teams, or all of them for an admin; newest first."""
    comparisons = Comparison.objects.select_related(
        "first", "second", "assistant__team", "ritual", "started_by"
    )
    if not caller.is_admin:
        comparisons = comparisons.filter(assistant__team__in=caller.team_ids)
    return comparisons.order_by("-id")


def get_comparison(*, caller: Caller, pk: int) -> Comparison:
    """The comparison with this id, if the caller may see it."""
    comparison = visible_to(caller=caller).filter(pk=pk).first()
    if comparison is None:
        raise errors.NotFound(f"There is no comparison {pk}, or it is another team's.")
    return comparison


def get_progress(comparison: Comparison) -> ComparisonProgress:
    """The result so far and the progress of a comparison."""
    row = Comparison.objects.select_related("ritual").get(pk=comparison.pk)
    state = sequential_test.deserialize(bytes(row.packed))
    calls = row.pair_runs
    cases = list_weighted_cases(definitions.get_definition(row.ritual))
    pair_counts, score_sums = state.cases.pairs[0], state.cases.sums[0]
    return ComparisonProgress(
        state=row.state,
        reason=row.reason,
        result=decision.evaluate(state, alpha=row.alpha, margin=row.margin),
        pairs_drawn=calls.count() // 2,
        most_pairs=row.most_pairs,
        failed=calls.filter(state=ComparisonCall.State.FAILED).count(),
        cases=tuple(
            CaseComparison(
                case=case.id,
                weight=float(weight),
                pairs=int(n),
                mean=float(score_sum / n) if n else None,
            )
            for case, weight, n, score_sum in zip(
                cases, state.weights, pair_counts, score_sums, strict=True
            )
        ),
        spent_micro=row.spent_micro,
        lost_micro=row.lost_micro,
        cost_cap_micro=row.cost_cap_micro,
        currency=row.currency,
    )


def get_current_result(comparison: Comparison) -> ComparisonResult:
    """The result of the pairs counted so far."""
    state = sequential_test.deserialize(bytes(comparison.packed))
    return decision.evaluate(state, alpha=comparison.alpha, margin=comparison.margin)


def list_snapshots(comparison: Comparison, *, max_snapshots: int) -> list[ComparisonSnapshot]:
    """The results of a comparison as its pairs came in: at most `max_snapshots`, evenly spaced, the latest included."""
    snapshots = list(comparison.looks.order_by("pairs"))
    step = max(1, -(-len(snapshots) // max_snapshots))
    return snapshots[::-1][::step][::-1]


def list_weighted_cases(definition: RitualDefinition) -> list[Case]:
    """The cases that a comparison draws from: those with a weight above 0, in the ritual's order."""
    return [case for case in definition.cases if case.weight > 0.0]


def build_frame(
    comparison: Comparison, *, pair: int, definition: RitualDefinition
) -> perturbations.FrameContext:
    """The frame for both halves of a pair: the ritual's own, with a seed of its own for each pair."""
    rng = np.random.default_rng([comparison.seed, 1, pair])
    seed = int(rng.integers(0, perturbations.MAX_SEED, endpoint=True))
    return perturbations.FrameContext(number=0, seed=seed, temperature=definition.temperature)


def draw_pairs(comparison: Comparison, *, state: ComparisonState) -> list[ComparisonCall]:
    """Draw the next pairs after all counted ones, and store them. The same state gives the same pairs."""
    pairs_counted = int(state.pairs[0])
    pairs = min(PAIRS_PER_DRAW, comparison.most_pairs - pairs_counted)
    draws = sequential_test.draw(
        state, pairs=pairs, rng=np.random.default_rng([comparison.seed, 0, pairs_counted])
    )
    return ComparisonCall.objects.bulk_create(
        [
            ComparisonCall(
                comparison=comparison,
                pair=pairs_counted + n,
                side=side,
                number=int(draws.case[0, n]),
                weight=float(draws.weight[0, n]),
                bound=float(draws.max_weight[0, n]),
            )
            for n in range(pairs)
            for side in ComparisonCall.Side.values
        ]
    )


def list_completed_pairs(
    comparison: Comparison, *, after: int
) -> list[tuple[ComparisonCall, ComparisonCall]]:
    """The pairs from number `after` on with both halves done, in counting order, up to the first incomplete pair."""
    rows = comparison.pair_runs.filter(pair__gte=after).order_by("pair", "side")
    calls = list(rows)
    completed = []
    for first, second in zip(calls[::2], calls[1::2], strict=True):
        if first.score is None or second.score is None:
            break
        completed.append((first, second))
    return completed


def update_state(
    state: ComparisonState, pairs: Sequence[tuple[ComparisonCall, ComparisonCall]]
) -> ComparisonState:
    """The state after counting these pairs."""
    if not pairs:
        return state
    draws = Draws(
        case=np.array([[first.number for first, _ in pairs]]),
        weight=np.array([[first.weight for first, _ in pairs]]),
        max_weight=np.array([[first.bound for first, _ in pairs]]),
    )
    differences = np.array(
        [[_require_score(first) - _require_score(second) for first, second in pairs]]
    )
    return sequential_test.update(state, draws=draws, differences=differences)


def _may_continue(row: Comparison) -> bool:
    """Whether more pairs may follow: the comparison has ended without a decision."""
    return row.is_ended and row.decision == Decision.OPEN


def _require_score(call: ComparisonCall) -> float:
    assert call.score is not None, "a pair counts only once both halves are done"
    return call.score


def _check_pairs(most_pairs: int) -> None:
    if not 1 <= most_pairs <= MAX_PAIRS:
        raise sequential_test.InvalidComparison(
            f"{most_pairs:,} pairs: a comparison runs 1 to {MAX_PAIRS:,}."
        )


def _find_by_key(caller: Caller, idempotency_key: str) -> Comparison | None:
    return Comparison.objects.filter(started_by=caller.principal, key=idempotency_key).first()


def _require_same_request(existing: Comparison, requested: tuple[object, ...]) -> Comparison:
    stored = (
        existing.first_id,
        existing.second_id,
        existing.assistant_id,
        existing.ritual_id,
        existing.alpha,
        existing.margin,
        existing.seed,
    )
    if requested != stored:
        raise errors.IdempotencyKeyReused(
            f"The key {existing.key!r} already started comparison {existing.pk} with other arguments: use another key."
        )
    return existing
