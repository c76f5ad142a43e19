"""The rows of the reputation kernel: loaded as the log or a reader touches them, folded, read into scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mintmark.core import kappa, kinds, reputation, reputation_state
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.evidence import log
from mintmark.registry.ancestry import Ancestry, tasks
from mintmark.registry.models import Ritual

from . import foreign
from .state import Block, Rows, matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEASURED = sorted(kinds.MEASURED)
_OPINION = sorted(kinds.OPINION)


class _Prompts(Rows):
    """Rows of prompts. In memory `home` and `parent` are positions; stored, `home` is an id and `parent` −1.

    A row that was not stored begins with what another installation told of its prompt, if one did.
    """

    def __init__(self, *, policy: ReputationPolicy, rituals: Rows, stored: bool) -> None:
        self._rituals = rituals
        fields = reputation_state.Prompts._fields
        self._home, self._parent = fields.index("home"), fields.index("parent")
        super().__init__(
            Block.RECORD_PROMPT,
            lambda n: reputation_state.State.untouched(policy=policy, prompts=n).prompts,
            stored=stored,
        )

    def put(self, first: Ints, second: Ints, stored: Mapping[tuple[int, int], bytes]) -> None:
        start = len(self)
        super().put(first, second, stored)
        new = np.array([(prompt, 0) not in stored for prompt in first.tolist()], dtype=np.bool_)
        if new.any():
            at = start + np.flatnonzero(new)
            foreign.seed(first[new], at, reputation_state.Prompts(*self._arrays))

    def _unpack(self, at: Ints, numbers: Floats) -> None:
        super()._unpack(at, numbers)
        column = self._arrays[self._home]
        column[at] = self._rituals.locate(column[at], changes=False)

    def _matrix(self, at: Ints) -> Floats:
        arrays = [array[at] for array in self._arrays]
        ids = np.append(self._rituals.places.first, -1)
        arrays[self._home] = ids[arrays[self._home]]
        arrays[self._parent] = np.full_like(arrays[self._parent], -1)
        return matrix(arrays)


class Records:
    """The kernel's state under one policy, as far as it is in memory."""

    def __init__(self, *, policy: ReputationPolicy, ancestry: Ancestry, stored: bool) -> None:
        self.policy = policy
        self._ancestry = ancestry
        self._task: dict[int, int] = {}

        def untouched(**counts: int) -> reputation_state.State:
            return reputation_state.State.untouched(policy=policy, **{"prompts": 0, **counts})

        def rows(block: Block, group: str, count: str) -> Rows:
            def make(n: int) -> Sequence[NDArray[Any]]:
                made: Sequence[NDArray[Any]] = getattr(untouched(**{count: n}), group)
                return made

            return Rows(block, make, stored=stored)

        self._fleet = Rows(
            Block.RECORD_FLEET,
            lambda n: tuple(np.zeros(n) for _ in untouched().fleet),
            stored=stored,
        )
        self._rituals = rows(Block.RECORD_RITUAL, "rituals", "rituals")
        self._assistant_rituals = rows(
            Block.RECORD_ASSISTANT_RITUAL, "assistant_rituals", "assistant_rituals"
        )
        self._prompts = _Prompts(policy=policy, rituals=self._rituals, stored=stored)
        self._pairs = rows(Block.RECORD_PAIR, "pairs", "pairs")
        self._raters = rows(Block.RECORD_RATER, "raters", "raters")
        self._prompt_cohorts = rows(Block.RECORD_PROMPT_COHORT, "prompt_cohorts", "prompt_cohorts")
        self._prompt_raters = rows(Block.RECORD_PROMPT_RATER, "prompt_raters", "prompt_raters")
        self._know_tasks()

    @property
    def blocks(self) -> tuple[Rows, ...]:
        """Every block, in the order in which they are stored."""
        return (
            self._fleet, self._rituals, self._assistant_rituals, self._prompts, self._pairs, self._raters,
            self._prompt_cohorts, self._prompt_raters,
        )  # fmt: skip

    def task(self, rituals: Ints) -> Ints:
        """The task of each ritual id (−1 for none): the id of the first version of its name."""
        distinct, inverse = np.unique(rituals, return_inverse=True)
        if any(r >= 0 and r not in self._task for r in distinct.tolist()):
            self._know_tasks()
        tasks = np.array([self._task.get(r, -1) for r in distinct.tolist()], dtype=np.int64)
        return tasks[inverse]

    @property
    def task_ids(self) -> list[int]:
        """Task ids by the position at which the state keeps them."""
        return list(self._rituals.places.first.tolist())

    def state(self) -> reputation_state.State:
        """The kernel's state over the rows in memory."""
        return reputation_state.State(
            fleet=reputation_state.Fleet(*self._fleet.arrays),
            rituals=reputation_state.Rituals(*self._rituals.arrays),
            assistant_rituals=reputation_state.AssistantRituals(*self._assistant_rituals.arrays),
            prompts=reputation_state.Prompts(*self._prompts.arrays),
            pairs=reputation_state.Pairs(*self._pairs.arrays),
            raters=reputation_state.Raters(*self._raters.arrays),
            prompt_cohorts=reputation_state.PromptCohorts(*self._prompt_cohorts.arrays),
            prompt_raters=reputation_state.PromptRaters(*self._prompt_raters.arrays),
        )

    def locate(self, prompts: Ints, *, changes: bool) -> Ints:
        """Positions of prompts, with their ancestors up to the first that has evidence of its own."""
        at = self._prompts.locate(prompts, changes=changes)
        pending = np.unique(prompts)
        while len(pending):
            here = self._prompts.locate(pending, changes=False)
            parents = self._ancestry.parents(pending)
            known = reputation_state.Prompts(*self._prompts.arrays)
            wanting = ~known.started[here] & (parents >= 0) & (known.parent[here] < 0)
            pending = np.unique(parents[wanting])
            above = self._prompts.locate(parents[wanting], changes=False)
            reputation_state.Prompts(*self._prompts.arrays).parent[here[wanting]] = above
        return at

    def touched(self, part: log.Slice, *, task: Ints) -> list[tuple[Rows, Ints, Ints | None]]:
        """The rows that a slice touches, as `state.load` takes them; `task` by event."""
        opinion = np.isin(part.kind, _OPINION)
        measured = np.isin(part.kind, _MEASURED)
        rater = np.where(opinion, part.actor, -1)
        assistant = np.where(measured, part.assistant, -1)
        ritual = np.where(measured, task, -1)
        return [
            (self._prompts, part.prompt, None),
            (self._rituals, ritual, None),
            (self._assistant_rituals, assistant, ritual),
            (self._pairs, assistant, part.prompt),
            (self._raters, rater, None),
            (self._prompt_cohorts, part.prompt, np.where(opinion, part.cohort, -1)),
            (self._prompt_raters, part.prompt, rater),
        ]

    def fold(self, part: log.Slice, *, task: Ints, baseline: Floats) -> reputation.Effects:
        """Fold one slice; `task` by event (−1 for none), `baseline` as the pair model said (NaN where not measured)."""
        at = {
            block.block: block.locate(first, second)
            for block, first, second in self.touched(part, task=task)
            if block is not self._prompts
        }
        events = reputation.Events(
            kind=part.kind,
            prompt=self.locate(part.prompt, changes=True),
            ritual=at[Block.RECORD_RITUAL],
            assistant_ritual=at[Block.RECORD_ASSISTANT_RITUAL],
            pair=at[Block.RECORD_PAIR],
            rater=at[Block.RECORD_RATER],
            prompt_cohort=at[Block.RECORD_PROMPT_COHORT],
            prompt_rater=at[Block.RECORD_PROMPT_RATER],
            score=part.score,
            runs=part.runs,
            at_days=part.at_days,
            baseline=baseline,
            admissible=part.admissible,
        )
        if np.isin(part.kind, _MEASURED).any():
            self._fleet.locate(np.zeros(1, dtype=np.int64))
        return reputation.fold(self.policy, self.state(), events)

    def home(self, position: int) -> int | None:
        """The task id of the home of the prompt at this position."""
        home = int(self.homes(np.array([position]))[0])
        return home if home >= 0 else None

    def homes(self, positions: Ints) -> Ints:
        """The task ids of the homes of the prompts at these positions, −1 for none."""
        ids = np.append(self._rituals.places.first, -1)
        homes: Ints = ids[self.state().prompts.home[positions]]
        return homes

    def learn_kappa(self) -> ReputationPolicy:
        """This policy with the weight of the prior learned from the whole state in memory (`core.kappa`)."""
        names = dict(Ritual.objects.values_list("id", "name"))
        return kappa.learn(
            self.policy,
            self.state(),
            pair_prompt=self._prompts.locate(self._pairs.places.second, changes=False),
            ritual_keys=[names[task] for task in self.task_ids],
        )

    def _know_tasks(self) -> None:
        """Have every task in memory, in one order, so that a prompt's home can be told by position."""
        self._task = tasks()
        ids = np.array(sorted(set(self._task.values())), dtype=np.int64)
        self._rituals.locate(ids, changes=False)
        self._fleet.locate(np.zeros(1, dtype=np.int64), changes=False)
        names = dict(Ritual.objects.values_list("id", "name")) if self.policy.kappa else {}
        kappa = self._rituals.arrays[reputation_state.Rituals._fields.index("kappa")]
        for at, task in enumerate(self.task_ids):
            kappa[at] = self.policy.kappa.get(names.get(task, ""), self.policy.kappa_default)
