"""Charts as geometry: what is drawn lies where its figures say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import mintmark.web
from mintmark.web.charts import color_scales, history, interval, lineage, waterfall

UNIT = st.floats(min_value=0, max_value=1)
START = datetime(2026, 9, 1, tzinfo=UTC)


def _point(at: datetime, trust: float = 0.5) -> history.TrustPoint:
    return history.TrustPoint(at=at, trust=trust, low=trust - 0.1, high=trust + 0.1)


@given(UNIT, UNIT, UNIT)
def test_an_interval_holds_its_tick_and_stays_on_its_axis(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    bar = interval.build_interval_bar(value=value, low=low, high=high)
    assert 0 <= bar.low <= bar.tick <= bar.high <= 100


def test_an_axis_around_zero_marks_where_zero_is() -> None:
    assert interval.build_interval_bar(value=0.1, low=0.0, high=0.2, start=-0.5, end=0.5).zero == 50
    assert interval.build_interval_bar(value=0.1, low=0.0, high=0.2).zero is None


@given(UNIT, st.lists(st.floats(min_value=-0.2, max_value=0.2), max_size=6))
def test_each_step_of_a_waterfall_starts_where_the_last_one_ended(
    prior: float, amounts: list[float]
) -> None:
    drawn = waterfall.build_waterfall(amounts=[prior, *amounts], low=prior, high=prior)
    at = 0.0
    for step in drawn.steps:
        assert min(abs(at - step.left), abs(at - step.left - step.width)) <= 0.41
        at = step.end
    total = interval.to_percent(prior + sum(amounts), start=drawn.start, end=drawn.end)
    assert abs(drawn.steps[-1].end - total) <= 0.01


def test_a_line_needs_a_point() -> None:
    assert history.build_trust_chart(points=[]) is None


def test_a_line_follows_the_clock_where_batches_are_spread_over_time() -> None:
    line = history.build_trust_chart(points=[_point(START + timedelta(days=d)) for d in (0, 1, 10)])
    assert line is not None
    assert line.by_time
    assert [mark.x for mark in line.marks] == [2.0, 11.6, 98.0]


def test_a_line_spreads_a_bulk_import_evenly_and_says_so() -> None:
    line = history.build_trust_chart(
        points=[_point(START + timedelta(seconds=s)) for s in (0, 1, 100)]
    )
    assert line is not None
    assert not line.by_time
    assert [mark.x for mark in line.marks] == [2.0, 50.0, 98.0]


def test_a_line_never_runs_back_in_time() -> None:
    days = (5, 0, 9)
    line = history.build_trust_chart(points=[_point(START + timedelta(days=d)) for d in days])
    assert line is not None
    assert (line.first, line.last) == (START, START + timedelta(days=9))


def test_a_higher_score_is_drawn_higher() -> None:
    line = history.build_trust_chart(
        points=[_point(START, 0.3), _point(START + timedelta(days=1), 0.6)]
    )
    assert line is not None
    assert line.marks[1].y < line.marks[0].y


def test_a_family_has_its_generations_from_top_to_bottom_and_trust_from_left_to_right() -> None:
    tree = lineage.build_lineage_tree(
        trust={1: 0.5, 2: 0.6, 3: 0.4}, first=3, edges=[(1, 2), (2, 3)]
    )
    dots = tree.dots
    assert dots[1].y < dots[2].y < dots[3].y
    assert dots[3].x < dots[1].x < dots[2].x
    assert {(line.parent.id, line.child.id) for line in tree.edges} == {(1, 2), (2, 3)}


def test_lines_are_written_on_where_there_is_something_to_say_and_room() -> None:
    tree = lineage.build_lineage_tree(
        trust={1: 0.5, 2: 0.3, 3: 0.7, 4: 0.71, 5: 0.45},
        first=1,
        edges=[(1, 2), (1, 3), (1, 4), (1, 5)],
        annotated=[2, 3, 4],
    )
    assert [line.child.id for line in tree.edges if line.labelled] == [2, 3]
    assert all(line.parent.y < line.y < line.child.y for line in tree.edges)


@given(st.dictionaries(st.integers(1, 400), UNIT, min_size=2, max_size=120))
def test_no_two_dots_of_a_family_lie_on_each_other(trust: dict[int, float]) -> None:
    root, *children = trust
    tree = lineage.build_lineage_tree(
        trust=trust, first=root, edges=[(root, child) for child in children]
    )
    places = {(dot.x, dot.y) for dot in tree.dots.values()}
    assert len(places) == len(trust)
    assert all(0 <= dot.x <= 100 and 0 < dot.y < tree.height for dot in tree.dots.values())


def test_the_colours_in_the_style_sheet_are_those_of_the_scales() -> None:
    sheet = Path(mintmark.web.__file__).parent / "static" / "mintmark" / "scales.css"
    assert sheet.read_text() == color_scales.render_stylesheet()


def test_text_on_every_colour_can_be_read() -> None:
    inks = {"#000": (0, 0, 0), "#fff": (255, 255, 255)}
    for rule in color_scales.render_stylesheet().splitlines()[1:]:
        paint = rule.split("background: #")[1][:6]
        ink = rule.split(" color: ")[1].split(";")[0]
        colour = (int(paint[:2], 16), int(paint[2:4], 16), int(paint[4:], 16))
        assert color_scales.get_contrast(colour, inks[ink]) >= 4.5, rule


@given(UNIT, UNIT)
def test_a_higher_score_never_takes_an_earlier_colour(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert int(color_scales.get_sequential_class(low)[1:]) <= int(
        color_scales.get_sequential_class(high)[1:]
    )


def test_no_lift_takes_the_middle_colour() -> None:
    assert color_scales.get_diverging_class(0.0, max_lift=0.5) == "d8"
    assert (
        color_scales.get_diverging_class(-9, max_lift=0.5),
        color_scales.get_diverging_class(9, max_lift=0.5),
    ) == ("d0", "d16")
