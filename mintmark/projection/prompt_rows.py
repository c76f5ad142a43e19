"""The rows of the reputation kernel: loaded as the log or a reader touches them, folded, read into scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mintmark.common import evidence_kinds, provenance
from mintmark.evidence import log
from mintmark.projection.lineage_cache import LineageCache, load_task_ids
from mintmark.registry.models import Ritual
from mintmark.scoring import (
    prior_strength,
    prompt_model,
    prompt_posterior,
    prompt_readout,
    prompt_state,
)
from mintmark.scoring.reputation_constants import ReputationPolicy

from . import imported_reputation
from .state_store import StateGroup, StateRows, stack_columns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEASURED_KINDS = sorted(evidence_kinds.MEASURED)
_OPINION_KINDS = sorted(evidence_kinds.OPINION)
_REWEIGH_KINDS = sorted(evidence_kinds.REWEIGH)
_DECISIVE = sorted(provenance.DECISIVE)


class _PromptRows(StateRows):
    """Rows of prompts. In memory `home` and `parent` are positions; in the database `home` is an id and `parent` −1.

    A row that was not stored starts from the prompt's imported reputation, if it has one.
    """

    def __init__(self, *, policy: ReputationPolicy, rituals: StateRows, stored: bool) -> None:
        self._rituals = rituals
        fields = prompt_state.Prompts._fields
        self._home, self._parent = fields.index("home"), fields.index("parent")
        super().__init__(
            StateGroup.RECORD_PROMPT,
            lambda n: prompt_state.ReputationState.create_initial(policy=policy, prompts=n).prompts,
            stored=stored,
        )

    def add_rows(self, first: Ints, second: Ints, stored: Mapping[tuple[int, int], bytes]) -> None:
        start = len(self)
        super().add_rows(first, second, stored)
        new = np.array([(prompt, 0) not in stored for prompt in first.tolist()], dtype=np.bool_)
        if new.any():
            at = start + np.flatnonzero(new)
            imported_reputation.apply_priors(first[new], at, prompt_state.Prompts(*self._arrays))

    def _unpack(self, at: Ints, numbers: Floats) -> None:
        super()._unpack(at, numbers)
        column = self._arrays[self._home]
        column[at] = self._rituals.locate(column[at], changes=False)

    def _stack_rows(self, at: Ints) -> Floats:
        arrays = [array[at] for array in self._arrays]
        ids = np.append(self._rituals.index.first, -1)
        arrays[self._home] = ids[arrays[self._home]]
        arrays[self._parent] = np.full_like(arrays[self._parent], -1)
        return stack_columns(arrays)


class PromptStateRows:
    """The kernel's state under one policy, as far as it is in memory."""

    def __init__(
        self, *, policy: ReputationPolicy, lineage_cache: LineageCache, stored: bool
    ) -> None:
        self.policy = policy
        self._lineage_cache = lineage_cache
        self._task: dict[int, int] = {}

        def build_untouched(**counts: int) -> prompt_state.ReputationState:
            return prompt_state.ReputationState.create_initial(
                policy=policy, **{"prompts": 0, **counts}
            )

        def build_rows(block: StateGroup, group: str, count: str) -> StateRows:
            def build_arrays(n: int) -> Sequence[NDArray[Any]]:
                arrays: Sequence[NDArray[Any]] = getattr(build_untouched(**{count: n}), group)
                return arrays

            return StateRows(block, build_arrays, stored=stored)

        self._fleet = StateRows(
            StateGroup.RECORD_FLEET,
            lambda n: tuple(np.zeros(n) for _ in build_untouched().fleet),
            stored=stored,
        )
        self._rituals = build_rows(StateGroup.RECORD_RITUAL, "rituals", "rituals")
        self._assistant_rituals = build_rows(
            StateGroup.RECORD_ASSISTANT_RITUAL, "assistant_rituals", "assistant_rituals"
        )
        self._prompts = _PromptRows(policy=policy, rituals=self._rituals, stored=stored)
        self._pairs = build_rows(StateGroup.RECORD_PAIR, "pairs", "pairs")
        self._raters = build_rows(StateGroup.RECORD_RATER, "raters", "raters")
        self._prompt_cohorts = build_rows(
            StateGroup.RECORD_PROMPT_COHORT, "prompt_cohorts", "prompt_cohorts"
        )
        self._prompt_raters = build_rows(
            StateGroup.RECORD_PROMPT_RATER, "prompt_raters", "prompt_raters"
        )
        self._claimed_pairs = build_rows(
            StateGroup.RECORD_CLAIMED_PAIR, "claimed_pairs", "claimed_pairs"
        )
        self._prompt_teams = build_rows(
            StateGroup.RECORD_PROMPT_TEAM, "prompt_teams", "prompt_teams"
        )
        self._teams = build_rows(StateGroup.RECORD_TEAM, "teams", "teams")
        self._team_rituals = build_rows(
            StateGroup.RECORD_TEAM_RITUAL, "team_rituals", "team_rituals"
        )
        self._load_tasks()

    @property
    def groups(self) -> tuple[StateRows, ...]:
        """Every block, in the order in which they are stored."""
        return (
            self._fleet, self._rituals, self._assistant_rituals, self._prompts, self._pairs, self._raters,
            self._prompt_cohorts, self._prompt_raters, self._claimed_pairs, self._prompt_teams, self._teams,
            self._team_rituals,
        )  # fmt: skip

    def get_tasks(self, rituals: Ints) -> Ints:
        """The task of each ritual id (−1 for none): the id of the first version of its name."""
        distinct, inverse = np.unique(rituals, return_inverse=True)
        if any(r >= 0 and r not in self._task for r in distinct.tolist()):
            self._load_tasks()
        tasks = np.array([self._task.get(r, -1) for r in distinct.tolist()], dtype=np.int64)
        return tasks[inverse]

    @property
    def task_ids(self) -> list[int]:
        """Task ids by the position at which the state keeps them."""
        return list(self._rituals.index.first.tolist())

    def build_state(self) -> prompt_state.ReputationState:
        """The kernel's state over the rows in memory."""
        return prompt_state.ReputationState(
            fleet=prompt_state.FleetSums(*self._fleet.arrays),
            rituals=prompt_state.Rituals(*self._rituals.arrays),
            assistant_rituals=prompt_state.AssistantRituals(*self._assistant_rituals.arrays),
            prompts=prompt_state.Prompts(*self._prompts.arrays),
            pairs=prompt_state.Pairs(*self._pairs.arrays),
            raters=prompt_state.Raters(*self._raters.arrays),
            prompt_cohorts=prompt_state.PromptCohorts(*self._prompt_cohorts.arrays),
            prompt_raters=prompt_state.PromptRaters(*self._prompt_raters.arrays),
            claimed_pairs=prompt_state.ClaimedPairs(*self._claimed_pairs.arrays),
            prompt_teams=prompt_state.PromptTeams(*self._prompt_teams.arrays),
            teams=prompt_state.Teams(*self._teams.arrays),
            team_rituals=prompt_state.TeamRituals(*self._team_rituals.arrays),
        )

    def locate(self, prompts: Ints, *, changes: bool) -> Ints:
        """Positions of prompts, with their ancestors up to the first that has evidence of its own."""
        at = self._prompts.locate(prompts, changes=changes)
        pending = np.unique(prompts)
        while len(pending):
            positions = self._prompts.locate(pending, changes=False)
            parents = self._lineage_cache.get_parents(pending)
            known = prompt_state.Prompts(*self._prompts.arrays)
            needs_parent = (
                ~known.started[positions] & (parents >= 0) & (known.parent[positions] < 0)
            )
            pending = np.unique(parents[needs_parent])
            parent_positions = self._prompts.locate(parents[needs_parent], changes=False)
            prompt_state.Prompts(*self._prompts.arrays).parent[positions[needs_parent]] = (
                parent_positions
            )
        return at

    def list_touched_rows(
        self, log_slice: log.Slice, *, task: Ints
    ) -> list[tuple[StateRows, Ints, Ints | None]]:
        """The rows that a slice touches, in the form that `state_store.load` takes; `task` by event."""
        opinion = np.isin(log_slice.kind, _OPINION_KINDS)
        measured = np.isin(log_slice.kind, _MEASURED_KINDS)
        rater = np.where(opinion, log_slice.actor, -1)
        assistant = np.where(measured, log_slice.assistant, -1)
        ritual = np.where(measured, task, -1)
        reports = measured & ~np.isin(log_slice.provenance, _DECISIVE) & (log_slice.cohort > 0)
        reweighs = np.isin(log_slice.kind, _REWEIGH_KINDS)
        team = np.where(reports | reweighs, log_slice.cohort, -1)
        own_team = np.where(measured & (log_slice.cohort > 0), log_slice.cohort, -1)
        return [
            (self._prompts, log_slice.prompt, None),
            (self._rituals, ritual, None),
            (self._assistant_rituals, assistant, ritual),
            (self._pairs, assistant, log_slice.prompt),
            (self._raters, rater, None),
            (self._prompt_cohorts, log_slice.prompt, np.where(opinion, log_slice.cohort, -1)),
            (self._prompt_raters, log_slice.prompt, rater),
            (self._claimed_pairs, np.where(reports, log_slice.assistant, -1), log_slice.prompt),
            (self._prompt_teams, np.where(team >= 0, log_slice.prompt, -1), team),
            (self._teams, team, None),
            (self._team_rituals, own_team, ritual),
        ]

    def fold(
        self, log_slice: log.Slice, *, task: Ints, baseline: Floats, own_baseline: Floats
    ) -> prompt_model.ReputationEffects:
        """Fold one slice; `task` by event (−1 for none), `baseline` from the pair model (NaN where not measured), and
        `own_baseline` from the view of the assistant's team."""
        at = {
            block.group: block.locate(first, second)
            for block, first, second in self.list_touched_rows(log_slice, task=task)
            if block is not self._prompts
        }
        events = prompt_model.ReputationEvents(
            kind=log_slice.kind,
            prompt=self.locate(log_slice.prompt, changes=True),
            ritual=at[StateGroup.RECORD_RITUAL],
            assistant_ritual=at[StateGroup.RECORD_ASSISTANT_RITUAL],
            pair=at[StateGroup.RECORD_PAIR],
            rater=at[StateGroup.RECORD_RATER],
            prompt_cohort=at[StateGroup.RECORD_PROMPT_COHORT],
            prompt_rater=at[StateGroup.RECORD_PROMPT_RATER],
            score=log_slice.score,
            runs=log_slice.runs,
            at_days=log_slice.at_days,
            baseline=baseline,
            admissible=log_slice.admissible,
            provenance=log_slice.provenance,
            team=at[StateGroup.RECORD_TEAM],
            prompt_team=at[StateGroup.RECORD_PROMPT_TEAM],
            claimed_pair=at[StateGroup.RECORD_CLAIMED_PAIR],
            team_ritual=at[StateGroup.RECORD_TEAM_RITUAL],
            own_baseline=own_baseline,
        )
        if np.isin(log_slice.kind, _MEASURED_KINDS).any():
            self._fleet.locate(np.zeros(1, dtype=np.int64))
        return prompt_model.fold(self.policy, self.build_state(), events)

    def get_home(self, position: int) -> int | None:
        """The task id of the home of the prompt at this position."""
        home = int(self.get_homes(np.array([position]))[0])
        return home if home >= 0 else None

    def get_homes(self, positions: Ints) -> Ints:
        """The task ids of the homes of the prompts at these positions, −1 for none."""
        ids = np.append(self._rituals.index.first, -1)
        homes: Ints = ids[self.build_state().prompts.home[positions]]
        return homes

    def locate_own(self, prompts: Ints, positions: Ints, *, team: int) -> prompt_readout.OwnRows:
        """The rows of one team beside those of these prompts, at these positions."""
        teams = np.full(prompts.size, team, dtype=np.int64)
        homes = self.get_homes(positions)
        return prompt_readout.OwnRows(
            prompt_team=self._prompt_teams.locate(prompts, teams, changes=False),
            team_ritual=self._team_rituals.locate(teams, homes, changes=False),
        )

    def get_placed(self, prompts: Ints, teams: Ints) -> Floats:
        """The effective runs, (n,), as which what these teams report counts in these prompts' scores."""
        at = self._prompt_teams.locate(prompts, teams, changes=False)
        placed: Floats = self.build_state().prompt_teams.placed[at].sum(axis=1)
        return placed

    def get_home_mean(self, ritual: int) -> float:
        """What an average prompt scores on this ritual's task, in [0, 1]."""
        state = self.build_state()
        task = self.get_tasks(np.array([ritual], dtype=np.int64))
        at = int(self._rituals.locate(task, changes=False)[0])
        return prompt_posterior.home_mean(state.fleet, state.rituals, at)

    def learn_kappa(self) -> ReputationPolicy:
        """This policy with the weight of the prior learned from the whole state in memory
        (`scoring.prior_strength`)."""
        names = dict(Ritual.objects.values_list("id", "name"))
        return prior_strength.learn(
            self.policy,
            self.build_state(),
            pair_prompt=self._prompts.locate(self._pairs.index.second, changes=False),
            ritual_keys=[names[task] for task in self.task_ids],
        )

    def _load_tasks(self) -> None:
        """Load every task, in one order, so that a prompt's home can be given by position."""
        self._task = load_task_ids()
        ids = np.array(sorted(set(self._task.values())), dtype=np.int64)
        self._rituals.locate(ids, changes=False)
        self._fleet.locate(np.zeros(1, dtype=np.int64), changes=False)
        names = dict(Ritual.objects.values_list("id", "name")) if self.policy.kappa else {}
        kappa = self._rituals.arrays[prompt_state.Rituals._fields.index("kappa")]
        for at, task in enumerate(self.task_ids):
            kappa[at] = self.policy.kappa.get(names.get(task, ""), self.policy.kappa_default)
