"""Calibration: learn the priors from the log, write them as a new policy, and fold the log under it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from mintmark.accounts.models import Principal
from mintmark.core import errors, kinds, pairs, priors
from mintmark.evidence import log
from mintmark.reputation import policies
from mintmark.reputation.models import Policy

from . import replay
from .run import Run

Ints = NDArray[np.int64]

FEWEST = 20


class TooLittleEvidence(errors.Refusal):
    """The log has too few measured events to learn priors from."""

    code = "too_little_evidence"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was learned, from how many measured events, and how many events were folded anew under it."""

    policy: Policy
    before: Policy
    learned_from: int
    folded: int


def calibrate(
    *,
    now: datetime,
    author: Principal | None = None,
    note: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Learn a policy from the whole settled log and put it in force.

    The pair model's priors are learned by prequential loss (`core.priors`), the weight of the prior in prompt trust
    by moments (`core.kappa`). Raises `TooLittleEvidence` below `FEWEST` measured events.
    """
    before = policies.in_force()
    slices = list(log.slices(at_most=replay.SLICE))
    measured = [np.isin(part.kind, sorted(kinds.MEASURED)) for part in slices]
    count = int(sum(m.sum() for m in measured))
    if count < FEWEST:
        raise TooLittleEvidence(
            f"The log has {count} measured events (outcomes and replays); calibration takes at least {FEWEST}."
        )
    run = Run(policy=before, stored=False)
    events = _events(run, slices, measured)
    progress(f"learning from {count} measured events")
    learned = priors.learn(events, progress=progress)
    progress("learning how much the prior weighs")
    for part in slices:
        run.fold.apply(part)
    reputation = run.fold.records.learn_kappa()
    with transaction.atomic():
        policy = Policy.objects.create(
            pairs=learned.to_json(),
            reputation=reputation.to_json(),
            learned_from=count,
            author=author,
            note=note,
            created_at=now,
        )
        folded = replay.rebuild(
            policy=policy, now=now, progress=lambda n: progress(f"folded {n} events")
        )
    return Calibration(policy=policy, before=before, learned_from=count, folded=folded)


def _events(
    run: Run, slices: list[log.Slice], measured: list[NDArray[np.bool_]]
) -> pairs.PairEvents:
    """The measured part of the log as the pair model's columns."""

    def column(name: str) -> Ints:
        return np.concatenate(
            [getattr(part, name)[m] for part, m in zip(slices, measured, strict=True)]
        )

    task = run.fold.records.task(column("ritual"))
    assistants, prompts = column("assistant"), column("prompt")
    distinct, prompt_at = np.unique(prompts, return_inverse=True)

    def numbered(first: Ints, second: Ints | None = None) -> Ints:
        code = first if second is None else (first << 32) | second
        found: Ints = np.unique(code, return_inverse=True)[1].astype(np.int64)
        return found

    return pairs.PairEvents(
        assistant=numbered(assistants),
        ritual=numbered(task),
        assistant_ritual=numbered(assistants, task),
        prompt=prompt_at.astype(np.int64),
        pair=numbered(assistants, prompts),
        features=run.fold.features(distinct),
        score=column("score").astype(np.float64),
        runs=column("runs").astype(np.float64),
        at_days=column("at_days").astype(np.float64),
    )
