"""Comparisons of two prompts by one assistant on one ritual: start, stop, go on, see what they say so far.

They may be looked at whenever one likes, and stopped because of what one saw (`core.sequential`). What is measured in
one is no evidence: which cases were run depends on what came out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.core import errors, perturbations, sequential, verdicts
from mintmark.core.allocation import Draws
from mintmark.core.sequential import State
from mintmark.core.verdicts import Decision, Verdict
from mintmark.registry.models import Assistant, Prompt, Ritual

from . import configurations, definitions, leases, runs
from .definitions import Case, Definition
from .models import Comparison, Look, PairRun, Runner

AT_ONCE = 10
"""Pairs that are drawn at once: they run side by side, and the next are drawn from what all of them showed."""
MOST_PAIRS = 10_000
USUAL_PAIRS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OfCase:
    """What the pairs of one case showed: `mean` is the first prompt's score less the second's, None before a pair."""

    case: str
    weight: float
    pairs: int
    mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a comparison says now, and how far it is; `drawn` pairs were begun, `verdict.pairs` are counted."""

    state: str
    reason: str
    verdict: Verdict
    drawn: int
    most_pairs: int
    failed: int
    cases: tuple[OfCase, ...]
    spent_micro: int
    lost_micro: int
    cost_cap_micro: int | None
    currency: str

    @property
    def decision(self) -> Decision:
        return self.verdict.decision


def start(
    *,
    caller: Caller,
    first: Prompt,
    second: Prompt,
    assistant: Assistant,
    ritual: Ritual,
    now: datetime,
    alpha: float = sequential.ALPHA,
    margin: float = sequential.MARGIN,
    most_pairs: int = USUAL_PAIRS,
    seed: int = 0,
    cost_cap_micro: int | None = None,
    key: str | None = None,
) -> Comparison:
    """Have a worker compare two prompts until one is better, both are equal within the margin, or so many pairs ran.

    It takes a person who operates the assistant's team, which may use both prompts. With a `key`, asking again gives
    the comparison that is there, whatever its limits. Raises `InvalidRun`, `InvalidComparison`, `InvalidRunner`.
    """
    caller.require_scope("evidence")
    runs.require_person(caller, assistant)
    asked = (
        first.pk,
        second.pk,
        assistant.pk,
        ritual.pk,
        alpha,
        margin,
        seed,
    )
    if key is not None and (there := _asked_before(caller, key)) is not None:
        return _same(there, asked)
    definition = definitions.of(ritual)
    runner = configurations.of(assistant=assistant)
    runs.check_key(key)
    begun = require_startable(
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
                key=key,
                seed=seed,
                alpha=alpha,
                margin=margin,
                most_pairs=most_pairs,
                packed=sequential.packed(begun),
                runner_kind=runner.kind,
                model=runner.model,
                currency=runner.currency,
                cost_cap_micro=runs.capped(runner, cost_cap_micro),
                created_at=now,
            )
    except IntegrityError:  # the same key came twice at once
        there = _asked_before(caller, key) if key is not None else None
        if there is None:
            raise
        return _same(there, asked)


def require_startable(
    *,
    first: Prompt,
    second: Prompt,
    assistant: Assistant,
    definition: Definition,
    runner: Runner,
    alpha: float,
    margin: float,
    most_pairs: int,
    seed: int,
) -> State:
    """Refuse what could not be compared to its end; else the state before any pair."""
    if first == second:
        raise sequential.InvalidComparison("Name two prompts: one can't be compared with itself.")
    _check_pairs(most_pairs)
    if not 0.0001 <= alpha <= 0.5 or not 0.01 <= margin <= 0.5:
        raise sequential.InvalidComparison(
            f"An error rate of {alpha:g} and a margin of {margin:g}: the one lies from 0.0001 to 0.5, the other from "
            "0.01 to 0.5, in whole points."
        )
    if not 0 <= seed <= perturbations.MOST_SEED:
        raise runs.InvalidRun(f"A seed is 0 to {perturbations.MOST_SEED}.")
    for prompt in (first, second):
        runs.require_runnable(
            prompt=prompt, assistant=assistant, definition=definition, runner=runner
        )
    begun = sequential.begin(weights=[case.weight for case in weighing(definition)])
    verdicts.verdict(begun, alpha=alpha, margin=margin)
    return begun


def stop(*, caller: Caller, comparison: Comparison, now: datetime) -> Comparison:
    """End a comparison at once; what it says so far stays true. One that has ended stays as it is."""
    caller.require_scope("evidence")
    runs.require_person(caller, comparison.assistant)
    leases.cancel(comparison, by=str(caller.principal), now=now)
    comparison.refresh_from_db()
    return comparison


def resume(
    *,
    caller: Caller,
    comparison: Comparison,
    cost_cap_micro: int | None = None,
    most_pairs: int | None = None,
) -> Comparison:
    """Have a worker go on with a comparison that stopped short, or (with more `most_pairs`) that ran all its pairs
    undecided. Halves of pairs that are done are not asked again, those that failed are: none is left out.

    One that is decided, or under way, stays as it is.
    """
    caller.require_scope("evidence")
    runs.require_person(caller, comparison.assistant)
    runner = configurations.of(assistant=comparison.assistant)
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
        if most_pairs is not None and _may_go_on(row):
            row.most_pairs = max(row.most_pairs, most_pairs)
            if row.counted < row.most_pairs:
                row.state = Comparison.State.INCOMPLETE
            row.save(update_fields=["most_pairs", "state"])
        leases.queue_again(
            row,
            cost_cap_micro=cap if cost_cap_micro is None else runs.capped(runner, cost_cap_micro),
        )
    comparison.refresh_from_db()
    return comparison


def visible_to(*, caller: Caller) -> QuerySet[Comparison]:
    """The comparisons by assistants of the caller's teams; every one to an admin. Newest first."""
    found = Comparison.objects.select_related(
        "first", "second", "assistant__team", "ritual", "started_by"
    )
    if not caller.is_admin:
        found = found.filter(assistant__team__in=caller.team_ids)
    return found.order_by("-id")


def named(*, caller: Caller, pk: int) -> Comparison:
    """The comparison with this id, if the caller may see it."""
    found = visible_to(caller=caller).filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(f"There is no comparison {pk}, or it is another team's.")
    return found


def told(comparison: Comparison) -> Told:
    """What a comparison says now."""
    row = Comparison.objects.select_related("ritual").get(pk=comparison.pk)
    state = sequential.unpacked(bytes(row.packed))
    halves = row.pair_runs
    cases = weighing(definitions.of(row.ritual))
    seen, sums = state.cases.pairs[0], state.cases.sums[0]
    return Told(
        state=row.state,
        reason=row.reason,
        verdict=verdicts.verdict(state, alpha=row.alpha, margin=row.margin),
        drawn=halves.count() // 2,
        most_pairs=row.most_pairs,
        failed=halves.filter(state=PairRun.State.FAILED).count(),
        cases=tuple(
            OfCase(
                case=case.id,
                weight=float(weight),
                pairs=int(n),
                mean=float(total / n) if n else None,
            )
            for case, weight, n, total in zip(cases, state.weights, seen, sums, strict=True)
        ),
        spent_micro=row.spent_micro,
        lost_micro=row.lost_micro,
        cost_cap_micro=row.cost_cap_micro,
        currency=row.currency,
    )


def standing(comparison: Comparison) -> Verdict:
    """What the pairs counted so far say."""
    state = sequential.unpacked(bytes(comparison.packed))
    return verdicts.verdict(state, alpha=comparison.alpha, margin=comparison.margin)


def trail(comparison: Comparison, *, most: int) -> list[Look]:
    """What a comparison said as its pairs came in: the last of all, and at most so many, evenly chosen."""
    looks = list(comparison.looks.order_by("pairs"))
    every = max(1, -(-len(looks) // most))
    return looks[::-1][::every][::-1]


def weighing(definition: Definition) -> list[Case]:
    """The cases that a comparison draws from: those that weigh anything, in the ritual's order."""
    return [case for case in definition.cases if case.weight > 0.0]


def context(comparison: Comparison, *, pair: int, definition: Definition) -> perturbations.Frame:
    """The frame in which both halves of a pair are asked: the ritual's own, with a seed of the pair's."""
    rng = np.random.default_rng([comparison.seed, 1, pair])
    seed = int(rng.integers(0, perturbations.MOST_SEED, endpoint=True))
    return perturbations.Frame(number=0, seed=seed, temperature=definition.temperature)


def draw(comparison: Comparison, *, state: State) -> list[PairRun]:
    """Draw the next pairs after all that are counted, and keep them. From the same state they are the same."""
    counted = int(state.pairs[0])
    pairs = min(AT_ONCE, comparison.most_pairs - counted)
    drawn = sequential.draw(
        state, pairs=pairs, rng=np.random.default_rng([comparison.seed, 0, counted])
    )
    return PairRun.objects.bulk_create(
        [
            PairRun(
                comparison=comparison,
                pair=counted + n,
                side=side,
                number=int(drawn.case[0, n]),
                weight=float(drawn.weight[0, n]),
                bound=float(drawn.bound[0, n]),
            )
            for n in range(pairs)
            for side in PairRun.Side.values
        ]
    )


def finished(comparison: Comparison, *, after: int) -> list[tuple[PairRun, PairRun]]:
    """The pairs from number `after` on of which both halves are done, up to the first that lacks one: in the order in
    which they count."""
    rows = comparison.pair_runs.filter(pair__gte=after).order_by("pair", "side")
    halves = list(rows)
    found = []
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        if first.score is None or second.score is None:
            break
        found.append((first, second))
    return found


def fold(state: State, pairs: Sequence[tuple[PairRun, PairRun]]) -> State:
    """The state after these pairs."""
    if not pairs:
        return state
    draws = Draws(
        case=np.array([[first.number for first, _ in pairs]]),
        weight=np.array([[first.weight for first, _ in pairs]]),
        bound=np.array([[first.bound for first, _ in pairs]]),
    )
    differences = np.array([[_score(first) - _score(second) for first, second in pairs]])
    return sequential.counted(state, draws=draws, differences=differences)


def _may_go_on(row: Comparison) -> bool:
    """Whether more pairs may follow: it has ended, and nothing is decided."""
    return row.is_ended and row.decision == Decision.OPEN


def _score(half: PairRun) -> float:
    assert half.score is not None, "a pair counts once both halves are done"
    return half.score


def _check_pairs(most_pairs: int) -> None:
    if not 1 <= most_pairs <= MOST_PAIRS:
        raise sequential.InvalidComparison(
            f"{most_pairs:,} pairs: a comparison runs 1 to {MOST_PAIRS:,}."
        )


def _asked_before(caller: Caller, key: str) -> Comparison | None:
    return Comparison.objects.filter(started_by=caller.principal, key=key).first()


def _same(there: Comparison, asked: tuple[object, ...]) -> Comparison:
    was = (
        there.first_id,
        there.second_id,
        there.assistant_id,
        there.ritual_id,
        there.alpha,
        there.margin,
        there.seed,
    )
    if asked != was:
        raise errors.KeyReused(
            f"The key {there.key!r} started comparison {there.pk}, of something else."
        )
    return there
