"""Foresight: what an unregistered text would be trusted with, what moved it, and how well that has held."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mintmark.projection.prompt_models import EventEffect
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Prompt
from mintmark.scoring import text_features
from mintmark.scoring.estimate import Estimate
from mintmark.trust.results import EditFeatureEffect, ForeseenTrust, Foresight, TrackRecord
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.cast import Cast

pytestmark = pytest.mark.django_db

PLAIN = "Sort {ticket} by urgency."
CLOSED = f"{PLAIN}\nAnswer:"
TOPICS = ("tickets", "mails", "calls", "orders", "claims", "faults", "bugs", "leaks")


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return built_cast


def foreseen(cast: Cast, text: str, parent: Prompt) -> Foresight:
    return AssistantTrustTracker().foresee(
        text=text, parent=parent, assistants=[cast.scout, cast.smith], now=cast.now
    )


def effect_of(row: ForeseenTrust, name: str) -> EditFeatureEffect:
    return next(effect for effect in row.effects if effect.name == name)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def taught(cast: Cast) -> Prompt:
    """Scout does well where a text closes with "Answer:" and badly elsewhere, smith the other way round; the parent is
    one that does not."""
    for topic in TOPICS:
        plain = cast.written(f"acme/{topic}", f"Sort the {topic} in {{ticket}} by urgency.")
        closed = cast.written(
            f"acme/{topic}-closed", f"Sort the {topic} in {{ticket}} by urgency.\nAnswer:"
        )
        for prompt, scout, smith in ((plain, 0.2, 0.8), (closed, 0.8, 0.2)):
            cast.record(cast.outcome(score=scout, runs=50, prompt=prompt.pk))
            cast.record(
                cast.outcome(score=smith, runs=50, prompt=prompt.pk, assistant=cast.smith.pk),
                by=cast.seller,
            )
    parent = cast.written("acme/parent", PLAIN)
    cast.record(cast.outcome(score=0.3, prompt=parent.pk))
    return parent


def test_the_parents_own_text_foresees_no_change(cast: Cast) -> None:
    parent = taught(cast)
    for row in foreseen(cast, parent.text, parent).rows:
        assert row.edited == row.as_new
        assert (row.change.value, row.change.low, row.change.high) == (0.0, 0.0, 0.0)
        assert row.effects == ()
        assert row.hashed == row.spread == 0.0


def test_what_helped_in_evidence_foresees_a_rise_where_it_is_added(cast: Cast) -> None:
    scout, smith = foreseen(cast, CLOSED, taught(cast)).rows
    assert scout.assistant == cast.scout
    assert scout.change.value > 0.05
    assert scout.edited.value > scout.as_new.value
    assert effect_of(scout, "closes_answer").effect > 0.0
    assert smith.change.value < -0.05
    assert effect_of(smith, "closes_answer").effect < 0.0


def test_the_effects_of_the_features_add_up_to_the_change(cast: Cast) -> None:
    for row in foreseen(cast, CLOSED, taught(cast)).rows:
        parts = sum(effect.effect for effect in row.effects) + row.hashed + row.spread
        assert parts == pytest.approx(row.change.value, abs=1e-12)
        assert row.change.value == pytest.approx(row.edited.value - row.as_new.value, abs=1e-12)
        assert row.change.low < row.change.value < row.change.high
        assert row.edited.low < row.edited.value < row.edited.high


def test_every_feature_that_differs_is_named_with_both_its_values(cast: Cast) -> None:
    parent = taught(cast)
    row = foreseen(cast, CLOSED, parent).rows[0]
    before, after = (
        text_features.extract_features(parent.text),
        text_features.extract_features(CLOSED),
    )
    differing = [
        feature.name for j, feature in enumerate(text_features.READABLE) if before[j] != after[j]
    ]
    assert sorted(effect.name for effect in row.effects) == sorted(differing)
    closing = effect_of(row, "closes_answer")
    assert (closing.before, closing.after, closing.counted) == (0.0, 1.0, False)
    assert closing.label == "closing “A:” or “Answer:”"
    assert closing.low < closing.effect < closing.high
    sizes = [abs(effect.effect) for effect in row.effects]
    assert sizes == sorted(sizes, reverse=True)


def test_the_parents_record_stands_beside_its_text_as_if_new(cast: Cast) -> None:
    parent = taught(cast)
    cast.record(cast.outcome(score=0.9, runs=50, prompt=parent.pk))
    scout, smith = foreseen(cast, CLOSED, parent).rows
    told = AssistantTrustTracker().explain(assistant=cast.scout, prompt=parent, now=cast.now)
    assert scout.parent_trust == told.row.trust
    assert scout.parent_trust.runs == 60.0
    assert scout.parent_trust.value > scout.as_new.value + 0.1
    assert smith.parent_trust.runs == scout.as_new.runs == scout.edited.runs == 0.0


def test_what_is_foreseen_is_what_is_told_once_the_text_is_registered(cast: Cast) -> None:
    parent = taught(cast)
    row = foreseen(cast, CLOSED, parent).rows[0]
    child = cast.written("buyers/child", CLOSED, parent=parent, by=cast.buyer)
    told = AssistantTrustTracker().explain(assistant=cast.scout, prompt=child, now=cast.now)
    assert told.row.trust.value == pytest.approx(row.edited.value, abs=1e-12)
    assert told.row.trust.low == pytest.approx(row.edited.low, abs=1e-12)
    assert told.row.trust.high == pytest.approx(row.edited.high, abs=1e-12)


def test_it_is_foreseen_for_the_parents_task_or_the_one_asked_for(cast: Cast) -> None:
    parent = taught(cast)
    own = foreseen(cast, CLOSED, parent)
    assert own.ritual == cast.triage
    assert own.measured_task
    other = rituals.register(name="summary-cases", tag="task:summarise")
    asked = AssistantTrustTracker().foresee(
        text=CLOSED, parent=parent, assistants=[cast.scout], ritual=other, now=cast.now
    )
    assert asked.ritual == other
    assert not asked.measured_task


def test_without_a_task_only_what_holds_everywhere_is_said_and_less_surely(cast: Cast) -> None:
    parent = taught(cast)
    stray = cast.written("acme/stray", PLAIN, tags=())
    known, unknown = (foreseen(cast, CLOSED, one) for one in (parent, stray))
    assert unknown.ritual is None
    assert not unknown.measured_task
    assert unknown.rows[0].change.value > 0.0
    for here, there in zip(known.rows, unknown.rows, strict=True):
        assert width(there.edited) > width(here.edited)
        assert width(there.change) / abs(there.change.value) > width(here.change) / abs(
            here.change.value
        )


def test_before_any_evidence_no_wording_is_known_to_help(cast: Cast) -> None:
    row = foreseen(cast, PLAIN, cast.prompt).rows[0]
    assert row.effects
    assert row.edited.value == pytest.approx(0.5, abs=0.01)
    assert row.change.low < 0.0 < row.change.high
    assert all(effect.effect == 0.0 for effect in row.effects)


def test_foreseeing_writes_nothing(cast: Cast) -> None:
    parent = taught(cast)
    with CaptureQueriesContext(connection) as done:
        foreseen(cast, CLOSED, parent)
        AssistantTrustTracker().get_track_record()
    assert done.captured_queries
    asked = [query["sql"] for query in done.captured_queries]
    assert not [sql for sql in asked if not sql.lstrip().startswith(("SELECT", "WITH"))]
    assert not Prompt.objects.filter(text=CLOSED).exclude(pk=cast.prompt.pk).exists()


def test_nobody_asked_about_is_an_empty_answer(cast: Cast) -> None:
    told = AssistantTrustTracker().foresee(
        text=CLOSED, parent=taught(cast), assistants=[], now=cast.now
    )
    assert told.rows == ()


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_text_is_refused(cast: Cast, text: str) -> None:
    with pytest.raises(prompts.InvalidPrompt, match="at least one visible character"):
        foreseen(cast, text, cast.prompt)


def test_a_text_too_long_to_be_registered_is_refused(cast: Cast) -> None:
    with pytest.raises(prompts.InvalidPrompt, match="500,001 characters; at most 500,000"):
        foreseen(cast, "x" * 500_001, cast.prompt)


@pytest.mark.parametrize(
    "text", ["x", "?", "{", "\ud800", "é\u200b", "x " * 250_000, "{a} " * 125_000]
)
def test_any_other_text_has_a_foresight(cast: Cast, text: str) -> None:
    for row in foreseen(cast, text, taught(cast)).rows:
        assert 0.0 <= row.edited.low <= row.edited.value <= row.edited.high <= 1.0
        assert -1.0 <= row.change.low <= row.change.value <= row.change.high <= 1.0


def tried(cast: Cast, scores: Sequence[float], *, texts: Sequence[str] = (PLAIN,)) -> list[Prompt]:
    """So many new prompts, each with its first outcome, in this order."""
    made = []
    for n, (score, text) in enumerate(zip(scores, itertools.cycle(texts))):
        made.append(cast.written(f"acme/tried-{n}", text))
        cast.record(cast.outcome(score=score, prompt=made[-1].pk))
    return made


def held(cast: Cast) -> TrackRecord:
    found = AssistantTrustTracker().get_track_record()
    assert found is not None
    return found


def test_too_few_first_runs_have_no_track_record(cast: Cast) -> None:
    assert AssistantTrustTracker().get_track_record() is None
    tried(cast, [0.5] * 9)
    assert AssistantTrustTracker().get_track_record() is None


def test_the_track_record_counts_the_first_run_of_every_prompt_and_no_other(cast: Cast) -> None:
    scores = np.linspace(0.0, 1.0, 11)
    made = tried(cast, scores.tolist())
    effects = EventEffect.objects.order_by("event_id").values_list("expected", flat=True)
    expected = np.array(effects, dtype=np.float64)
    before = held(cast)
    assert before.prompts == 11
    assert before.mean_error == pytest.approx(np.abs(expected - scores).mean())
    assert before.plain_error == pytest.approx(np.abs(0.5 - scores).mean())
    # A second run, somebody else's first run, a prompt first met in a replay, and opinions: none counts.
    cast.record(cast.outcome(score=0.9, prompt=made[0].pk))
    cast.record(cast.outcome(score=0.9, prompt=made[0].pk, assistant=cast.smith.pk), by=cast.seller)
    replayed = cast.written("acme/replayed", CLOSED)
    cast.record(cast.claim("replay", prompt=replayed.pk, ritual=cast.triage.pk, score=0.4))
    cast.record(cast.outcome(score=0.9, prompt=replayed.pk))
    cast.record(cast.claim("approval", prompt=cast.prompt.pk))
    assert held(cast) == before
    # An opinion is no run: the prompt is still new when it is first measured.
    cast.record(cast.outcome(score=1.0))
    assert held(cast).prompts == 12


def test_the_track_record_ranks_wording_apart_from_the_level_of_assistant_and_task(
    cast: Cast,
) -> None:
    closed = "Order the {ticket} queue.\nAnswer:"
    tried(cast, [0.2, 0.8] * 15, texts=(PLAIN, closed))
    for n, score in enumerate((0.9, 0.9)):
        own = cast.written(f"acme/other-{n}", PLAIN)
        cast.record(
            cast.outcome(score=score, prompt=own.pk, assistant=cast.smith.pk), by=cast.seller
        )
    record = held(cast)
    assert (record.prompts, record.compared) == (32, 32)
    assert record.rank_within is not None
    assert record.rank_within > 0.5
    assert record.mean_error < record.plain_error


def test_where_nothing_varies_no_rank_is_claimed(cast: Cast) -> None:
    tried(cast, [0.5] * 12)
    assert held(cast).rank_correlation is None
    assert held(cast).rank_within is None
