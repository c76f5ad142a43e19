"""Simulated fleets for the tests of the pair model."""

import numpy as np

from mintmark.scoring import pair_model, text_features
from mintmark.scoring.pair_model import PairEvents

OPENINGS = ("Please ", "Q: ", "Determine whether ", "")
MIDDLES = (
    "judge {claim}",
    'the word "{word}" fits',
    "{text}\nis plausible",
    "answer {x} step by step",
)
CLOSINGS = ("", ".", "?", "\nA:", "\nOutput:")
TEXTS = [o + m + c for o in OPENINGS for m in MIDDLES for c in CLOSINGS]
FEATURES = np.array([text_features.extract_features(text) for text in TEXTS])


def fleet(
    *,
    seed: int = 0,
    rows: int = 400,
    assistants: int = 5,
    rituals: int = 3,
    prompts: int = 40,
    most_runs: int = 3,
    days: float = 500.0,
    spread: float = 1.0,
    texts: bool = True,
) -> PairEvents:
    """Return `rows` events of assistants, rituals and prompts with Gaussian effects of sd `spread`."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, assistants, rows)
    p = rng.integers(0, prompts, rows)
    g = (p * 7919) % rituals
    eta = rng.normal(0, spread, assistants)[a] + rng.normal(0, spread, prompts)[p]
    eta = eta + rng.normal(0, spread, (assistants, prompts))[a, p]
    runs = rng.integers(1, most_runs + 1, rows)
    score = rng.binomial(runs, 1.0 / (1.0 + np.exp(-eta))) / runs
    return PairEvents(
        assistant=a,
        ritual=g,
        assistant_ritual=a * rituals + g,
        prompt=p,
        pair=a * prompts + p,
        features=FEATURES[:prompts] if texts else np.full((prompts, 1), np.nan),
        score=score,
        runs=runs.astype(np.float64),
        at_days=np.sort(rng.uniform(0.0, days, rows)) + 18_000.0,
    )


def arrays(state: pair_model.PairState) -> list[pair_model.Floats]:
    """Return every array of a state, to compare bits."""
    blocks = (
        state.fleet,
        state.assistant,
        state.ritual,
        state.assistant_ritual,
        state.prompt,
        state.pair,
    )
    found = [part for b in blocks for part in (b.mean, b.variance, b.touched)]
    return [*found, state.centre_count, state.centre_sum]
