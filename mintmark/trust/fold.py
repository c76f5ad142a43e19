"""One slice of the log through the three kernels: what live projection and replay share.

A `Fold` holds the rows of state in memory. Live, they are loaded from the database as a slice touches them; a replay
starts from nothing and loads none. Either way the numbers are the same, since a kernel goes event by event.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mintmark.core import alignment, kinds, pairs, reputation, wording
from mintmark.core.pair_policy import PairPolicy
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.evidence import log
from mintmark.registry.ancestry import Ancestry
from mintmark.registry.models import Prompt
from mintmark.reputation.records import Records
from mintmark.reputation.state import Block, Rows, load, matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEASURED = sorted(kinds.MEASURED)
_OPINION = sorted(kinds.OPINION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the events of one slice did, column by column; NaN where a kind does not concern a kernel.

    `pair` (n, 5) is how the pairing stood right after the event, its columns named by `pairs.AFTER`.
    """

    expected: Floats
    baseline: Floats
    pair: Floats
    reputation: reputation.Effects
    alignment: alignment.Effects


class _AlignmentPairs(Rows):
    """Rows of a pair's alignment. In memory `parent` is a position; stored it is −1."""

    def _matrix(self, at: Ints) -> Floats:
        arrays = [array[at] for array in self._arrays]
        parent = alignment.PairSums._fields.index("parent")
        arrays[parent] = np.full_like(arrays[parent], -1)
        return matrix(arrays)


class Fold:
    """The state of all kernels under one policy, as far as it is in memory."""

    def __init__(
        self, *, pairs_policy: PairPolicy, reputation_policy: ReputationPolicy, stored: bool
    ) -> None:
        self.pairs_policy = pairs_policy
        prior = pairs_policy.prior_rows()
        two = np.array([pairs_policy.prompt, pairs_policy.discrimination])
        one = np.array([pairs_policy.pair])

        def block(which: Block, variances: Floats) -> Rows:
            def make(n: int) -> tuple[Floats, Floats, Floats]:
                made = pairs.Block.untouched(n, variances)
                return made.mean, made.variance, made.touched

            return Rows(which, make, stored=stored)

        self.pair_fleet = block(Block.PAIR_FLEET, prior[0])
        self.pair_assistant = block(Block.PAIR_ASSISTANT, prior[1])
        self.pair_ritual = block(Block.PAIR_RITUAL, prior[2])
        self.pair_assistant_ritual = block(Block.PAIR_ASSISTANT_RITUAL, prior[3])
        self.pair_prompt = block(Block.PAIR_PROMPT, two)
        self.pair_pair = block(Block.PAIR_PAIR, one)
        self.centre = Rows(
            Block.PAIR_CENTRE, lambda n: (np.zeros(n), np.zeros((n, wording.WIDTH))), stored=stored
        )

        self.ancestry = Ancestry()
        self.records = Records(policy=reputation_policy, ancestry=self.ancestry, stored=stored)
        self.alignment_pair = _AlignmentPairs(
            Block.ALIGNMENT_PAIR,
            lambda n: alignment.State.untouched(pairs=n, prompts=0).pairs,
            stored=stored,
        )
        self.alignment_prompt = Rows(
            Block.ALIGNMENT_PROMPT,
            lambda n: alignment.State.untouched(pairs=0, prompts=n).prompts,
            stored=stored,
        )
        self._wording: dict[int, Floats] = {}
        self._features = np.empty((0, wording.WIDTH))

    def packed(self) -> list[tuple[int, int, int, bytes]]:
        """Every changed row of every block, as it is stored."""
        return [row for block in self.blocks for row in block.packed()]

    @property
    def blocks(self) -> tuple[Rows, ...]:
        """Every block, in the order in which they are stored."""
        own = tuple(value for value in vars(self).values() if isinstance(value, Rows))
        return (*own, *self.records.blocks)

    def apply(self, part: log.Slice) -> Effects:
        """Fold one slice into the state and say what each event did."""
        task = self.records.task(part.ritual)
        self._load(part, task)
        expected = np.full(len(part), np.nan)
        baseline = np.full(len(part), np.nan)
        after = np.full((len(part), 5), np.nan)
        measured = np.isin(part.kind, _MEASURED)
        if measured.any():
            told = self._fold_pairs(part, task, measured)
            expected[measured] = told.expected
            baseline[measured] = told.baseline
            after[measured] = told.after
        return Effects(
            expected=expected,
            baseline=baseline,
            pair=after,
            reputation=self.records.fold(part, task=task, baseline=baseline),
            alignment=self._fold_alignment(part, expected, baseline),
        )

    def pair_state(self) -> pairs.PairState:
        """The pair model's state over the rows in memory."""
        return pairs.PairState(
            fleet=pairs.Block(*self.pair_fleet.arrays),
            assistant=pairs.Block(*self.pair_assistant.arrays),
            ritual=pairs.Block(*self.pair_ritual.arrays),
            assistant_ritual=pairs.Block(*self.pair_assistant_ritual.arrays),
            prompt=pairs.Block(*self.pair_prompt.arrays),
            pair=pairs.Block(*self.pair_pair.arrays),
            centre_count=self.centre.arrays[0],
            centre_sum=self.centre.arrays[1],
        )

    def alignment_state(self) -> alignment.State:
        """The alignment kernel's state over the rows in memory."""
        return alignment.State(
            pairs=alignment.PairSums(*self.alignment_pair.arrays),
            prompts=alignment.PromptSums(*self.alignment_prompt.arrays),
        )

    def pair_sums(self, assistants: Ints, prompts: Ints) -> alignment.PairSums:
        """The alignment sums of these pairs, a row each."""
        at = self.alignment_pair.locate(assistants, prompts, changes=False)
        return alignment.PairSums(*(column[at] for column in self.alignment_pair.arrays))

    def features(self, prompts: Ints) -> Floats:
        """The wording features of these prompts, (n, wording.WIDTH)."""
        self._read_wording(prompts)
        return (
            np.stack([self._wording[int(p)] for p in prompts])
            if len(prompts)
            else np.empty((0, wording.WIDTH))
        )

    def locate_alignment(self, assistants: Ints, prompts: Ints, *, changes: bool) -> Ints:
        """Positions of pairs' alignment sums (−1 without an assistant); loads the rows of their parents too."""
        at = self.alignment_pair.locate(assistants, prompts, changes=changes)
        distinct, inverse = np.unique(prompts, return_inverse=True)
        made = (self.ancestry.forked_by(distinct)[inverse] == assistants) & (assistants >= 0)
        if made.any():
            parents = self.ancestry.parents(prompts[made])
            above = self.alignment_pair.locate(assistants[made], parents, changes=False)
            sums = alignment.PairSums(*self.alignment_pair.arrays)
            sums.parent[at[made]] = above
            sums.forked[at[made]] = True
        return at

    def _fold_pairs(
        self, part: log.Slice, task: Ints, measured: NDArray[np.bool_]
    ) -> pairs.Effects:
        assistant, prompt = part.assistant[measured], part.prompt[measured]
        ritual = task[measured]
        self.pair_fleet.locate(np.zeros(1, dtype=np.int64))
        ritual_at = self.pair_ritual.locate(ritual)
        # The kernel addresses both by one column: they are always located together, so their positions agree.
        self.centre.locate(ritual)
        prompt_at = self.pair_prompt.locate(prompt)
        self._read_features()
        events = pairs.PairEvents(
            assistant=self.pair_assistant.locate(assistant),
            ritual=ritual_at,
            assistant_ritual=self.pair_assistant_ritual.locate(assistant, ritual),
            prompt=prompt_at,
            pair=self.pair_pair.locate(assistant, prompt),
            features=self._features,
            score=part.score[measured],
            runs=part.runs[measured],
            at_days=part.at_days[measured],
        )
        return pairs.fold(self.pairs_policy, self.pair_state(), events)

    def _fold_alignment(
        self, part: log.Slice, expected: Floats, baseline: Floats
    ) -> alignment.Effects:
        events = alignment.Events(
            kind=part.kind,
            prompt=self.alignment_prompt.locate(part.prompt),
            pair=self.locate_alignment(_concerned(part), part.prompt, changes=True),
            score=part.score,
            runs=part.runs,
            expected=expected,
            baseline=baseline,
        )
        return alignment.fold(self.alignment_state(), events)

    def _load(self, part: log.Slice, task: Ints) -> None:
        """Have what a slice touches in memory at once; what else it needs is loaded when it turns up."""
        measured = np.isin(part.kind, _MEASURED)
        assistant = np.where(measured, part.assistant, -1)
        prompt = np.where(measured, part.prompt, -1)
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
                (self.alignment_prompt, part.prompt, None),
                (self.alignment_pair, _concerned(part), part.prompt),
                *self.records.touched(part, task=task),
            ]
        )

    def _read_features(self) -> None:
        """Have the wording of every prompt of the pair model at hand, row by row."""
        known = len(self._features)
        new = self.pair_prompt.places.first[known:]
        if new.size:
            self._features = np.concatenate([self._features, self.features(new)])

    def _read_wording(self, prompts: Ints) -> None:
        missing = [p for p in np.unique(prompts).tolist() if p not in self._wording]
        for start in range(0, len(missing), 5000):
            part = missing[start : start + 5000]
            stale = []
            for pk, raw, version in Prompt.objects.filter(pk__in=part).values_list(
                "id", "wording", "wording_version"
            ):
                if version == wording.VERSION:
                    self._wording[pk] = np.frombuffer(raw, dtype="<f8")
                else:
                    stale.append(pk)
            for pk, text in Prompt.objects.filter(pk__in=stale).values_list("id", "text"):
                self._wording[pk] = wording.features(text)


def _concerned(part: log.Slice) -> Ints:
    """The assistant on whose pairing an event says something, −1 for none: opinions say nothing of it."""
    return np.where(np.isin(part.kind, _OPINION), -1, part.assistant)
