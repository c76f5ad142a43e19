"""Fold one slice of the log through the three kernels: the part that live projection and replay share.

A `Fold` keeps the state rows in memory. Live, they are loaded from the database as a slice touches them; a replay
starts from nothing and loads none. Both give the same numbers, since a kernel works event by event.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mintmark.common import evidence_kinds, provenance
from mintmark.evidence import log
from mintmark.projection.lineage_cache import LineageCache
from mintmark.projection.pair_rows import PairViewRows
from mintmark.projection.prompt_rows import PromptStateRows
from mintmark.projection.state_store import StateGroup, StateRows, load, stack_columns
from mintmark.registry.models import Prompt
from mintmark.scoring import pair_measures, pair_model, prompt_model, text_features
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.reputation_constants import ReputationPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEASURED_KINDS = sorted(evidence_kinds.MEASURED)
_OPINION_KINDS = sorted(evidence_kinds.OPINION | evidence_kinds.REWEIGH)
_DECISIVE = sorted(provenance.DECISIVE)
_OWN_VIEW_ONLY = sorted(provenance.OWN_VIEW_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceEffects:
    """The effects of the events of one slice, column by column; NaN where a kind does not concern a kernel.

    `pair` (n, 5) is the pair's state right after the event, with the columns named by `pair_model.AFTER`, as everybody
    sees it (NaN where the event is only reported); `own_pair` the same as the assistant's team sees it. `before` and
    `own_before` (n, 2) are what the event met there (`pair_model.PairEffects.before`).
    """

    expected: Floats
    baseline: Floats
    pair: Floats
    own_pair: Floats
    before: Floats
    own_before: Floats
    reputation: prompt_model.ReputationEffects
    alignment: pair_measures.MeasureEffects


class _Columns(NamedTuple):
    """What the pair model says of each event in one view: expected score, baseline, the pair's state after it, and what
    it met."""

    expected: Floats
    baseline: Floats
    after: Floats
    before: Floats


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
        self.public_pairs = PairViewRows(policy=pairs_policy, is_own=False, stored=stored)
        self.own_pairs = PairViewRows(policy=pairs_policy, is_own=True, stored=stored)

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
        self._features = {
            view: np.empty((0, text_features.WIDTH)) for view in (self.public_pairs, self.own_pairs)
        }

    def serialize_changed(self) -> list[tuple[int, int, int, bytes]]:
        """Every changed row of every block, in its stored form."""
        return [row for group in self.groups for row in group.serialize_changed()]

    @property
    def groups(self) -> tuple[StateRows, ...]:
        """Every block, in the order in which they are stored."""
        return (
            *self.public_pairs.groups,
            *self.own_pairs.groups,
            self.alignment_pair,
            self.alignment_prompt,
            *self.prompt_state.groups,
        )

    def apply(self, log_slice: log.Slice) -> SliceEffects:
        """Fold one slice into the state and return the effect of each event.

        The public view of the pair model learns from what is decisive alone; what a team reports is predicted there,
        and learned in the team's own view.
        """
        task = self.prompt_state.get_tasks(log_slice.ritual)
        self._load(log_slice, task)
        measured = np.isin(log_slice.kind, _MEASURED_KINDS)
        public, own = (
            _Columns(*(np.full((len(log_slice), *shape), np.nan) for shape in ((), (), (5,), (2,))))
            for _ in range(2)
        )
        for columns, view in ((public, self.public_pairs), (own, self.own_pairs)):
            chosen = measured if view is self.public_pairs else measured & (log_slice.cohort > 0)
            if chosen.any():
                effects = self._fold_pairs(log_slice, task, chosen, view)
                columns.expected[chosen] = effects.expected
                columns.baseline[chosen] = effects.baseline
                columns.after[chosen] = effects.after
                columns.before[chosen] = effects.before
        # What was only predicted is no record of the pair in the public view.
        decisive = np.isin(log_slice.provenance, _DECISIVE)
        public.after[~decisive] = np.nan
        return SliceEffects(
            expected=public.expected,
            baseline=public.baseline,
            pair=public.after,
            own_pair=own.after,
            before=public.before,
            own_before=own.before,
            reputation=self.prompt_state.fold(
                log_slice, task=task, baseline=public.baseline, own_baseline=own.baseline
            ),
            alignment=self._fold_alignment(log_slice, own.expected, own.baseline),
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
        self, log_slice: log.Slice, task: Ints, chosen: NDArray[np.bool_], view: PairViewRows
    ) -> pair_model.PairEffects:
        learns = np.ones(int(chosen.sum()), dtype=np.bool_)
        if view is self.public_pairs:
            learns = np.isin(log_slice.provenance[chosen], _DECISIVE)
        fleet, assistant, ritual, assistant_ritual, prompt, pair = view.locate(
            assistant=log_slice.assistant[chosen],
            ritual=task[chosen],
            prompt=log_slice.prompt[chosen],
            team=log_slice.cohort[chosen],
            changes=learns,
        )
        events = pair_model.PairEvents(
            fleet=fleet,
            assistant=assistant,
            ritual=ritual,
            assistant_ritual=assistant_ritual,
            prompt=prompt,
            pair=pair,
            features=self._load_features(view),
            score=log_slice.score[chosen],
            runs=log_slice.runs[chosen],
            at_days=log_slice.at_days[chosen],
            learns=learns,
        )
        return pair_model.fold(self.pairs_policy, view.build_state(), events)

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
            is_shared=~np.isin(log_slice.provenance, _OWN_VIEW_ONLY),
        )
        return pair_measures.fold(self.build_alignment_state(), events)

    def _load(self, log_slice: log.Slice, task: Ints) -> None:
        """Load the rows that a slice touches, all at once; other rows are loaded when needed."""
        measured = np.isin(log_slice.kind, _MEASURED_KINDS)
        assistant = np.where(measured, log_slice.assistant, -1)
        prompt = np.where(measured, log_slice.prompt, -1)
        ritual = np.where(measured, task, -1)
        team = np.where(measured, log_slice.cohort, -1)
        load(
            [
                *self.public_pairs.list_rows(
                    assistant=assistant, ritual=ritual, prompt=prompt, team=team
                ),
                *self.own_pairs.list_rows(
                    assistant=np.where(team > 0, assistant, -1),
                    ritual=ritual,
                    prompt=prompt,
                    team=np.where(team > 0, team, -1),
                ),
                (self.alignment_prompt, log_slice.prompt, None),
                (self.alignment_pair, _get_paired_assistants(log_slice), log_slice.prompt),
                *self.prompt_state.list_touched_rows(log_slice, task=task),
            ]
        )

    def _load_features(self, view: PairViewRows) -> Floats:
        """The text features of every prompt of a view of the pair model, row by row."""
        known = self._features[view]
        new = view.prompt_ids[len(known) :]
        if new.size:
            known = self._features[view] = np.concatenate([known, self.get_features(new)])
        return known

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
