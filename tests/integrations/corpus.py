"""A tiny corpus to write to a folder and to break."""

import json
from pathlib import Path
from typing import Any

MODELS = ("small-1b", "large-70b")


def paraphrase(
    template: str, *, method: str = "rephrase", correct: object = True, **shares: object
) -> dict[str, Any]:
    """One paraphrase as the files have it; `shares` replaces the models' usual ones."""
    accs = shares or dict.fromkeys(MODELS, 0.5)
    return {"template": template, "method": method, "correct": correct, "accs": accs, "ranks": {}}


def task() -> dict[str, Any]:
    """Two originals, and one paraphrase that is like the second of them."""
    return {
        "paraphrases": {
            "1": paraphrase("Do you return to {start}?", method="default"),
            "2": paraphrase("Sort these words: {words}", method="default"),
            "10": paraphrase("Please sort the words {words}", method="cot", correct=False),
        }
    }


def write(folder: Path, name: str, content: object) -> Path:
    """One file of a folder's data set BBH; text and bytes as they are, all else as JSON."""
    file = folder / "BBH" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file
