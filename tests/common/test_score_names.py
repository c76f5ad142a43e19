"""What names of scores mean: the shipped table, what somebody says at an import, and that directions are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common import score_names


@pytest.mark.parametrize(
    ("tool", "name", "major", "value", "score"),
    [
        ("langfuse", "Toxicity", None, 1, 0.0),
        ("langfuse", "Hallucination", None, 0.25, 0.75),
        ("langfuse", "Helpfulness", None, 0.25, 0.25),
        ("deepeval", "Toxicity", 3, 1, 0.0),
        ("deepeval", "Toxicity", 4, 1, 1.0),
        ("phoenix", "pii_detection", None, 1, 0.0),
        ("phoenix", "pii_detection", None, "pii_detected", 0.0),
        ("mlflow", "pii_detection", None, "yes", 1.0),
        ("mlflow", "user_frustration", None, "resolved", 0.5),
        ("autoevals", "Security", None, 1, 1.0),
        ("openai-evals", "security", None, 1, 0.0),
        ("azure", "violence", None, 7, 0.0),
        ("azure", "groundedness", None, 1, 0.0),
        ("azure", "groundedness_pro_label", None, True, 1.0),
        ("azure", "xpia_label", None, True, 0.0),
        ("ragas", "noise_sensitivity(mode=relevant)", None, 1, 0.0),
        ("openevals", "levenshtein_distance", None, 1, 1.0),
        ("opik", "js_distance_metric", None, 0, 1.0),
        ("lm-eval", "bleu", None, 50, 0.5),
        ("inspect", "model_graded_qa", None, "P", 0.5),
    ],
)
def test_a_known_name_counts_in_its_own_direction(
    tool: str, name: str, major: int | None, value: object, score: float
) -> None:
    scale = score_names.find_scale(tool=tool, name=name, major=major)
    assert scale is not None
    assert scale.normalise(value) == pytest.approx(score)
    assert scale.source


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ("promptfoo", "cost"), ("promptfoo", "latency"), ("phoenix", "refusal"), ("lm-eval", "bypass"),
        ("langfuse", "Answer Relevance"), ("openevals", "TOXICITY_PROMPT"), ("opik", "kl_divergence_metric"),
    ],
)  # fmt: skip
def test_what_measures_no_goodness_is_known_and_is_no_evidence(tool: str, name: str) -> None:
    scale = score_names.find_scale(tool=tool, name=name)
    assert scale is not None
    assert not scale.is_evidence
    assert scale.normalise(1) is None


def test_a_name_that_versions_turned_round_is_unknown_without_the_version() -> None:
    assert score_names.find_scale(tool="deepeval", name="Bias") is None
    assert score_names.find_scale(tool="deepeval", name="Bias", major=5) is None
    assert score_names.find_scale(tool="langfuse", name="toxicity of the reply") is None


_NUMBERS = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


@given(worst=_NUMBERS, best=_NUMBERS, value=_NUMBERS)
def test_a_scale_gives_shares_and_its_mirror_gives_the_rest(
    worst: float, best: float, value: float
) -> None:
    if worst == best:
        with pytest.raises(score_names.InvalidScoreMapping):
            score_names.parse_mapping(scores=[f"x={worst!r}..{best!r}"])
        return
    scale = score_names.parse_mapping(scores=[f"x={worst!r}..{best!r}"]).scales["x"]
    mirror = score_names.ScoreScale(worst=best, best=worst)
    score, mirrored = scale.normalise(value), mirror.normalise(value)
    if not min(worst, best) <= value <= max(worst, best):
        assert score is None
        assert mirrored is None
        return
    assert score is not None
    assert mirrored is not None
    assert 0 <= score <= 1
    assert score + mirrored == pytest.approx(1)
    assert (scale.normalise(worst), scale.normalise(best)) == (0, 1)


@pytest.mark.parametrize(
    "text",
    ["x", "=0..1", "x=", "x=1..1", "x=a..b", "x=0..inf", "x=good", "x=good:2", "x=good:1,Good:0", "x=:1"],
)  # fmt: skip
def test_what_cannot_be_a_meaning_is_refused_by_its_words(text: str) -> None:
    with pytest.raises(score_names.InvalidScoreMapping, match="The meaning of a score"):
        score_names.parse_mapping(scores=[text])


def test_a_name_is_said_once_and_not_ignored_as_well() -> None:
    with pytest.raises(score_names.InvalidScoreMapping, match="twice"):
        score_names.parse_mapping(scores=["x=0..1", "x=1..0"])
    with pytest.raises(score_names.InvalidScoreMapping, match="ignored"):
        score_names.parse_mapping(scores=["x=0..1"], ignored=["x"])
