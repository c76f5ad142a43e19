"""What is published of a pair of assistant and prompt: one row of the trust map, as of the pair's last event."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mintmark.core import alignment, kinds, readings
from mintmark.core.pair_policy import PairPolicy
from mintmark.database import rows
from mintmark.evidence import log
from mintmark.reputation.places import Places

from .fold import Effects
from .models import AssistantPromptTrustMap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = (
    "assistant_id", "prompt_id", "resonance_score", "symbolic_compliance", "dreamframe_volatility", "mutation_bias",
    "memory_fidelity", "trust", "trust_low", "trust_high", "runs", "clause_checks", "recall_checks", "replay_runs",
    "fork_runs", "events", "event",
)  # fmt: skip

_OPINION = sorted(kinds.OPINION)
_REPLAY = int(kinds.Kind.REPLAY)
# What a measure is where nothing was observed of it: its prior.
_COMPLIANCE_PRIOR, _MEMORY_PRIOR = 0.5, 0.5


class Maps:
    """Follows the log beside the kernels. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: PairPolicy, stored: bool) -> None:
        self._policy = policy
        self._stored = stored
        self._places = Places()
        # By position: events, replay runs, and the last reading of trust, low, high and resonance.
        self._events = np.zeros(0, dtype=np.int64)
        self._replay_runs = np.zeros(0)
        self._reading = np.zeros((0, 4))

    def follow(
        self,
        *,
        part: log.Slice,
        effects: Effects,
        sums: Callable[[Ints, Ints], alignment.PairSums],
    ) -> list[tuple[Any, ...]]:
        """The map's rows after a slice, in the order of `COLUMNS`; `sums` gives the alignment sums of pairs."""
        chosen = np.flatnonzero((part.assistant >= 0) & ~np.isin(part.kind, _OPINION))
        if not chosen.size:
            return []
        assistant, prompt = part.assistant[chosen], part.prompt[chosen]
        self._load(assistant, prompt)
        at = self._places.find(assistant, prompt)
        np.add.at(self._events, at, 1)
        replayed = part.kind[chosen] == _REPLAY
        np.add.at(self._replay_runs, at[replayed], part.runs[chosen[replayed]])
        self._read(at, chosen, effects.pair)
        pairs, last = _last_by(at)
        i = chosen[last]
        held = sums(assistant[last], prompt[last])
        told = effects.alignment
        reading = self._reading[pairs]
        columns = (
            assistant[last],
            prompt[last],
            _known(reading[:, 3], 0.0),
            _known(told.symbolic_compliance[i], _COMPLIANCE_PRIOR),
            _known(told.dreamframe_volatility[i], 0.0),
            _known(told.mutation_bias[i], 0.0),
            _known(told.memory_fidelity[i], _MEMORY_PRIOR),
            *rows.nullable(reading[:, :3].T),
            held.runs,
            held.checked,
            held.asked,
            self._replay_runs[pairs],
            np.where(held.forked, held.runs, 0.0),
            self._events[pairs],
            part.event[i],
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _read(self, at: Ints, chosen: Ints, after: Floats) -> None:
        """Take over the reading that each pair's last measured event of the slice leaves."""
        measured = ~np.isnan(after[chosen, 0])
        pairs, last = _last_by(at[measured])
        read = readings.read(self._policy, after[chosen[measured][last]])
        self._reading[pairs] = np.stack([read.trust, read.low, read.high, read.resonance], axis=1)

    def _load(self, assistants: Ints, prompts: Ints) -> None:
        first, second = self._places.missing(assistants, prompts)
        if not first.size:
            return
        self._places.add(first, second)
        self._events = np.concatenate([self._events, np.zeros(first.size, dtype=np.int64)])
        self._replay_runs = np.concatenate([self._replay_runs, np.zeros(first.size)])
        self._reading = np.concatenate([self._reading, np.full((first.size, 4), np.nan)])
        if not self._stored:
            return
        for start in range(0, first.size, 5000):
            there = AssistantPromptTrustMap.objects.filter(
                assistant__in=np.unique(first).tolist(),
                prompt__in=np.unique(second[start : start + 5000]).tolist(),
            )
            found = there.values_list(
                "assistant_id", "prompt_id", "events", "replay_runs", "trust", "trust_low", "trust_high",
                "resonance_score",
            )  # fmt: skip
            if stored := list(found):
                keys = np.array([row[:2] for row in stored], dtype=np.int64)
                at = self._places.find(keys[:, 0], keys[:, 1])
                kept = at >= 0
                numbers = np.array([row[2:] for row in stored], dtype=np.float64)[kept]
                self._events[at[kept]] = numbers[:, 0].astype(np.int64)
                self._replay_runs[at[kept]] = numbers[:, 1]
                self._reading[at[kept]] = numbers[:, 2:]


def publish(made: list[tuple[Any, ...]], *, now: datetime) -> None:
    """Write rows of the trust map over what was there; in the caller's transaction."""
    rows.insert(
        AssistantPromptTrustMap,
        (*COLUMNS, "updated_at"),
        [(*row, now) for row in made],
        replace=("assistant_id", "prompt_id"),
    )


def _last_by(keys: Ints) -> tuple[Ints, Ints]:
    """The distinct keys, and where each appears last."""
    distinct, before_last = np.unique(keys[::-1], return_index=True)
    return distinct, keys.size - 1 - before_last


def _known(values: Floats, prior: float) -> Floats:
    return np.where(np.isnan(values), prior, values)
