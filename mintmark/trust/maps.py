"""What is published of a pair of assistant and prompt: one row of the trust map, as of the pair's last event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from mintmark.core import alignment, kinds, readings
from mintmark.core.pair_policy import PairPolicy
from mintmark.database import rows
from mintmark.evidence import log

from .fold import Effects
from .models import AssistantPromptTrustMap

COLUMNS = (
    "assistant_id", "prompt_id", "resonance_score", "symbolic_compliance", "dreamframe_volatility", "mutation_bias",
    "memory_fidelity", "trust", "trust_low", "trust_high", "runs", "clause_checks", "recall_checks", "replay_runs",
    "fork_runs", "events", "event",
)  # fmt: skip

_OPINION = sorted(kinds.OPINION)
_REPLAY = int(kinds.Kind.REPLAY)
# What a measure is where nothing was observed of it: its prior.
_COMPLIANCE_PRIOR, _MEMORY_PRIOR = 0.5, 0.5


@dataclass(slots=True)
class _Pair:
    """What the map keeps of a pair between its events."""

    events: int = 0
    replay_runs: float = 0.0
    reading: tuple[float | None, ...] = (None, None, None, 0.0)


class Maps:
    """Follows the log beside the kernels. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: PairPolicy, stored: bool) -> None:
        self._policy = policy
        self._stored = stored
        self._pairs: dict[tuple[int, int], _Pair] = {}

    def follow(
        self,
        *,
        part: log.Slice,
        effects: Effects,
        sums: alignment.PairSums,
        at: Mapping[tuple[int, int], int],
    ) -> list[tuple[Any, ...]]:
        """The map's rows after a slice, in the order of `COLUMNS`; `at` says where each pair's sums stand."""
        concerned = (part.assistant >= 0) & ~np.isin(part.kind, _OPINION)
        chosen = np.flatnonzero(concerned).tolist()
        self._load([(int(part.assistant[i]), int(part.prompt[i])) for i in chosen])
        read = readings.read(self._policy, effects.pair)
        trust, low, high, lift = (
            column.tolist() for column in (read.trust, read.low, read.high, read.resonance)
        )
        last: dict[tuple[int, int], int] = {}
        for i in chosen:
            key = (int(part.assistant[i]), int(part.prompt[i]))
            pair = self._pairs[key]
            pair.events += 1
            if part.kind[i] == _REPLAY:
                pair.replay_runs += float(part.runs[i])
            if trust[i] == trust[i]:
                pair.reading = (trust[i], low[i], high[i], lift[i])
            last[key] = i
        told = effects.alignment
        made = []
        for key, i in last.items():
            pair, position = self._pairs[key], at[key]
            made.append(
                (
                    *key,
                    pair.reading[3],
                    _known(told.symbolic_compliance[i], _COMPLIANCE_PRIOR),
                    _known(told.dreamframe_volatility[i], 0.0),
                    _known(told.mutation_bias[i], 0.0),
                    _known(told.memory_fidelity[i], _MEMORY_PRIOR),
                    *pair.reading[:3],
                    float(sums.runs[position]),
                    float(sums.checked[position]),
                    float(sums.asked[position]),
                    pair.replay_runs,
                    float(sums.runs[position]) if sums.forked[position] else 0.0,
                    pair.events,
                    int(part.event[i]),
                )
            )
        return made

    def _load(self, keys: list[tuple[int, int]]) -> None:
        missing = list(dict.fromkeys(key for key in keys if key not in self._pairs))
        self._pairs.update((key, _Pair()) for key in missing)
        if not self._stored:
            return
        wanted = set(missing)
        assistants = {a for a, _ in missing}
        prompts = [p for _, p in missing]
        for start in range(0, len(prompts), 5000):
            for row in AssistantPromptTrustMap.objects.filter(
                assistant__in=assistants, prompt__in=prompts[start : start + 5000]
            ):
                if (row.assistant_id, row.prompt_id) in wanted:
                    self._pairs[row.assistant_id, row.prompt_id] = _Pair(
                        events=row.events,
                        replay_runs=row.replay_runs,
                        reading=(row.trust, row.trust_low, row.trust_high, row.resonance_score),
                    )


def publish(made: list[tuple[Any, ...]], *, now: datetime) -> None:
    """Write rows of the trust map over what was there; in the caller's transaction."""
    rows.insert(
        AssistantPromptTrustMap,
        (*COLUMNS, "updated_at"),
        [(*row, now) for row in made],
        replace=("assistant_id", "prompt_id"),
    )


def _known(value: float, prior: float) -> float:
    return float(value) if value == value else prior
