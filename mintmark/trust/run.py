"""A run over the log: the fold and all that is published beside it, slice by slice."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mintmark.core import reputation_state
from mintmark.core.pair_policy import PairPolicy
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.evidence import log
from mintmark.reputation.models import Policy
from mintmark.reputation.standings import Published, Standings

from .fold import Fold
from .maps import Maps


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one slice publishes."""

    reputation: Published
    trust_map: list[tuple[Any, ...]]


class Run:
    """Everything that follows the log, under one policy; with `stored` False from nothing: a replay."""

    def __init__(self, *, policy: Policy, stored: bool) -> None:
        pairs_policy = PairPolicy.from_json(policy.pairs)
        self.fold = Fold(
            pairs_policy=pairs_policy,
            reputation_policy=ReputationPolicy.from_json(policy.reputation),
            stored=stored,
        )
        self._standings = Standings(policy=policy.version, stored=stored)
        self._maps = Maps(policy=pairs_policy, stored=stored)

    def step(self, part: log.Slice) -> Step:
        """Fold one slice of whole batches."""
        effects = self.fold.apply(part)
        prompts = np.unique(part.prompt)
        at = self.fold.records.locate(prompts, changes=False)
        counted = self.fold.records.state().prompts.counted[at]
        published = self._standings.follow(
            part=part,
            expected=effects.expected,
            baseline=effects.baseline,
            effects=effects.reputation,
            prompts=prompts,
            homes=self.fold.records.homes(at),
            runs=counted[:, reputation_state.OUTCOME] + counted[:, reputation_state.REPLAY],
        )
        made = self._maps.follow(part=part, effects=effects, sums=self.fold.pair_sums)
        return Step(reputation=published, trust_map=made)
