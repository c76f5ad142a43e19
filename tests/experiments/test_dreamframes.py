"""Frames, paraphrases and recall: the same seed gives the same, and what must not change does not."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.experiments import paraphrasing, perturbations
from mintmark.experiments.perturbations import FrameContext, FrameVariations
from mintmark.textchecks import memory_overlap

SEEDS = st.integers(0, perturbations.MAX_SEED)


@given(SEEDS, st.integers(0, 20))
def test_the_same_seed_gives_the_same_frames_and_the_first_is_plain(seed: int, many: int) -> None:
    frames = perturbations.build_frames(seed=seed, perturbed=many, temperature=0.2)
    assert frames == perturbations.build_frames(seed=seed, perturbed=many, temperature=0.2)
    assert frames[0] == FrameContext(number=0, seed=seed, temperature=0.2)
    assert [frame.number for frame in frames] == list(range(many + 1))
    assert all(0 <= frame.seed <= perturbations.MAX_SEED for frame in frames)


@given(SEEDS)
def test_more_frames_leave_the_first_ones_as_they_are(seed: int) -> None:
    few = perturbations.build_frames(seed=seed, perturbed=3, temperature=0.0)
    many = perturbations.build_frames(seed=seed, perturbed=9, temperature=0.0)
    assert many[:4] == few


@given(SEEDS)
def test_a_frame_is_what_was_kept_of_it(seed: int) -> None:
    for frame in perturbations.build_frames(seed=seed, perturbed=4, temperature=0.0):
        assert perturbations.from_json(frame.as_json()) == frame


def test_frames_vary_in_what_they_may_and_in_nothing_else() -> None:
    still = FrameVariations(
        temperatures=(), memory_order=False, input_order=False, paraphrase=False
    )
    for frame in perturbations.build_frames(
        seed=3, perturbed=20, temperature=0.4, variations=still
    )[1:]:
        assert frame.temperature == 0.4
        assert not frame.memory_order
        assert not frame.input_order
        assert frame.paraphrases == ()
    moving = perturbations.build_frames(seed=3, perturbed=60, temperature=0.4)[1:]
    assert {frame.temperature for frame in moving} == {0.3, 0.7, 1.0}
    assert {rule for frame in moving for rule in frame.paraphrases} == set(paraphrasing.RULES)
    assert len({frame.seed for frame in moving}) == 60


@pytest.mark.parametrize(("seed", "many"), [(-1, 1), (2**31, 1), (0, -1), (0, 101)])
def test_frames_out_of_bounds_are_refused(seed: int, many: int) -> None:
    with pytest.raises(ValueError, match=r"seed|dreamframes"):
        perturbations.build_frames(seed=seed, perturbed=many, temperature=0.0)


@given(st.lists(st.integers(), max_size=30), SEEDS)
def test_shuffling_loses_nothing_and_repeats(items: list[int], seed: int) -> None:
    mixed = perturbations.shuffle(items, seed=seed, purpose="memory")
    assert sorted(mixed) == sorted(items)
    assert mixed == perturbations.shuffle(items, seed=seed, purpose="memory")


def test_every_order_comes_about_equally_often() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for seed in range(6_000):
        order = tuple(perturbations.shuffle([1, 2, 3], seed=seed, purpose="x"))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    # Six standard deviations around 1,000.
    assert all(827 < count < 1_173 for count in counts.values())


TEXT = 'We do not ship on Sundays. In order to help, say "now" to NASA at 9:30.'


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        ("contracted", TEXT.replace("do not", "don't")),
        ("plain-words", TEXT.replace("In order to", "To")),
        ("curly-quotes", TEXT.replace('"now"', "“now”")),
        ("a-sentence-a-line", TEXT.replace(". In", ".\nIn")),
        ("no-final-stop", TEXT[:-1]),
        ("small-start", "w" + TEXT[1:]),
    ],
)
def test_a_rule_does_what_it_says(rule: str, result: str) -> None:
    assert paraphrasing.reword(TEXT, rules=[rule]) == result


def test_opposite_rules_undo_each_other() -> None:
    for one, other in (
        ("contracted", "spelled-out"),
        ("curly-quotes", "straight-quotes"),
        ("a-sentence-a-line", "one-line"),
    ):
        assert paraphrasing.reword(TEXT, rules=[one, other]) == TEXT
        assert paraphrasing.select_compatible([one, other, one]) == (one,)


@given(
    st.text(string.ascii_letters + string.digits + " .,'\"\n!?", max_size=300),
    st.lists(st.sampled_from(sorted(paraphrasing.RULES)), max_size=4),
)
def test_rewording_keeps_every_number_and_never_fails(text: str, rules: list[str]) -> None:
    reworded = paraphrasing.reword(text, rules=rules)
    numbers = [c for c in text if c.isdigit()]
    assert [c for c in reworded if c.isdigit()] == numbers


@pytest.mark.parametrize(
    "text", ["Do not do it.", "x = do not + 1 or in order to", "call do_not() in order to go on"]
)
def test_what_is_short_or_looks_like_code_stays(text: str) -> None:
    assert paraphrasing.reword(text, rules=list(paraphrasing.RULES)) == text


@pytest.mark.parametrize(
    ("memory", "output", "share"),
    [
        ("Extension 4711 answers.", "Call extension 4711, it answers.", 1.0),
        ("Extension 4711 answers.", "Call 4711.", 1 / 3),
        ("Extension 4711 answers.", "", 0.0),
        ("It is a no", "no it is a", 1.0),
        ("…", "…", 0.0),
        ("Straße STRASSE", "strasse", 1.0),
    ],
)
def test_recall_is_the_share_of_a_memorys_words(memory: str, output: str, share: float) -> None:
    assert memory_overlap.compute_overlap(memory, output) == pytest.approx(share)


@given(st.text(max_size=200), st.text(max_size=200))
def test_recall_is_a_share_and_more_output_never_lowers_it(memory: str, output: str) -> None:
    share = memory_overlap.compute_overlap(memory, output)
    assert 0.0 <= share <= 1.0
    assert memory_overlap.compute_overlap(memory, f"{output} {memory}") >= share
