"""How alike texts are in meaning: static vectors, an extra. Without it, likeness goes by spelling (`core.similarity`).

A static model has one vector a token, and a text is the mean of its tokens' vectors: a sum, without a network, the same
everywhere. The vectors are those that the package wordllama brings along (of which the files alone are read: its own
loader goes to the network), or a folder of another model as model2vec writes it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from mintmark.core import similarity

_log = logging.getLogger(__name__)

BUNDLED = "wordllama l2_supercat, 256 dimensions"
SPELLING = "three characters in a row"
_TABLES = ("embeddings", "embedding.weight")
_UNKNOWN = ("[UNK]", "<unk>")


class Unreadable(Exception):
    """A folder holds no model of static vectors that can be read here; the message says why."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """A static model: `table` (tokens, dimensions) has the vector of each token."""

    name: str
    tokenizer: Any
    table: NDArray[np.floating[Any]]

    def rows(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """A vector of length 1 for each text (n, dimensions); zeros for one without a known token."""
        unknown = {self.tokenizer.token_to_id(token) for token in _UNKNOWN}
        found = np.zeros((len(texts), self.table.shape[1]))
        for row, told in zip(
            found, self.tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True
        ):
            ids = [token for token in told.ids if token not in unknown]
            if ids:
                mean = self.table[ids].mean(axis=0, dtype=np.float64)
                row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How texts are compared: `by` spelling or vectors, of which `model`; `note` says why it is not what was asked."""

    by: Literal["spelling", "vectors"]
    model: str
    note: str = ""
    vectors: Vectors | None = None

    def of(self, text: str, others: Sequence[str]) -> list[float]:
        """How like each of the others is to a text, in [0, 1]."""
        if self.vectors is None:
            return similarity.cosines(text, others)
        one, *rest = self.vectors.rows([text, *others])
        return [min(1.0, max(0.0, float(one @ other))) for other in rest]


def likeness() -> Likeness:
    """As `MINTMARK_EMBEDDINGS` asks: vectors of a folder, those of the extra where it is installed, else spelling."""
    return _likeness(settings.EMBEDDINGS)


def bundled() -> Vectors | None:
    """The vectors of the extra `embeddings`; None where it is not installed."""
    package = find_spec("wordllama")
    if package is None or not package.submodule_search_locations:
        return None
    at = Path(next(iter(package.submodule_search_locations)))
    return _read(
        name=BUNDLED,
        tokens=at / "tokenizers" / "l2_supercat_tokenizer_config.json",
        tensors=at / "weights" / "l2_supercat_256.safetensors",
    )


def read(folder: Path) -> Vectors:
    """The model in a folder with `tokenizer.json` and `model.safetensors`, as model2vec writes it.

    Raises `Unreadable`.
    """
    return _read(
        name=folder.name,
        tokens=folder / "tokenizer.json",
        tensors=folder / "model.safetensors",
    )


@cache
def _likeness(asked: str) -> Likeness:
    if asked == "none":
        return Likeness(by="spelling", model=SPELLING)
    try:
        vectors = read(Path(asked).expanduser()) if asked else bundled()
    except Unreadable as why:
        note = f"{why} Texts are compared by spelling until then."
        _log.warning("MINTMARK_EMBEDDINGS: %s", note)
        return Likeness(by="spelling", model=SPELLING, note=note)
    if vectors is None:
        return Likeness(by="spelling", model=SPELLING)
    return Likeness(by="vectors", model=vectors.name, vectors=vectors)


def _read(*, name: str, tokens: Path, tensors: Path) -> Vectors:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except ImportError as missing:
        raise Unreadable("Vectors need the extra: pip install 'mintmark[embeddings]'.") from missing
    for file in (tokens, tensors):
        if not file.is_file():
            raise Unreadable(f"There is no file {file}: name a folder as model2vec writes it.")
    try:
        found = load_file(tensors)
        tokenizer = Tokenizer.from_file(str(tokens))
    except (SafetensorError, OSError, ValueError) as wrong:
        raise Unreadable(f"The model in {tensors.parent} can't be read: {wrong}.") from wrong
    except Exception as wrong:  # tokenizers raises nothing narrower
        raise Unreadable(f"The file {tokens} is no tokenizer: {wrong}.") from wrong
    table = next((found[key] for key in _TABLES if key in found), None)
    if table is None or table.ndim != 2:
        raise Unreadable(f"{tensors} has no table of vectors named {' or '.join(_TABLES)}.")
    if "mapping" in found:
        table = table[found["mapping"]]
    if "weights" in found:
        table = table * found["weights"][:, None]
    if len(table) < tokenizer.get_vocab_size():
        raise Unreadable(
            f"{tensors} has {len(table):,} vectors for {tokenizer.get_vocab_size():,} tokens: they are of two models."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Vectors(name=name, tokenizer=tokenizer, table=table)
