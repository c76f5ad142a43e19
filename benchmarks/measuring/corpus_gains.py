"""Of real paraphrases, which gain or lose over their original, model by model? And what a person's verdict says of it.

Run from the repository root: python -m benchmarks.measuring.corpus_gains [--json]

17 tasks, each paraphrase beside the original it derives from (as `mintmark import multiprompt` links
them), 100 runs each on every model. A gain counts as credible where its 90% interval leaves out 0
(`core.paired_gains`, the intervals of the lineage page); so of edits that change nothing, up to 5 in
100 would count on either side. `holds` counts those that stand when a tenth of what is named may be
false (Benjamini & Hochberg 1995, per model, from the normal test of two shares).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.prediction import corpora
from mintmark.integrations import multiprompt_reader
from mintmark.scoring import paired_effects
from mintmark.scoring.pair_model import Floats

RUNS = 100.0
ALARMS = 0.1


@dataclass(frozen=True, slots=True)
class Edits:
    """Shares of a model's runs answered rightly, (n,): after the edit, before it; `keeps` what a person said of it."""

    child: Floats
    parent: Floats
    keeps: NDArray[np.bool_]
    method: NDArray[np.str_]

    def part(self, chosen: NDArray[np.bool_]) -> Edits:
        return Edits(
            self.child[chosen], self.parent[chosen], self.keeps[chosen], self.method[chosen]
        )


def by_model(corpus: multiprompt_reader.Corpus) -> dict[str, Edits]:
    """Every edit of every model that ran both sides."""
    rows: dict[str, list[tuple[float, float, bool, str]]] = {}
    for task in corpus.tasks:
        for edit in task.paraphrases:
            original = task.find_original(edit)
            if original is None:
                continue
            for model, share in edit.shares.items():
                before = original.shares.get(model)
                if share is not None and before is not None:
                    rows.setdefault(model, []).append(
                        (share, before, edit.keeps_meaning is not False, edit.method)
                    )
    return {
        model: Edits(
            np.array([row[0] for row in found]),
            np.array([row[1] for row in found]),
            np.array([row[2] for row in found]),
            np.array([row[3] for row in found]),
        )
        for model, found in sorted(rows.items())
    }


def figures(edits: Edits) -> dict[str, Any]:
    """How many, and the shares of them credibly better and worse; with the mean gain in points."""
    n = edits.child.size
    runs = np.full(n, RUNS)
    gains = paired_effects.compare_per_stratum(
        child=edits.child, child_runs=runs, parent=edits.parent, parent_runs=runs
    )
    better, worse = gains.low > 0.0, gains.high < 0.0
    holds = _holds(edits)
    return {
        "edits": n,
        "mean_gain": float(gains.value.mean()),
        "better": float(better.mean()),
        "worse": float(worse.mean()),
        "better_holds": float((holds & (gains.value > 0.0)).mean()),
        "worse_holds": float((holds & (gains.value < 0.0)).mean()),
    }


def chance_alone(edits: Edits, *, rng: np.random.Generator) -> dict[str, float]:
    """The same shares had every edit changed nothing: both sides drawn anew from what both had together."""
    both = 0.5 * (edits.child + edits.parent)
    drawn = Edits(
        rng.binomial(int(RUNS), both) / RUNS,
        rng.binomial(int(RUNS), both) / RUNS,
        edits.keeps,
        edits.method,
    )
    told = figures(drawn)
    return {"better": told["better"], "worse": told["worse"]}


def _holds(edits: Edits) -> NDArray[np.bool_]:
    both = 0.5 * (edits.child + edits.parent)
    error = np.sqrt(np.maximum(both * (1.0 - both) * 2.0 / RUNS, 1e-12))
    p = 2.0 * stats.norm.sf(np.abs(edits.child - edits.parent) / error)
    order = np.argsort(p)
    passing = p[order] <= ALARMS * np.arange(1, p.size + 1) / p.size
    found = np.zeros(p.size, dtype=np.bool_)
    if passing.any():
        found[order[: int(np.flatnonzero(passing).max()) + 1]] = True
    return found


def _all(edits: dict[str, Edits]) -> Edits:
    every = list(edits.values())
    return Edits(
        np.concatenate([e.child for e in every]),
        np.concatenate([e.parent for e in every]),
        np.concatenate([e.keeps for e in every]),
        np.concatenate([e.method for e in every]),
    )


def measure(corpus: multiprompt_reader.Corpus) -> dict[str, Any]:
    """The tables: per model, by a person's verdict, by method, and had nothing changed."""
    edits = by_model(corpus)
    every = _all(edits)
    judged = [p for task in corpus.tasks for p in task.paraphrases if not p.is_original]
    kept = sum(p.keeps_meaning is not False for p in judged)
    return {
        "models": {model: figures(found) for model, found in edits.items()}
        | {"all": figures(every)},
        "chance_alone": chance_alone(every, rng=np.random.default_rng(0)),
        "verdict": {
            "keeps the meaning": figures(every.part(every.keeps)),
            "does not": figures(every.part(~every.keeps)),
        },
        "method": {
            str(method): figures(every.part(every.method == method))
            for method in np.unique(every.method)
        },
        "judged": {"edits": len(judged), "kept": kept},
    }


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(*, as_json: bool) -> None:
    """Print the tables, or the same as JSON."""
    found = measure(multiprompt_reader.load_corpus(folder=corpora.folder() / "multiprompt"))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for title in ("models", "verdict", "method"):
        click.echo(
            f"| {title} | edits | mean gain, points | better | worse | better, holds | worse, holds |"
        )
        click.echo("|---|---|---|---|---|---|---|")
        for name, row in found[title].items():
            cells = [f"{row[c]:.1%}" for c in ("better", "worse", "better_holds", "worse_holds")]
            click.echo(
                f"| {name} | {row['edits']} | {100 * row['mean_gain']:+.1f} | {' | '.join(cells)} |"
            )
        click.echo("")
    chance, judged = found["chance_alone"], found["judged"]
    click.echo(f"Had no edit changed anything: {chance['better']:.1%} and {chance['worse']:.1%}.")
    click.echo(f"A person found the meaning kept in {judged['kept']} of {judged['edits']} edits.")


if __name__ == "__main__":
    main()
