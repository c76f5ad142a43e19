"""How close does prompt trust come to a prompt's true mean over assistants, on real data?

Each of the 3,389 instruction paraphrases of the multiprompt data gets 8 events on language models
drawn at random, or (biased) mostly on strong ones for half of the prompts and on weak ones for the
others. An event is 1 run or 100. The truth is the mean accuracy over all models.

Run from the repository root: python -m benchmarks.reputation.multiprompt [--draws 3] [--json]
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.scoring import (
    pair_model,
    prior_strength,
    priors,
    prompt_model,
    prompt_readout,
    text_features,
)
from mintmark.scoring.prompt_model import ReputationEvents, ReputationState
from mintmark.scoring.reputation_constants import ReputationPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DATA = Path(os.environ.get("MINTMARK_DATA", Path(__file__).parents[3] / "shared" / "data"))
EVENTS_EACH = 8
NOW = 20_000.0
DESIGNS = (("at random", False, 1), ("biased", True, 1), ("at random, 100 runs", False, 100))


@dataclass(frozen=True)
class Corpus:
    """`accuracy` (prompts, models), NaN where a model has none; `task` (prompts,)."""

    accuracy: Floats
    task: Ints
    tasks: tuple[str, ...]

    @property
    def truth(self) -> Floats:
        return np.asarray(np.nanmean(self.accuracy, axis=1), dtype=float)


def load() -> Corpus:
    files = sorted((DATA / "multiprompt").glob("*/*.json"))
    if not files:
        raise click.ClickException(f"no multiprompt data under {DATA}: set MINTMARK_DATA")
    rows: list[tuple[int, dict[str, float]]] = []
    for t, file in enumerate(files):
        paraphrases = json.loads(file.read_text())["paraphrases"]
        rows += [(t, paraphrase["accs"]) for paraphrase in paraphrases.values()]
    models = sorted({model for _, accs in rows for model in accs})
    accuracy = np.array([[accs.get(model, np.nan) for model in models] for _, accs in rows])
    if np.nanmax(accuracy) > 1.0:
        accuracy = accuracy / 100.0
    return Corpus(accuracy, np.array([t for t, _ in rows]), tuple(f.stem for f in files))


def draw(corpus: Corpus, *, biased: bool, runs: int, seed: int) -> tuple[Ints, Ints, Floats]:
    """Prompt, model and score of every event, in a random order."""
    rng = np.random.default_rng(seed)
    strength = np.nanmean(corpus.accuracy, axis=0)
    chosen = []
    for row in corpus.accuracy:
        models = np.flatnonzero(~np.isnan(row))
        weight = None
        if biased:
            lead = (strength[models] - strength[models].mean()) / strength[models].std()
            weight = np.exp(1.5 * (1.0 if rng.random() < 0.5 else -1.0) * lead)
            weight /= weight.sum()
        chosen.append(rng.choice(models, EVENTS_EACH, p=weight))
    prompt = np.repeat(np.arange(len(chosen)), EVENTS_EACH)
    order = rng.permutation(len(prompt))
    prompt, model = prompt[order], np.concatenate(chosen)[order]
    return prompt, model, rng.binomial(runs, corpus.accuracy[prompt, model]) / runs


def estimates(
    corpus: Corpus, prompt: Ints, model: Ints, score: Floats, *, runs: int
) -> dict[str, tuple[Floats, Floats | None, Floats | None]]:
    """Every method's estimate of each prompt's mean, with low and high where it has an interval."""
    prompts, models = corpus.accuracy.shape
    tasks = len(corpus.tasks)
    task = corpus.task[prompt]
    n = len(prompt)
    measured = pair_model.PairEvents(
        assistant=model,
        ritual=task,
        assistant_ritual=model * tasks + task,
        prompt=prompt,
        pair=model * prompts + prompt,
        features=np.full((prompts, text_features.WIDTH), np.nan),
        score=score,
        runs=np.full(n, float(runs)),
        at_days=np.full(n, NOW),
    )
    pair_policy = priors.learn(measured)
    foreseen = pair_model.fold(
        pair_policy,
        pair_model.PairState.create_initial(
            policy=pair_policy,
            assistants=models,
            rituals=tasks,
            assistant_rituals=models * tasks,
            prompts=prompts,
            pairs=models * prompts,
        ),
        measured,
    )
    nobody = np.full(n, -1, dtype=np.int64)
    events = ReputationEvents(
        kind=np.full(n, int(EvidenceKind.OUTCOME), dtype=np.int64),
        prompt=prompt,
        ritual=task,
        assistant_ritual=measured.assistant_ritual,
        pair=measured.pair,
        rater=nobody,
        prompt_cohort=nobody,
        prompt_rater=nobody,
        score=score,
        runs=measured.runs,
        at_days=measured.at_days,
        baseline=foreseen.baseline,
        admissible=np.ones(n, dtype=np.bool_),
    )

    def folded(policy: ReputationPolicy) -> ReputationState:
        state = ReputationState.create_initial(
            policy=policy,
            prompts=prompts,
            rituals=tasks,
            assistant_rituals=models * tasks,
            pairs=models * prompts,
        )
        state.rituals.kappa[:] = policy.get_kappas(corpus.tasks)
        prompt_model.fold(policy, state, events)
        return state

    found: dict[str, tuple[Floats, Floats | None, Floats | None]] = {}
    policy = ReputationPolicy()
    for name in ("mintmark, before calibration", "mintmark, calibrated"):
        state = folded(policy)
        read = prompt_readout.compute_scores(policy, state, np.arange(prompts), now_days=NOW)
        found[name] = (read.trust_score, read.low, read.high)
        policy = prior_strength.learn(
            policy,
            state,
            pair_prompt=np.tile(np.arange(prompts), models),
            ritual_keys=corpus.tasks,
        )
    hits = np.bincount(prompt, score * runs, minlength=prompts)
    trials = float(EVENTS_EACH * runs)
    mean = np.bincount(task, score) / np.bincount(task)
    found["Beta(1, 1)"] = ((hits + 1.0) / (trials + 2.0), None, None)
    found["Bayes average, weight 10"] = (
        (hits + 10.0 * score.mean()) / (trials + 10.0),
        None,
        None,
    )
    for weight in (12.0, 40.0):
        prior = weight * mean[corpus.task]
        found[f"Beta with task prior, weight {weight:g}"] = (
            (hits + prior) / (trials + weight),
            None,
            None,
        )
    found["task mean"] = (mean[corpus.task], None, None)
    return found


def measure(corpus: Corpus, *, biased: bool, runs: int, draws: int) -> dict[str, dict[str, float]]:
    """RMSE, Spearman correlation and coverage of the 90% interval, by method; means of the draws."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    truth = corpus.truth
    for seed in range(draws):
        prompt, model, score = draw(corpus, biased=biased, runs=runs, seed=seed)
        found = estimates(corpus, prompt, model, score, runs=runs)
        for name, (estimate, low, high) in found.items():
            covered = np.nan
            if low is not None and high is not None:
                covered = float(np.mean((low <= truth) & (truth <= high)))
            error = float(np.sqrt(np.mean((estimate - truth) ** 2)))
            rank = float(stats.spearmanr(estimate, truth).statistic)
            rows.setdefault(name, []).append((error, rank, covered))
    return {
        name: dict(zip(("rmse", "spearman", "coverage_90"), np.mean(row, axis=0), strict=True))
        for name, row in rows.items()
    }


@click.command()
@click.option("--draws", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--json", "as_json", is_flag=True)
def main(*, draws: int, as_json: bool) -> None:
    """Print the tables, or the same as JSON (null where a method has no interval)."""
    corpus = load()
    result = {}
    for name, biased, runs in DESIGNS:
        click.echo(name, err=True)
        result[name] = measure(corpus, biased=biased, runs=runs, draws=draws)
    if as_json:
        plain = {
            design: {
                method: {k: None if np.isnan(v) else float(v) for k, v in row.items()}
                for method, row in rows.items()
            }
            for design, rows in result.items()
        }
        click.echo(json.dumps({"prompts": len(corpus.task), "draws": draws, "rows": plain}))
        return
    for name, rows in result.items():
        click.echo(f"\n{EVENTS_EACH} events a prompt, {name}\n")
        click.echo("| method | RMSE | Spearman | 90% interval covers |\n|---|---|---|---|")
        for method, row in rows.items():
            covered = "–" if np.isnan(row["coverage_90"]) else f"{row['coverage_90']:.3f}"
            click.echo(f"| {method} | {row['rmse']:.4f} | {row['spearman']:.3f} | {covered} |")


if __name__ == "__main__":
    main()
