"""The published row of a pair of assistant and prompt: one row of the trust map, as of the pair's last event."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mintmark.common import evidence_kinds
from mintmark.evidence import log
from mintmark.projection.index import PairIndex
from mintmark.scoring import pair_measures, pair_readout
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.storage import bulk

from .fold import SliceEffects
from .pair_models import AssistantPromptTrustMap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = (
    "assistant_id", "prompt_id", "resonance_score", "symbolic_compliance", "dreamframe_volatility", "mutation_bias",
    "memory_fidelity", "trust", "trust_low", "trust_high", "own_trust", "own_trust_low", "own_trust_high",
    "own_resonance", "runs", "proven_runs", "clause_checks", "recall_checks", "replay_runs",
    "fork_runs", "events", "event",
)  # fmt: skip

_OPINION_KINDS = sorted(evidence_kinds.OPINION | evidence_kinds.REWEIGH)
_REPLAY = int(evidence_kinds.EvidenceKind.REPLAY)
# The value of each measure without any observation: its prior.
_COMPLIANCE_PRIOR, _MEMORY_PRIOR = 0.5, 0.5


class PairPublisher:
    """Follows the log beside the kernels. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: PairPolicy, stored: bool) -> None:
        self._policy = policy
        self._stored = stored
        self._index = PairIndex()
        # By position: events, replay runs, decisive runs, and the last readout of trust, low, high and resonance, as
        # everybody sees them and as the assistant's team does.
        self._events = np.zeros(0, dtype=np.int64)
        self._replay_runs = np.zeros(0)
        self._proven_runs = np.zeros(0)
        self._readouts = np.zeros((0, 4))
        self._own_readouts = np.zeros((0, 4))

    def build_rows(
        self,
        *,
        log_slice: log.Slice,
        effects: SliceEffects,
        sums: Callable[[Ints, Ints], pair_measures.PairSums],
    ) -> list[tuple[Any, ...]]:
        """The map's rows after a slice, in the order of `COLUMNS`; `sums` gives the alignment sums of pairs."""
        chosen = np.flatnonzero(
            (log_slice.assistant >= 0) & ~np.isin(log_slice.kind, _OPINION_KINDS)
        )
        if not chosen.size:
            return []
        assistant, prompt = log_slice.assistant[chosen], log_slice.prompt[chosen]
        self._load_pairs(assistant, prompt)
        positions = self._index.find(assistant, prompt)
        np.add.at(self._events, positions, 1)
        replayed = log_slice.kind[chosen] == _REPLAY
        np.add.at(self._replay_runs, positions[replayed], log_slice.runs[chosen[replayed]])
        proven = ~np.isnan(effects.pair[chosen, 0])
        np.add.at(self._proven_runs, positions[proven], log_slice.runs[chosen[proven]])
        self._update_readouts(self._readouts, positions, chosen, effects.pair)
        self._update_readouts(self._own_readouts, positions, chosen, effects.own_pair)
        pairs, last = _find_last(positions)
        i = chosen[last]
        pair_sums = sums(assistant[last], prompt[last])
        alignment_effects = effects.alignment
        pair_readouts, own_readouts = self._readouts[pairs], self._own_readouts[pairs]
        columns = (
            assistant[last],
            prompt[last],
            _fill_with_prior(pair_readouts[:, 3], 0.0),
            _fill_with_prior(alignment_effects.symbolic_compliance[i], _COMPLIANCE_PRIOR),
            _fill_with_prior(alignment_effects.dreamframe_volatility[i], 0.0),
            _fill_with_prior(alignment_effects.mutation_bias[i], 0.0),
            _fill_with_prior(alignment_effects.memory_fidelity[i], _MEMORY_PRIOR),
            *bulk.nan_to_none(pair_readouts[:, :3].T),
            *bulk.nan_to_none(own_readouts[:, :3].T),
            _fill_with_prior(own_readouts[:, 3], 0.0),
            pair_sums.runs,
            self._proven_runs[pairs],
            pair_sums.checked,
            pair_sums.asked,
            self._replay_runs[pairs],
            np.where(pair_sums.forked, pair_sums.runs, 0.0),
            self._events[pairs],
            log_slice.event[i],
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _update_readouts(
        self, readouts: Floats, positions: Ints, chosen: Ints, after: Floats
    ) -> None:
        """Store in `readouts` the readout after each pair's last measured event of the slice."""
        measured = ~np.isnan(after[chosen, 0])
        pairs, last = _find_last(positions[measured])
        readout = pair_readout.compute_readout(self._policy, after[chosen[measured][last]])
        readouts[pairs] = np.stack(
            [readout.trust, readout.low, readout.high, readout.resonance], axis=1
        )

    def _load_pairs(self, assistants: Ints, prompts: Ints) -> None:
        first, second = self._index.find_missing(assistants, prompts)
        if not first.size:
            return
        self._index.add(first, second)
        self._events = np.concatenate([self._events, np.zeros(first.size, dtype=np.int64)])
        self._replay_runs = np.concatenate([self._replay_runs, np.zeros(first.size)])
        self._proven_runs = np.concatenate([self._proven_runs, np.zeros(first.size)])
        self._readouts = np.concatenate([self._readouts, np.full((first.size, 4), np.nan)])
        self._own_readouts = np.concatenate([self._own_readouts, np.full((first.size, 4), np.nan)])
        if not self._stored:
            return
        for start in range(0, first.size, 5000):
            trust_maps = AssistantPromptTrustMap.objects.filter(
                assistant__in=np.unique(first).tolist(),
                prompt__in=np.unique(second[start : start + 5000]).tolist(),
            )
            value_rows = trust_maps.values_list(
                "assistant_id", "prompt_id", "events", "replay_runs", "proven_runs", "trust", "trust_low", "trust_high",
                "resonance_score", "own_trust", "own_trust_low", "own_trust_high", "own_resonance",
            )  # fmt: skip
            if stored := list(value_rows):
                keys = np.array([row[:2] for row in stored], dtype=np.int64)
                positions = self._index.find(keys[:, 0], keys[:, 1])
                is_known = positions >= 0
                numbers = np.array([row[2:] for row in stored], dtype=np.float64)[is_known]
                self._events[positions[is_known]] = numbers[:, 0].astype(np.int64)
                self._replay_runs[positions[is_known]] = numbers[:, 1]
                self._proven_runs[positions[is_known]] = numbers[:, 2]
                self._readouts[positions[is_known]] = numbers[:, 3:7]
                self._own_readouts[positions[is_known]] = numbers[:, 7:]


def publish(trust_map_rows: list[tuple[Any, ...]], *, now: datetime) -> None:
    """Write rows of the trust map, replacing earlier ones; in the caller's transaction."""
    bulk.bulk_upsert(
        AssistantPromptTrustMap,
        (*COLUMNS, "updated_at"),
        [(*row, now) for row in trust_map_rows],
        update_on=("assistant_id", "prompt_id"),
    )


def _find_last(keys: Ints) -> tuple[Ints, Ints]:
    """The distinct keys, and where each appears last."""
    distinct, before_last = np.unique(keys[::-1], return_index=True)
    return distinct, keys.size - 1 - before_last


def _fill_with_prior(values: Floats, prior: float) -> Floats:
    return np.where(np.isnan(values), prior, values)
