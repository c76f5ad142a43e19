"""One slice of the log through the three kernels: what live projection and replay share.

A `Fold` holds the rows of state in memory. Live, they are loaded from the database as a slice touches them; a replay
starts from nothing and loads none. Either way the numbers are the same, since a kernel goes event by event.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mintmark.core import alignment, kinds, pairs, reputation, wording
from mintmark.core.pair_policy import PairPolicy
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.evidence import log
from mintmark.registry.models import Prompt, Ritual
from mintmark.reputation.state import Block, Rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEASURED = sorted(kinds.MEASURED)


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


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the registry says of a prompt; none of it ever changes."""

    parent: int
    forked_by: int


class _Prompts(Rows):
    """Rows of prompt records. In memory `home` and `parent` are positions; stored, `home` is an id and `parent` −1."""

    def __init__(self, *, policy: ReputationPolicy, rituals: Rows, stored: bool) -> None:
        self._rituals = rituals
        self._homes: dict[int, int] = {}
        fields = reputation.Prompts._fields
        self._home, self._parent = fields.index("home"), fields.index("parent")
        super().__init__(
            Block.RECORD_PROMPT,
            lambda n: reputation.State.untouched(policy=policy, prompts=n).prompts,
            stored=stored,
        )

    def _unpack(self, at: int, numbers: Floats) -> None:
        super()._unpack(at, numbers)
        home = int(self.arrays[self._home][at])
        self.arrays[self._home][at] = self._rituals.locate(np.array([home]), changes=False)[0]

    def _matrix(self) -> Floats:
        used = len(self)
        ids = np.array([first for first, _ in self._rituals.keys()] + [-1], dtype=np.int64)
        arrays = list(self.arrays)
        home = arrays[self._home].copy()
        home[:used] = ids[home[:used]]
        arrays[self._home] = home
        arrays[self._parent] = np.full_like(arrays[self._parent], -1)
        return _matrix(arrays, used)


class _AlignmentPairs(Rows):
    """Rows of a pair's alignment. In memory `parent` is a position; stored it is −1."""

    def _matrix(self) -> Floats:
        arrays = list(self.arrays)
        parent = alignment.PairSums._fields.index("parent")
        arrays[parent] = np.full_like(arrays[parent], -1)
        return _matrix(arrays, len(self))


def _matrix(arrays: Sequence[NDArray[np.float64]], used: int) -> Floats:
    return np.concatenate([a[:used].reshape(used, -1).astype("<f8") for a in arrays], axis=1)


class Fold:
    """The state of all kernels under one policy, as far as it is in memory."""

    def __init__(self, *, pairs_policy: PairPolicy, reputation_policy: ReputationPolicy, stored: bool) -> None:
        self.pairs_policy = pairs_policy
        self.reputation_policy = reputation_policy
        self._stored = stored
        self._facts: dict[int, _Facts] = {}
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

        def untouched(**counts: int) -> reputation.State:
            return reputation.State.untouched(policy=reputation_policy, **{"prompts": 0, **counts})

        self.record_fleet = Rows(Block.RECORD_FLEET, lambda n: _repeat(untouched().fleet, n), stored=stored)
        self.record_ritual = Rows(
            Block.RECORD_RITUAL, lambda n: untouched(rituals=n).rituals, stored=stored
        )
        self.record_assistant_ritual = Rows(
            Block.RECORD_ASSISTANT_RITUAL,
            lambda n: untouched(assistant_rituals=n).assistant_rituals,
            stored=stored,
        )
        self.record_prompt = _Prompts(
            policy=reputation_policy, rituals=self.record_ritual, stored=stored
        )
        self.record_pair = Rows(Block.RECORD_PAIR, lambda n: untouched(pairs=n).pairs, stored=stored)
        self.record_rater = Rows(Block.RECORD_RATER, lambda n: untouched(raters=n).raters, stored=stored)
        self.record_prompt_cohort = Rows(
            Block.RECORD_PROMPT_COHORT,
            lambda n: untouched(prompt_cohorts=n).prompt_cohorts,
            stored=stored,
        )
        self.record_prompt_rater = Rows(
            Block.RECORD_PROMPT_RATER, lambda n: untouched(prompt_raters=n).prompt_raters, stored=stored
        )
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
        self._task = _tasks()
        self._locate_rituals()

    @property
    def blocks(self) -> tuple[Rows, ...]:
        """Every block, in the order in which they are stored."""
        return tuple(value for value in vars(self).values() if isinstance(value, Rows))

    def task(self, rituals: Ints) -> Ints:
        """The task of each ritual id: the id of its first version (−1 for none); all versions share their statistics."""
        return np.array([self._task.get(int(r), int(r)) for r in rituals], dtype=np.int64)

    def apply(self, part: log.Slice) -> Effects:
        """Fold one slice into the state and say what each event did."""
        self._learn_facts(part.prompt)
        if any(int(r) >= 0 and int(r) not in self._task for r in np.unique(part.ritual)):
            self._task = _tasks()
            self._locate_rituals()
        task = self.task(part.ritual)
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
            reputation=self._fold_reputation(part, task, baseline),
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

    def reputation_state(self) -> reputation.State:
        """The reputation kernel's state over the rows in memory."""
        return reputation.State(
            fleet=reputation.Fleet(*self.record_fleet.arrays),
            rituals=reputation.Rituals(*self.record_ritual.arrays),
            assistant_rituals=reputation.AssistantRituals(*self.record_assistant_ritual.arrays),
            prompts=reputation.Prompts(*self.record_prompt.arrays),
            pairs=reputation.Pairs(*self.record_pair.arrays),
            raters=reputation.Raters(*self.record_rater.arrays),
            prompt_cohorts=reputation.PromptCohorts(*self.record_prompt_cohort.arrays),
            prompt_raters=reputation.PromptRaters(*self.record_prompt_rater.arrays),
        )

    def alignment_state(self) -> alignment.State:
        """The alignment kernel's state over the rows in memory."""
        return alignment.State(
            pairs=alignment.PairSums(*self.alignment_pair.arrays),
            prompts=alignment.PromptSums(*self.alignment_prompt.arrays),
        )

    def features(self, prompts: Ints) -> Floats:
        """The wording features of these prompts, (n, wording.WIDTH)."""
        self._read_wording(prompts)
        return np.stack([self._wording[int(p)] for p in prompts]) if len(prompts) else np.empty((0, wording.WIDTH))

    def locate_records(self, prompts: Ints, *, changes: bool) -> Ints:
        """Positions of prompts' records, with their ancestors up to the first that has evidence."""
        self._learn_facts(prompts)
        at = self.record_prompt.locate(prompts, changes=changes)
        fresh = prompts
        while len(fresh):
            records = reputation.Prompts(*self.record_prompt.arrays)
            here = self.record_prompt.locate(fresh, changes=False)
            parents = np.array([self._facts[int(p)].parent for p in fresh], dtype=np.int64)
            wanting = ~records.started[here] & (parents >= 0) & (records.parent[here] < 0)
            if not wanting.any():
                break
            self._learn_facts(parents[wanting])
            above = self.record_prompt.locate(parents[wanting], changes=False)
            reputation.Prompts(*self.record_prompt.arrays).parent[here[wanting]] = above
            fresh = np.unique(parents[wanting])
        return at

    def locate_alignment(self, assistants: Ints, prompts: Ints, *, changes: bool) -> Ints:
        """Positions of pairs' alignment sums (−1 without an assistant), with the same assistant's rows of the parents."""
        self._learn_facts(prompts)
        at = self.alignment_pair.locate(assistants, prompts, changes=changes)
        facts = [self._facts[int(p)] for p in prompts]
        made = np.array([f.forked_by for f in facts]) == assistants
        made &= assistants >= 0
        parents = np.where(made, np.array([f.parent for f in facts], dtype=np.int64), -1)
        above = self.alignment_pair.locate(assistants, parents, changes=False)
        sums = alignment.PairSums(*self.alignment_pair.arrays)
        sums.parent[at[made]] = above[made]
        sums.forked[at[made]] = True
        return at

    def _fold_pairs(self, part: log.Slice, task: Ints, measured: NDArray[np.bool_]) -> pairs.Effects:
        assistant, prompt = part.assistant[measured], part.prompt[measured]
        ritual = task[measured]
        self.pair_fleet.locate(np.zeros(1, dtype=np.int64))
        ritual_at = self.pair_ritual.locate(ritual)
        centre_at = self.centre.locate(ritual)
        # The kernel indexes both by one column; both blocks hold exactly the rituals, in the same order.
        assert (ritual_at == centre_at).all()
        prompt_at = self.pair_prompt.locate(prompt)
        features = np.zeros((len(self.pair_prompt.arrays[0]), wording.WIDTH))
        touched, first = np.unique(prompt_at, return_index=True)
        features[touched] = self.features(prompt[first])
        events = pairs.PairEvents(
            assistant=self.pair_assistant.locate(assistant),
            ritual=ritual_at,
            assistant_ritual=self.pair_assistant_ritual.locate(assistant, ritual),
            prompt=prompt_at,
            pair=self.pair_pair.locate(assistant, prompt),
            features=features,
            score=part.score[measured],
            runs=part.runs[measured],
            at_days=part.at_days[measured],
        )
        return pairs.fold(self.pairs_policy, self.pair_state(), events)

    def _fold_reputation(self, part: log.Slice, task: Ints, baseline: Floats) -> reputation.Effects:
        opinion = np.isin(part.kind, sorted(kinds.OPINION))
        measured = np.isin(part.kind, _MEASURED)
        rater = np.where(opinion, part.actor, -1)
        assistant = np.where(measured, part.assistant, -1)
        ritual = np.where(measured, task, -1)
        prompt_at = self.locate_records(part.prompt, changes=True)
        events = reputation.Events(
            kind=part.kind,
            prompt=prompt_at,
            ritual=self.record_ritual.locate(ritual),
            assistant_ritual=self.record_assistant_ritual.locate(assistant, ritual),
            pair=self.record_pair.locate(assistant, part.prompt),
            rater=self.record_rater.locate(rater),
            prompt_cohort=self.record_prompt_cohort.locate(
                part.prompt, np.where(opinion, part.cohort, -1)
            ),
            prompt_rater=self.record_prompt_rater.locate(part.prompt, rater),
            score=part.score,
            runs=part.runs,
            at_days=part.at_days,
            baseline=baseline,
            admissible=part.admissible,
        )
        return reputation.fold(self.reputation_policy, self.reputation_state(), events)

    def _fold_alignment(self, part: log.Slice, expected: Floats, baseline: Floats) -> alignment.Effects:
        concerned = ~np.isin(part.kind, sorted(kinds.OPINION))
        assistant = np.where(concerned, part.assistant, -1)
        events = alignment.Events(
            kind=part.kind,
            prompt=self.alignment_prompt.locate(part.prompt),
            pair=self.locate_alignment(assistant, part.prompt, changes=True),
            score=part.score,
            runs=part.runs,
            expected=expected,
            baseline=baseline,
        )
        return alignment.fold(self.alignment_state(), events)

    def _locate_rituals(self) -> None:
        """Have every task's rows in memory, in one order, so that a prompt's home can be told by position."""
        tasks = np.array(sorted(set(self._task.values())), dtype=np.int64)
        for block in (self.pair_ritual, self.centre, self.record_ritual):
            block.locate(tasks, changes=False)
        self.record_fleet.locate(np.zeros(1, dtype=np.int64))
        names = {task: name for task, name in Ritual.objects.values_list("id", "name")}
        kappa = self.record_ritual.arrays[reputation.Rituals._fields.index("kappa")]
        for (task, _), at in self.record_ritual.keys().items():
            kappa[at] = self.reputation_policy.kappa.get(
                names[task], self.reputation_policy.kappa_default
            )

    def _learn_facts(self, prompts: Ints) -> None:
        missing = [p for p in np.unique(prompts).tolist() if p >= 0 and p not in self._facts]
        for start in range(0, len(missing), 5000):
            for pk, parent, forked_by in Prompt.objects.filter(
                pk__in=missing[start : start + 5000]
            ).values_list("id", "parent_id", "forked_by_id"):
                self._facts[pk] = _Facts(
                    parent=-1 if parent is None else parent,
                    forked_by=-1 if forked_by is None else forked_by,
                )

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


def _tasks() -> dict[int, int]:
    """Every ritual's id → the id of the first version of its name."""
    first: dict[str, int] = {}
    tasks: dict[int, int] = {}
    for pk, name in Ritual.objects.order_by("id").values_list("id", "name"):
        tasks[pk] = first.setdefault(name, pk)
    return tasks


def _repeat(group: reputation.Fleet, n: int) -> tuple[Floats, ...]:
    return tuple(np.zeros(n) for _ in group)
