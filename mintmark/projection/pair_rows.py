"""The rows of the pair model: once as everybody sees it, and once as each team does, with its own claims in full."""

import numpy as np
from numpy.typing import NDArray

from mintmark.scoring import pair_model, text_features
from mintmark.scoring.pair_priors import PairPolicy

from .state_store import StateGroup, StateRows, load

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PairViewRows:
    """One view's rows, as far as they are in memory. With `is_own` each team has its own; else `team` is ignored."""

    def __init__(self, *, policy: PairPolicy, is_own: bool, stored: bool) -> None:
        self._is_own = is_own
        first = int(StateGroup.OWN_FLEET if is_own else StateGroup.PAIR_FLEET)
        prior_variances = policy.prior_rows()
        variances = (
            *prior_variances,
            np.array([policy.prompt, policy.discrimination]),
            np.array([policy.pair]),
        )

        def build_rows(number: int) -> StateRows:
            def build_arrays(n: int) -> tuple[Floats, Floats, Floats]:
                block = pair_model.ParameterBlock.create_initial(n, variances[number])
                return block.mean, block.variance, block.touched

            return StateRows(StateGroup(first + number), build_arrays, stored=stored)

        (
            self.fleet, self.assistant, self.ritual, self.assistant_ritual, self.prompt, self.pair,
        ) = map(build_rows, range(6))  # fmt: skip
        self.centre = StateRows(
            StateGroup(first + 6),
            lambda n: (np.zeros(n), np.zeros((n, text_features.WIDTH))),
            stored=stored,
        )

    @property
    def groups(self) -> tuple[StateRows, ...]:
        """Every block, in the order in which they are stored."""
        return (
            self.fleet, self.assistant, self.ritual, self.assistant_ritual, self.prompt, self.pair, self.centre,
        )  # fmt: skip

    @property
    def prompt_ids(self) -> Ints:
        """The prompt of each row of the prompts' block."""
        return self.prompt.index.second if self._is_own else self.prompt.index.first

    def list_rows(
        self, *, assistant: Ints, ritual: Ints, prompt: Ints, team: Ints
    ) -> list[tuple[StateRows, Ints, Ints | None]]:
        """The rows of these events, in the form that `state_store.load` takes; −1 for none."""
        if self._is_own:
            return [
                (self.fleet, team, None),
                (self.assistant, assistant, None),
                (self.ritual, team, ritual),
                (self.assistant_ritual, assistant, ritual),
                (self.prompt, team, prompt),
                (self.pair, assistant, prompt),
                (self.centre, team, ritual),
            ]
        return [
            (self.fleet, np.where(team >= 0, 0, -1), None),
            (self.assistant, assistant, None),
            (self.ritual, ritual, None),
            (self.assistant_ritual, assistant, ritual),
            (self.prompt, prompt, None),
            (self.pair, assistant, prompt),
            (self.centre, ritual, None),
        ]

    def locate(
        self,
        *,
        assistant: Ints,
        ritual: Ints,
        prompt: Ints,
        team: Ints,
        changes: NDArray[np.bool_] | None = None,
    ) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
        """Positions of fleet, assistant, ritual, assistant × ritual, prompt and pair of each event; where `changes`,
        its rows are stored.

        The kernel uses one column for a ritual and its centre: they are always located together, so positions agree.
        """
        requests = self.list_rows(assistant=assistant, ritual=ritual, prompt=prompt, team=team)
        load(requests)
        positions = [rows.locate(first, second, changes=False) for rows, first, second in requests]
        if changes is not None:
            for (rows, _, _), at in zip(requests, positions, strict=True):
                rows.mark_changed(at[changes])
        return tuple(positions[:6])  # type: ignore[return-value]

    def build_state(self) -> pair_model.PairState:
        """The pair model's state over the rows in memory."""
        blocks = [pair_model.ParameterBlock(*rows.arrays) for rows in self.groups[:6]]
        return pair_model.PairState(
            fleet=blocks[0],
            assistant=blocks[1],
            ritual=blocks[2],
            assistant_ritual=blocks[3],
            prompt=blocks[4],
            pair=blocks[5],
            centre_count=self.centre.arrays[0],
            centre_sum=self.centre.arrays[1],
        )
