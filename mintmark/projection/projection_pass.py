"""A pass over the log: the fold and all that is published from it, slice by slice."""

from dataclasses import dataclass

import numpy as np

from mintmark.evidence import log
from mintmark.projection.prompt_models import Policy
from mintmark.projection.published_scores import ScorePublisher, ScoreRows
from mintmark.scoring import prompt_state
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.reputation_constants import ReputationPolicy

from .fold import Fold
from .published_pairs import PairPublisher, PublishedPairRows


@dataclass(frozen=True, kw_only=True)
class SliceResult:
    """The rows that one slice publishes."""

    reputation: ScoreRows
    pairs: PublishedPairRows


class ProjectionPass:
    """Everything that follows the log, under one policy. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: Policy, stored: bool) -> None:
        pairs_policy = PairPolicy.from_json(policy.pairs)
        self.fold = Fold(
            pairs_policy=pairs_policy,
            reputation_policy=ReputationPolicy.from_json(policy.reputation),
            stored=stored,
        )
        self._score_publisher = ScorePublisher(policy=policy.version, stored=stored)
        self._pair_publisher = PairPublisher(policy=pairs_policy, stored=stored)

    def process_slice(self, log_slice: log.Slice) -> SliceResult:
        """Fold one slice of whole batches."""
        effects = self.fold.apply(log_slice)
        prompts = np.unique(log_slice.prompt)
        positions = self.fold.prompt_state.locate(prompts, changes=False)
        counts = self.fold.prompt_state.build_state().prompts.counted[positions]
        score_rows = self._score_publisher.build_rows(
            log_slice=log_slice,
            expected=effects.expected,
            baseline=effects.baseline,
            effects=effects.reputation,
            prompts=prompts,
            homes=self.fold.prompt_state.get_homes(positions),
            runs=counts[:, prompt_state.OUTCOME] + counts[:, prompt_state.REPLAY],
        )
        pair_rows = self._pair_publisher.build_rows(
            log_slice=log_slice,
            task=self.fold.prompt_state.get_tasks(log_slice.ritual),
            effects=effects,
            sums=self.fold.get_pair_sums,
        )
        return SliceResult(reputation=score_rows, pairs=pair_rows)
