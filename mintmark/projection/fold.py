"""Fold one slice of the log through the three kernels: the part that live projection and replay share.

A `Fold` keeps the state rows in memory. Live, they are loaded from the database as a slice touches them; a replay
starts from nothing and loads none. Both give the same numbers, since a kernel works event by event.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mintmark.common import evidence_kinds
from mintmark.evidence import log
from mintmark.projection.lineage_cache import LineageCache
from mintmark.projection.prompt_rows import PromptStateRows
from mintmark.projection.state_store import StateGroup, StateRows, load, stack_columns
from mintmark.registry.models import Prompt
from mintmark.scoring import pair_measures, pair_model, prompt_model, text_features
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.reputation_constants import ReputationPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEASURED_KINDS = sorted(evidence_kinds.MEASURED)
_OPINION_KINDS = sorted(evidence_kinds.OPINION)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceEffects:
    """The effects of the events of one slice, column by column; NaN where a kind does not concern a kernel.

    `pair` (n, 5) is the pair's state right after the event, with the columns named by `pair_model.AFTER`.
    """

    expected: Floats
    baseline: Floats
    pair: Floats
    reputation: prompt_model.ReputationEffects
    alignment: pair_measures.MeasureEffects


class _AlignmentPairs(StateRows):
    """Rows of a pair's measures. In memory `parent` is a position; in the database it is −1."""

    def _stack_rows(self, at: Ints) -> Floats:
        arrays = [array[at] for array in self._arrays]
        parent = pair_measures.PairSums._fields.index("parent")
        arrays[parent] = np.full_like(arrays[parent], -1)
        return stack_columns(arrays)


class Fold:
    """The state of all kernels under one policy, as far as it is in memory."""

    def __init__(
        self, *, pairs_policy: PairPolicy, reputation_policy: ReputationPolicy, stored: bool
    ) -> None:
        self.pairs_policy = pairs_policy
        prior_variances = pairs_policy.prior_rows()
        prompt_variances = np.array([pairs_policy.prompt, pairs_policy.discrimination])
        pair_variances = np.array([pairs_policy.pair])

        def build_rows(group: StateGroup, variances: Floats) -> StateRows:
            def build_arrays(n: int) -> tuple[Floats, Floats, Floats]:
                untouched = pair_model.ParameterBlock.create_initial(n, variances)
                return untouched.mean, untouched.variance, untouched.touched

            return StateRows(group, build_arrays, stored=stored)

        self.pair_fleet = build_rows(StateGroup.PAIR_FLEET, prior_variances[0])
        self.pair_assistant = build_rows(StateGroup.PAIR_ASSISTANT, prior_variances[1])
        self.pair_ritual = build_rows(StateGroup.PAIR_RITUAL, prior_variances[2])
        self.pair_assistant_ritual = build_rows(
            StateGroup.PAIR_ASSISTANT_RITUAL, prior_variances[3]
        )
        self.pair_prompt = build_rows(StateGroup.PAIR_PROMPT, prompt_variances)
        self.pair_pair = build_rows(StateGroup.PAIR_PAIR, pair_variances)
        self.centre = StateRows(
            StateGroup.PAIR_CENTRE,
            lambda n: (np.zeros(n), np.zeros((n, text_features.WIDTH))),
            stored=stored,
        )

        self.lineage_cache = LineageCache()
        self.prompt_state = PromptStateRows(
            policy=reputation_policy, lineage_cache=self.lineage_cache, stored=stored
        )
        self.alignment_pair = _AlignmentPairs(
            StateGroup.ALIGNMENT_PAIR,
            lambda n: pair_measures.PairMeasureState.create_initial(pairs=n, prompts=0).pairs,
            stored=stored,
        )
        self.alignment_prompt = StateRows(
            StateGroup.ALIGNMENT_PROMPT,
            lambda n: pair_measures.PairMeasureState.create_initial(pairs=0, prompts=n).prompts,
            stored=stored,
        )
        self._wording: dict[int, Floats] = {}
        self._features = np.empty((0, text_features.WIDTH))

    def serialize_changed(self) -> list[tuple[int, int, int, bytes]]:
        """Every changed row of every block, in its stored form."""
        return [row for group in self.groups for row in group.serialize_changed()]

    @property
    def groups(self) -> tuple[StateRows, ...]:
        """Every block, in the order in which they are stored."""
        own = tuple(value for value in vars(self).values() if isinstance(value, StateRows))
        return (*own, *self.prompt_state.groups)

    def apply(self, log_slice: log.Slice) -> SliceEffects:
        """Fold one slice into the state and return the effect of each event."""
        task = self.prompt_state.get_tasks(log_slice.ritual)
        self._load(log_slice, task)
        expected = np.full(len(log_slice), np.nan)
        baseline = np.full(len(log_slice), np.nan)
        after = np.full((len(log_slice), 5), np.nan)
        measured = np.isin(log_slice.kind, _MEASURED_KINDS)
        if measured.any():
            pair_effects = self._fold_pairs(log_slice, task, measured)
            expected[measured] = pair_effects.expected
            baseline[measured] = pair_effects.baseline
            after[measured] = pair_effects.after
        return SliceEffects(
            expected=expected,
            baseline=baseline,
            pair=after,
            reputation=self.prompt_state.fold(log_slice, task=task, baseline=baseline),
            alignment=self._fold_alignment(log_slice, expected, baseline),
        )

    def build_pair_state(self) -> pair_model.PairState:
        """The pair model's state over the rows in memory."""
        return pair_model.PairState(
            fleet=pair_model.ParameterBlock(*self.pair_fleet.arrays),
            assistant=pair_model.ParameterBlock(*self.pair_assistant.arrays),
            ritual=pair_model.ParameterBlock(*self.pair_ritual.arrays),
            assistant_ritual=pair_model.ParameterBlock(*self.pair_assistant_ritual.arrays),
            prompt=pair_model.ParameterBlock(*self.pair_prompt.arrays),
            pair=pair_model.ParameterBlock(*self.pair_pair.arrays),
            centre_count=self.centre.arrays[0],
            centre_sum=self.centre.arrays[1],
        )

    def build_alignment_state(self) -> pair_measures.PairMeasureState:
        """The alignment kernel's state over the rows in memory."""
        return pair_measures.PairMeasureState(
            pairs=pair_measures.PairSums(*self.alignment_pair.arrays),
            prompts=pair_measures.PromptSums(*self.alignment_prompt.arrays),
        )

    def get_pair_sums(self, assistants: Ints, prompts: Ints) -> pair_measures.PairSums:
        """The alignment sums of these pairs, a row each."""
        positions = self.alignment_pair.locate(assistants, prompts, changes=False)
        return pair_measures.PairSums(*(column[positions] for column in self.alignment_pair.arrays))

    def get_features(self, prompts: Ints) -> Floats:
        """The wording features of these prompts, (n, wording.WIDTH)."""
        self._load_wording(prompts)
        return (
            np.stack([self._wording[int(p)] for p in prompts])
            if len(prompts)
            else np.empty((0, text_features.WIDTH))
        )

    def locate_alignment(self, assistants: Ints, prompts: Ints, *, changes: bool) -> Ints:
        """Positions of pairs' alignment sums (−1 without an assistant); loads the rows of their parents too."""
        positions = self.alignment_pair.locate(assistants, prompts, changes=changes)
        distinct, inverse = np.unique(prompts, return_inverse=True)
        is_forked = (self.lineage_cache.get_forking_assistants(distinct)[inverse] == assistants) & (
            assistants >= 0
        )
        if is_forked.any():
            parents = self.lineage_cache.get_parents(prompts[is_forked])
            parent_positions = self.alignment_pair.locate(
                assistants[is_forked], parents, changes=False
            )
            sums = pair_measures.PairSums(*self.alignment_pair.arrays)
            sums.parent[positions[is_forked]] = parent_positions
            sums.forked[positions[is_forked]] = True
        return positions

    def _fold_pairs(
        self, log_slice: log.Slice, task: Ints, measured: NDArray[np.bool_]
    ) -> pair_model.PairEffects:
        assistant, prompt = log_slice.assistant[measured], log_slice.prompt[measured]
        ritual = task[measured]
        self.pair_fleet.locate(np.zeros(1, dtype=np.int64))
        ritual_at = self.pair_ritual.locate(ritual)
        # The kernel uses one column for both: they are always located together, so their positions agree.
        self.centre.locate(ritual)
        prompt_at = self.pair_prompt.locate(prompt)
        self._load_features()
        events = pair_model.PairEvents(
            assistant=self.pair_assistant.locate(assistant),
            ritual=ritual_at,
            assistant_ritual=self.pair_assistant_ritual.locate(assistant, ritual),
            prompt=prompt_at,
            pair=self.pair_pair.locate(assistant, prompt),
            features=self._features,
            score=log_slice.score[measured],
            runs=log_slice.runs[measured],
            at_days=log_slice.at_days[measured],
        )
        return pair_model.fold(self.pairs_policy, self.build_pair_state(), events)

    def _fold_alignment(
        self, log_slice: log.Slice, expected: Floats, baseline: Floats
    ) -> pair_measures.MeasureEffects:
        events = pair_measures.MeasureEvents(
            kind=log_slice.kind,
            prompt=self.alignment_prompt.locate(log_slice.prompt),
            pair=self.locate_alignment(
                _get_paired_assistants(log_slice), log_slice.prompt, changes=True
            ),
            score=log_slice.score,
            runs=log_slice.runs,
            expected=expected,
            baseline=baseline,
        )
        return pair_measures.fold(self.build_alignment_state(), events)

    def _load(self, log_slice: log.Slice, task: Ints) -> None:
        """Load the rows that a slice touches, all at once; other rows are loaded when needed."""
        measured = np.isin(log_slice.kind, _MEASURED_KINDS)
        assistant = np.where(measured, log_slice.assistant, -1)
        prompt = np.where(measured, log_slice.prompt, -1)
        ritual = np.where(measured, task, -1)
        load(
            [
                (self.pair_fleet, np.zeros(1, dtype=np.int64), None),
                (self.pair_assistant, assistant, None),
                (self.pair_ritual, ritual, None),
                (self.centre, ritual, None),
                (self.pair_assistant_ritual, assistant, ritual),
                (self.pair_prompt, prompt, None),
                (self.pair_pair, assistant, prompt),
                (self.alignment_prompt, log_slice.prompt, None),
                (self.alignment_pair, _get_paired_assistants(log_slice), log_slice.prompt),
                *self.prompt_state.list_touched_rows(log_slice, task=task),
            ]
        )

    def _load_features(self) -> None:
        """Load the text features of every prompt of the pair model, row by row."""
        known = len(self._features)
        new = self.pair_prompt.index.first[known:]
        if new.size:
            self._features = np.concatenate([self._features, self.get_features(new)])

    def _load_wording(self, prompts: Ints) -> None:
        missing = [p for p in np.unique(prompts).tolist() if p not in self._wording]
        for start in range(0, len(missing), 5000):
            chunk = missing[start : start + 5000]
            stale = []
            for pk, raw, version in Prompt.objects.filter(pk__in=chunk).values_list(
                "id", "wording", "wording_version"
            ):
                if version == text_features.VERSION:
                    self._wording[pk] = np.frombuffer(raw, dtype="<f8")
                else:
                    stale.append(pk)
            for pk, text in Prompt.objects.filter(pk__in=stale).values_list("id", "text"):
                self._wording[pk] = text_features.extract_features(text)


def _get_paired_assistants(log_slice: log.Slice) -> Ints:
    """The assistant whose pair an event concerns, −1 for none: opinions concern none."""
    return np.where(np.isin(log_slice.kind, _OPINION_KINDS), -1, log_slice.assistant)
