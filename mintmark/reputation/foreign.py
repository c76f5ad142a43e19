"""Foreign reputation: what another installation told of a prompt, as a prior that counts and ages like inheritance.

It is kept as lift: its score there, less what an average prompt scored there. Here the average is another.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mintmark.core import ageing, bundles, reputation_state
from mintmark.evidence import log
from mintmark.registry.models import Prompt

from .answers import Estimate, ForeignPrior
from .models import ForeignReputation

Ints = NDArray[np.int64]

_OUTCOME = reputation_state.OUTCOME


def keep(
    *,
    told: Sequence[tuple[Prompt, bundles.Reputation]],
    runs: int,
    issuer: str,
    now: datetime,
) -> None:
    """Keep what was told of prompts that are registered in this very transaction: none has evidence here yet.

    Each counts as `runs` runs, or as the runs measured there where those are fewer.
    """
    ForeignReputation.objects.bulk_create(
        [
            ForeignReputation(
                prompt=prompt,
                runs=float(min(runs, one.outcomes + one.replays)),
                lift=(one.trust_ppm - one.average_ppm) / bundles.MILLION,
                told=one.model_dump(mode="json"),
                issuer=issuer,
                accepted_at=now,
            )
            for prompt, one in told
        ],
        batch_size=500,
    )


def of(*, prompt: Prompt, half_life_days: float, now: datetime) -> ForeignPrior | None:
    """What was told of a prompt when it came here, and as how many runs that still counts; None for one from here."""
    row = ForeignReputation.objects.filter(prompt=prompt).first()
    if row is None:
        return None
    elapsed = (now - row.accepted_at).total_seconds() / 86_400
    return ForeignPrior(
        issuer=row.issuer,
        accepted_at=row.accepted_at,
        runs=row.runs,
        runs_left=row.runs * ageing.remaining(elapsed, half_life_days),
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


def counts(*, prompt: Prompt) -> bool:
    """Whether a prompt came with a reputation that counts for something here."""
    return ForeignReputation.objects.filter(prompt=prompt, runs__gt=0).exists()


def seed(prompts: Ints, at: Ints, rows: reputation_state.Prompts) -> None:
    """Let the untouched rows at these positions begin with what was told of their prompts: as a fork's row begins with
    what it inherits, so that it ages, is shown and is passed on as inheritance is."""
    position = dict(zip(prompts.tolist(), at.tolist(), strict=True))
    wanted = list(position)
    for start in range(0, len(wanted), 5_000):
        told = ForeignReputation.objects.filter(
            prompt__in=wanted[start : start + 5_000], runs__gt=0
        ).values_list("prompt_id", "runs", "lift", "accepted_at")
        for prompt, runs, lift, accepted_at in told:
            i = position[prompt]
            rows.weight[i, _OUTCOME] = runs
            rows.residual[i, _OUTCOME] = runs * lift
            rows.inherited[i, _OUTCOME] = runs
            rows.at[i] = float(log.days([accepted_at])[0])
            rows.started[i] = True
