"""What a text looks like in numbers: any text, always the same numbers, readable ones first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.scoring import text_features

STYLED = {
    "opens_q": "Q: Who wrote {title}?\nA:",
    "closes_answer": "Is {claim} so?\nAnswer:",
    "closes_output": "Input: {x}\nOutput:\n\n",
    "closes_question": "Which is longer, {a} or {b}?",
    "closes_placeholder": "Summarise: {text}",
    "closes_full_stop": "Summarise {text}.",
    "quoted_placeholder": 'Say "{word}" twice.',
    "placeholder_on_own_line": "Text:\n{text}\nSummary:",
    "steps": "Think step by step about {x}",
    "yes_no": "Is {x} so? Answer yes or no.",
    "one_word": "Answer {x} in one word.",
    "polite": "Please translate {x}",
    "opens_verb": "Classify {x} by tone",
    "opens_question": "What is {x}?",
    "list": "Rules:\n- be short\n- be kind",
    "blank_line": "Read {x}.\n\nAnswer.",
}


@pytest.mark.parametrize(("name", "text"), STYLED.items())
def test_a_style_shows_in_its_feature_and_not_in_plain_text(name: str, text: str) -> None:
    column = text_features.NAMES.index(name)
    assert text_features.extract_features(text)[column] == 1.0
    assert text_features.extract_features("the cat sat on the mat")[column] == 0.0


@given(st.text(max_size=400))
def test_any_text_gives_a_finite_row_of_the_same_width_and_bits(text: str) -> None:
    row = text_features.extract_features(text)
    assert row.shape == (text_features.WIDTH,)
    assert np.isfinite(row).all()
    assert row.tobytes() == text_features.extract_features(text).tobytes()


@pytest.mark.parametrize(
    "text", ["", " ", "\ud800", "\U0010ffff" * 5, "\u200b{x}\u202e", "{" * 900]
)
def test_odd_texts_are_read_as_well(text: str) -> None:
    assert np.isfinite(text_features.extract_features(text)).all()


def test_what_lies_between_head_and_tail_of_a_huge_text_changes_no_number() -> None:
    def huge(middle: str) -> str:
        return "Read this. " * 2_000 + middle * 950_000 + " Now answer: {x}?" * 500

    assert (
        text_features.extract_features(huge("a")).tobytes()
        == text_features.extract_features(huge("!")).tobytes()
    )


def test_near_copies_are_nearer_than_strangers_in_the_hashed_numbers() -> None:
    one, copy, stranger = (
        text_features.extract_features(text)[text_features.STYLE :]
        for text in (
            "Determine whether the following sentence is plausible.",
            "Determine whether the sentence below is plausible.",
            "Write me a haiku about Tuesdays in winter",
        )
    )
    assert np.linalg.norm(one - copy) < 0.8 * np.linalg.norm(one - stranger)


def test_version_1_gives_these_numbers() -> None:
    row = text_features.extract_features(
        'Q: Which word has fewer letters, "{word1}" or "{word2}"?\nA:'
    )
    golden = {"length": 4.0943445622221, "colons": 1.0986122886681098, "quotes": 1.6094379124341003}
    for name, value in golden.items():
        assert row[text_features.NAMES.index(name)] == pytest.approx(value, rel=1e-12)
    root = np.sqrt(GRAMS)
    assert np.rint(row[text_features.STYLE : text_features.STYLE + 6] * root).tolist() == SIGNS
    assert text_features.VERSION == 1


GRAMS = 105
SIGNS = [3, -9, 9, -5, -3, -25]


def test_every_feature_has_a_name_of_its_own_and_a_label() -> None:
    assert len(set(text_features.NAMES)) == text_features.STYLE == len(text_features.LABELS)
    assert all(text_features.LABELS)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("polite", "Please, please answer", ("Please", "please")),
        ("steps", "Think step by step.", ("step by step",)),
        ("opens_blank", "\nHello", ()),
    ],
)
def test_a_feature_points_at_its_places_in_a_text(
    name: str, text: str, shown: tuple[str, ...]
) -> None:
    assert text_features.find_examples(name, text) == shown
