"""How similar texts are in meaning: static vectors, an extra. Without it, texts are compared by spelling
(`textchecks.similarity`).

A static model has one vector for each token, and a text is the mean of its tokens' vectors: a sum, without a network,
the same everywhere. The vectors are those of the package wordllama (only its files are read: its own loader uses the
network), or a folder of another model in model2vec's format.
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

from mintmark.textchecks import similarity

_log = logging.getLogger(__name__)

BUNDLED_MODEL = "wordllama l2_supercat, 256 dimensions"
SPELLING = "three characters in a row"
_TABLE_NAMES = ("embeddings", "embedding.weight")
_UNKNOWN_TOKENS = ("[UNK]", "<unk>")


class UnreadableModel(Exception):
    """A folder has no model of static vectors that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class StaticVectors:
    """A static model: `table` (tokens, dimensions) has the vector of each token."""

    name: str
    tokenizer: Any
    table: NDArray[np.floating[Any]]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """A vector of length 1 for each text (n, dimensions); zeros for one without a known token."""
        unknown = {self.tokenizer.token_to_id(token) for token in _UNKNOWN_TOKENS}
        embedded = np.zeros((len(texts), self.table.shape[1]))
        for row, encoding in zip(
            embedded,
            self.tokenizer.encode_batch(list(texts), add_special_tokens=False),
            strict=True,
        ):
            ids = [token for token in encoding.ids if token not in unknown]
            if ids:
                mean = self.table[ids].mean(axis=0, dtype=np.float64)
                row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityBackend:
    """How texts are compared: `by` spelling or vectors, with which `model`; `note` says why it is not the configured
    one."""

    by: Literal["spelling", "vectors"]
    model: str
    note: str = ""
    vectors: StaticVectors | None = None

    def compute_similarities(self, text: str, candidates: Sequence[str]) -> list[float]:
        """The similarity of each candidate to a text, in [0, 1]."""
        if self.vectors is None:
            return similarity.cosines(text, candidates)
        text_vector, *candidate_vectors = self.vectors.embed([text, *candidates])
        return [
            min(1.0, max(0.0, float(text_vector @ candidate_vector)))
            for candidate_vector in candidate_vectors
        ]


def get_similarity_backend() -> SimilarityBackend:
    """The backend that `MINTMARK_EMBEDDINGS` selects: vectors of a folder, those of the extra if installed, else
    spelling."""
    return _load_backend(settings.EMBEDDINGS)


def load_bundled() -> StaticVectors | None:
    """The vectors of the extra `embeddings`; None where it is not installed."""
    package = find_spec("wordllama")
    if package is None or not package.submodule_search_locations:
        return None
    package_folder = Path(next(iter(package.submodule_search_locations)))
    return _load_model(
        name=BUNDLED_MODEL,
        tokens=package_folder / "tokenizers" / "l2_supercat_tokenizer_config.json",
        tensors=package_folder / "weights" / "l2_supercat_256.safetensors",
    )


def load_vectors(folder: Path) -> StaticVectors:
    """The model in a folder with `tokenizer.json` and `model.safetensors`, in model2vec's format.

    Raises `UnreadableModel`.
    """
    return _load_model(
        name=folder.name,
        tokens=folder / "tokenizer.json",
        tensors=folder / "model.safetensors",
    )


@cache
def _load_backend(setting: str) -> SimilarityBackend:
    if setting == "none":
        return SimilarityBackend(by="spelling", model=SPELLING)
    try:
        vectors = load_vectors(Path(setting).expanduser()) if setting else load_bundled()
    except UnreadableModel as error:
        note = f"{error} Texts are compared by spelling until then."
        _log.warning("MINTMARK_EMBEDDINGS: %s", note)
        return SimilarityBackend(by="spelling", model=SPELLING, note=note)
    if vectors is None:
        return SimilarityBackend(by="spelling", model=SPELLING)
    return SimilarityBackend(by="vectors", model=vectors.name, vectors=vectors)


def _load_model(*, name: str, tokens: Path, tensors: Path) -> StaticVectors:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except ImportError as import_error:
        raise UnreadableModel(
            "Vectors need the extra: pip install 'mintmark[embeddings]'."
        ) from import_error
    for file in (tokens, tensors):
        if not file.is_file():
            raise UnreadableModel(f"There is no file {file}: name a folder as model2vec writes it.")
    try:
        tensors_by_name = load_file(tensors)
        tokenizer = Tokenizer.from_file(str(tokens))
    except (SafetensorError, OSError, ValueError) as error:
        raise UnreadableModel(f"The model in {tensors.parent} can't be read: {error}.") from error
    except Exception as error:  # tokenizers raises nothing narrower
        raise UnreadableModel(f"The file {tokens} is not a tokenizer: {error}.") from error
    table = next((tensors_by_name[key] for key in _TABLE_NAMES if key in tensors_by_name), None)
    if table is None or table.ndim != 2:
        raise UnreadableModel(
            f"{tensors} has no table of vectors named {' or '.join(_TABLE_NAMES)}."
        )
    if "mapping" in tensors_by_name:
        table = table[tensors_by_name["mapping"]]
    if "weights" in tensors_by_name:
        table = table * tensors_by_name["weights"][:, None]
    if len(table) < tokenizer.get_vocab_size():
        raise UnreadableModel(
            f"{tensors} has {len(table):,} vectors for {tokenizer.get_vocab_size():,} tokens: they are of two models."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return StaticVectors(name=name, tokenizer=tokenizer, table=table)
