"""Imported reputation: what another installation reported of a prompt, as a prior that counts and decays as inheritance
does.

It is stored as lift: the prompt's score there minus an average prompt's score there, since the average differs here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mintmark.evidence import log
from mintmark.registry.models import Prompt
from mintmark.scoring import decay, prompt_state
from mintmark.scoring.estimate import Estimate
from mintmark.signing import bundles

from .prompt_models import ImportedReputation


@dataclass(frozen=True, kw_only=True)
class ImportedPrior:
    """The reputation that another installation (`issuer`) reported when a prompt was imported; it is not evidence here.

    At the issuer, the prompt's score was `trust` (of `runs` measured there), and an average prompt scored `average` on
    the same task. Here it counts as `runs` runs, of which `runs_left` remain after decay, with `lift` above the average
    here.
    """

    issuer: str
    accepted_at: datetime
    runs: float
    runs_left: float
    lift: float
    trust: Estimate
    average: float
    task: str
    approvals: int
    ratings: int


Ints = NDArray[np.int64]

_OUTCOME_INDEX = prompt_state.OUTCOME


def store(
    *,
    summaries: Sequence[tuple[Prompt, bundles.BundleReputation]],
    runs: int,
    issuer: str,
    now: datetime,
) -> None:
    """Store the reported reputation of prompts that are registered in this transaction, so that none has evidence here
    yet.

    Each counts as `runs` runs, or as the runs measured there if those are fewer.
    """
    ImportedReputation.objects.bulk_create(
        [
            ImportedReputation(
                prompt=prompt,
                runs=float(min(runs, summary.outcomes + summary.replays)),
                lift=(summary.trust_ppm - summary.average_ppm) / bundles.MILLION,
                told=summary.model_dump(mode="json"),
                issuer=issuer,
                accepted_at=now,
            )
            for prompt, summary in summaries
        ],
        batch_size=500,
    )


def get_prior(*, prompt: Prompt, half_life_days: float, now: datetime) -> ImportedPrior | None:
    """The imported reputation of a prompt, and the runs as which it still counts; None for a prompt without one."""
    row = ImportedReputation.objects.filter(prompt=prompt).first()
    if row is None:
        return None
    elapsed = (now - row.accepted_at).total_seconds() / 86_400
    return ImportedPrior(
        issuer=row.issuer,
        accepted_at=row.accepted_at,
        runs=row.runs,
        runs_left=row.runs * decay.decay_factor(elapsed, half_life_days),
        lift=row.lift,
        trust=Estimate(
            value=row.told["trust_ppm"] / bundles.MILLION,
            low=row.told["low_ppm"] / bundles.MILLION,
            high=row.told["high_ppm"] / bundles.MILLION,
            runs=float(row.told["outcomes"] + row.told["replays"]),
        ),
        average=row.told["average_ppm"] / bundles.MILLION,
        task=row.told["task"],
        approvals=row.told["approvals"],
        ratings=row.told["ratings"],
    )


def has_prior(*, prompt: Prompt) -> bool:
    """Whether a prompt has an imported reputation that counts here."""
    return ImportedReputation.objects.filter(prompt=prompt, runs__gt=0).exists()


def apply_priors(prompts: Ints, positions: Ints, rows: prompt_state.Prompts) -> None:
    """Start the untouched rows at these positions from their prompts' imported reputation, as a fork's row starts from
    what it inherits. So it decays, is shown and is inherited in the same way."""
    position_by_prompt = dict(zip(prompts.tolist(), positions.tolist(), strict=True))
    prompt_ids = list(position_by_prompt)
    for start in range(0, len(prompt_ids), 5_000):
        priors = ImportedReputation.objects.filter(
            prompt__in=prompt_ids[start : start + 5_000], runs__gt=0
        ).values_list("prompt_id", "runs", "lift", "accepted_at")
        for prompt, runs, lift, accepted_at in priors:
            i = position_by_prompt[prompt]
            rows.weight[i, _OUTCOME_INDEX] = runs
            rows.residual[i, _OUTCOME_INDEX] = runs * lift
            rows.inherited[i, _OUTCOME_INDEX] = runs
            rows.at[i] = float(log.to_epoch_days([accepted_at])[0])
            rows.started[i] = True
