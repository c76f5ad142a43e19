"""Calibration: learn the priors from the log, store them as a new policy, and fold the log under it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from mintmark.accounts.models import Principal
from mintmark.common import errors, evidence_kinds, provenance
from mintmark.evidence import log
from mintmark.projection import policies
from mintmark.projection.prompt_models import Policy
from mintmark.scoring import pair_model, priors

from . import replay
from .projection_pass import ProjectionPass

Ints = NDArray[np.int64]

MIN_EVENTS = 20


class TooLittleEvidence(errors.DomainError):
    """The log has too few measured events to learn priors from."""

    code = "too_little_evidence"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The learned policy, the number of measured events it was learned from, and the number of events folded again
    under it."""

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
    """Learn a policy from the whole settled log and make it current.

    The pair model's priors are learned by prequential loss (`scoring.priors`), the weight of the prior in prompt trust
    by moments (`scoring.prior_strength`). Only decisive events teach, as soon as there are `MIN_EVENTS` of them;
    before, what teams report of their own does. Raises `TooLittleEvidence` below `MIN_EVENTS` measured events.
    """
    before = policies.get_current()
    slices = list(log.iter_slices(at_most=replay.SLICE_SIZE))
    measured = [np.isin(log_slice.kind, sorted(evidence_kinds.MEASURED)) for log_slice in slices]
    decisive = [
        m & np.isin(log_slice.provenance, sorted(provenance.DECISIVE))
        for m, log_slice in zip(measured, slices, strict=True)
    ]
    if sum(m.sum() for m in decisive) >= MIN_EVENTS:
        measured = decisive
    count = int(sum(m.sum() for m in measured))
    if count < MIN_EVENTS:
        raise TooLittleEvidence(
            f"The log has {count} measured events (outcomes and replays); calibration takes at least {MIN_EVENTS}."
        )
    projection_pass = ProjectionPass(policy=before, stored=False)
    events = _build_pair_events(projection_pass, slices, measured)
    progress(f"learning from {count} measured events")
    learned = priors.learn(events, progress=progress)
    progress("learning how much the prior weighs")
    for log_slice in slices:
        projection_pass.fold.apply(log_slice)
    reputation = projection_pass.fold.prompt_state.learn_kappa()
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


def _build_pair_events(
    projection_pass: ProjectionPass, slices: list[log.Slice], measured: list[NDArray[np.bool_]]
) -> pair_model.PairEvents:
    """The measured part of the log as the pair model's columns."""

    def concatenate_column(name: str) -> Ints:
        return np.concatenate(
            [getattr(log_slice, name)[m] for log_slice, m in zip(slices, measured, strict=True)]
        )

    task = projection_pass.fold.prompt_state.get_tasks(concatenate_column("ritual"))
    assistants, prompts = concatenate_column("assistant"), concatenate_column("prompt")
    distinct, prompt_at = np.unique(prompts, return_inverse=True)

    def number_codes(first: Ints, second: Ints | None = None) -> Ints:
        code = first if second is None else (first << 32) | second
        indices: Ints = np.unique(code, return_inverse=True)[1].astype(np.int64)
        return indices

    return pair_model.PairEvents(
        assistant=number_codes(assistants),
        ritual=number_codes(task),
        assistant_ritual=number_codes(assistants, task),
        prompt=prompt_at.astype(np.int64),
        pair=number_codes(assistants, prompts),
        features=projection_pass.fold.get_features(distinct),
        score=concatenate_column("score").astype(np.float64),
        runs=concatenate_column("runs").astype(np.float64),
        at_days=concatenate_column("at_days").astype(np.float64),
    )
