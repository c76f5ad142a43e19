"""The real data that the scripts here run on: beside the repository, or where MINTMARK_DATA says."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mintmark.scoring import text_features
from mintmark.scoring.pair_model import Floats, Ints, PairEvents

HERE = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """Return the folder of real data; exit with a sentence if it is not there."""
    found = Path(os.environ.get("MINTMARK_DATA", HERE.parent / "shared" / "data"))
    if not found.is_dir():
        raise SystemExit(f"no real data at {found}: set MINTMARK_DATA to the folder that has it")
    return found


@dataclass(frozen=True, slots=True)
class Cells:
    """Every cell (n,) of the multi-prompt corpus: its share of 100 runs; a text for each prompt."""

    assistant: Ints
    task: Ints
    prompt: Ints
    accuracy: Floats
    texts: list[str]
    tasks: list[str]
    models: list[str]

    def features(self) -> Floats:
        return np.array([text_features.extract_features(text) for text in self.texts])


def multiprompt() -> Cells:
    """Read all tasks, in the order of their names."""
    rows: list[tuple[int, int, int]] = []
    accuracy: list[float] = []
    texts: list[str] = []
    tasks: list[str] = []
    models: dict[str, int] = {}
    for path in sorted((folder() / "multiprompt").glob("*/*.json")):
        tasks.append(path.stem)
        for paraphrase in json.loads(path.read_text(encoding="utf-8"))["paraphrases"].values():
            texts.append(paraphrase["template"])
            for model, share in paraphrase["accs"].items():
                rows.append((models.setdefault(model, len(models)), len(tasks) - 1, len(texts) - 1))
                accuracy.append(share)
    a, g, p = np.array(rows, dtype=np.int64).T
    return Cells(a, g, p, np.array(accuracy), texts, tasks, list(models))


def bitcoin_otc() -> PairEvents:
    """Read the ratings in time order: is it positive? `assistant` rates, `prompt` is rated."""
    with (folder() / "bitcoin_otc.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            (int(r["src"]), int(r["dst"]), float(r["rating"]), float(r["ts"]))
            for r in csv.DictReader(file)
        ]
    rows.sort(key=lambda row: row[3])
    src, dst, rating, ts = (np.array(column) for column in zip(*rows, strict=True))
    return events(
        assistant=src,
        task=np.zeros(len(rows), dtype=np.int64),
        prompt=dst,
        score=(rating > 0).astype(float),
        runs=np.ones(len(rows)),
        at_days=ts / 86_400.0,
        features=None,
    )


def events(
    *,
    assistant: NDArray[np.int64],
    task: NDArray[np.int64],
    prompt: NDArray[np.int64],
    score: Floats,
    runs: Floats,
    at_days: Floats,
    features: Floats | None,
) -> PairEvents:
    """Number everything and return it as columns; without features every text is unknown."""

    def number(*columns: NDArray[np.int64]) -> Ints:
        return np.unique(np.stack(columns), axis=1, return_inverse=True)[1].astype(np.int64).ravel()

    prompts, renumbered = np.unique(prompt, return_inverse=True)
    known = np.full((prompts.size, 1), np.nan) if features is None else features[prompts]
    return PairEvents(
        assistant=number(assistant),
        ritual=number(task),
        assistant_ritual=number(assistant, task),
        prompt=renumbered.astype(np.int64),
        pair=number(assistant, prompt),
        features=known,
        score=score,
        runs=runs,
        at_days=at_days,
    )
