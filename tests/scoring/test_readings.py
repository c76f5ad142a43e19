"""What the fold leaves behind reads as the predictions do, and alike however many are read together."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mintmark.scoring import pair_model, pair_predictions, pair_readout
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY
from tests.scoring import fleets

BENT = replace(DEFAULT_PAIR_POLICY, link_low=0.8, link_high=1.2, link_shift=0.1, interval_scale=1.7)
NUMBERS = st.floats(-6, 6)


@given(
    st.lists(
        st.tuples(NUMBERS, st.floats(0.01, 4), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=40
    )
)
def test_a_row_reads_the_same_alone_and_among_others(rows: list[tuple[float, ...]]) -> None:
    after = np.array(rows)
    together = pair_readout.compute_readout(BENT, after)
    for i in range(len(after)):
        alone = pair_readout.compute_readout(BENT, after[i : i + 1])
        for name in ("trust", "low", "high", "resonance"):
            assert getattr(together, name)[i] == getattr(alone, name)[0]


def test_a_row_of_nothing_reads_as_nothing() -> None:
    read = pair_readout.compute_readout(BENT, np.full((1, 5), np.nan))
    assert np.isnan([read.trust[0], read.low[0], read.high[0], read.resonance[0]]).all()


def test_right_after_an_event_a_pair_reads_as_it_is_predicted() -> None:
    events = fleets.fleet(rows=200)
    state = pair_model.PairState.create_initial(
        policy=BENT, assistants=5, rituals=3, assistant_rituals=15, prompts=40, pairs=200
    )
    told = pair_model.fold(BENT, state, events)
    read = pair_readout.compute_readout(BENT, told.after[-1:])
    last = slice(-1, None)
    rows = pair_predictions.PairRows(
        assistant=events.assistant[last],
        ritual=events.ritual[last],
        assistant_ritual=events.assistant_ritual[last],
        prompt=events.prompt[last],
        pair=events.pair[last],
        features=events.features[events.prompt[last]],
    )
    predicted = pair_predictions.predict(BENT, state, rows, now_days=float(events.at_days[-1]))
    assert abs(read.trust[0] - predicted.trust[0]) < 1e-12
    assert abs(read.resonance[0] - predicted.resonance[0]) < 1e-12
    assert abs(read.low[0] - predicted.low[0]) < 1e-9
