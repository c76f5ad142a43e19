"""Likeness by vectors of meaning where the extra is installed, by spelling where it is not or can't be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mintmark.registry import embeddings
from mintmark.textchecks import similarity

MONEY_BACK = "The customer wants her money returned."
REFUND = "Refund the client."
CAKE = "The customs officer wants her cake retuned."


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as model2vec writes it: four tokens in two dimensions."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra embeddings is not installed")
    words = {"[UNK]": 0, "refund": 1, "money": 2, "cake": 3}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    _save(tmp_path, embeddings=[[9, 9], [1, 0], [3, 1], [0, 2]])
    return tmp_path


def _save(folder: Path, **tensors: Any) -> None:
    from safetensors.numpy import save_file

    table = {name: np.array(rows, dtype=np.float32) for name, rows in tensors.items()}
    if "mapping" in table:
        table["mapping"] = table["mapping"].astype(np.int64)
    save_file(table, folder / "model.safetensors")


def test_without_vectors_likeness_is_that_of_spelling(settings: Any) -> None:
    settings.EMBEDDINGS = "none"
    told = embeddings.get_similarity_backend()
    assert (told.by, told.note) == ("spelling", "")
    assert told.compute_similarities(MONEY_BACK, [REFUND, CAKE]) == [
        similarity.cosine(MONEY_BACK, REFUND), similarity.cosine(MONEY_BACK, CAKE),
    ]  # fmt: skip
    assert told.compute_similarities(MONEY_BACK, []) == []


def test_a_folder_without_a_model_is_said_and_spelling_stands_in(
    settings: Any, tmp_path: Path
) -> None:
    settings.EMBEDDINGS = str(tmp_path / "nowhere")
    told = embeddings.get_similarity_backend()
    assert told.by == "spelling"
    assert str(tmp_path / "nowhere") in told.note or "mintmark[embeddings]" in told.note
    assert told.note.endswith("Texts are compared by spelling until then.")


def test_the_vectors_of_the_extra_tell_meaning_from_spelling(settings: Any) -> None:
    pytest.importorskip("wordllama", reason="the extra embeddings is not installed")
    settings.EMBEDDINGS = ""
    told = embeddings.get_similarity_backend()
    assert told.by == "vectors"
    meant, spelt = told.compute_similarities(MONEY_BACK, [REFUND, CAKE])
    assert meant > spelt
    assert similarity.cosine(MONEY_BACK, REFUND) < similarity.cosine(MONEY_BACK, CAKE)
    assert told.compute_similarities("", [REFUND]) == [0.0]


def test_a_folder_of_another_model_is_used(settings: Any, model: Path) -> None:
    settings.EMBEDDINGS = str(model)
    told = embeddings.get_similarity_backend()
    assert (told.by, told.model) == ("vectors", model.name)
    assert told.compute_similarities(
        "refund", ["refund", "money", "cake", "refund cake", "nobody knows"]
    ) == (pytest.approx([1.0, 3 / 10**0.5, 0.0, 1 / 5**0.5, 0.0]))


def test_weights_and_shared_vectors_of_a_model_count(model: Path) -> None:
    _save(model, embeddings=[[1, 0], [0, 1]], mapping=[0, 0, 1, 1], weights=[1, 1, 1, 3])
    money_cake, refund_cake = embeddings.load_vectors(model).embed(["refund money", "refund cake"])
    assert money_cake == pytest.approx([2**-0.5, 2**-0.5])
    assert refund_cake == pytest.approx([10**-0.5, 3 * 10**-0.5])


def test_a_model_that_is_broken_names_the_file(model: Path) -> None:
    _save(model, embeddings=[[1, 0]])
    with pytest.raises(embeddings.UnreadableModel, match=r"1 vectors for 4 tokens"):
        embeddings.load_vectors(model)
    _save(model, weights=[1, 1, 1, 1])
    with pytest.raises(embeddings.UnreadableModel, match=r"no table of vectors"):
        embeddings.load_vectors(model)
    (model / "model.safetensors").write_bytes(b"not a table")
    with pytest.raises(embeddings.UnreadableModel, match=r"can't be read"):
        embeddings.load_vectors(model)
    (model / "tokenizer.json").write_text("{}")
    _save(model, embeddings=[[1, 0]] * 4)
    with pytest.raises(embeddings.UnreadableModel, match=r"tokenizer\.json is not a tokenizer"):
        embeddings.load_vectors(model)
