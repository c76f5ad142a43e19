"""What other tools take away is known here before the day comes."""

import warnings
from datetime import UTC, datetime, timedelta

import pytest

from mintmark.integrations import announced_removals

SOON = timedelta(days=90)


def test_every_row_says_what_where_and_by_whom_it_was_said() -> None:
    removals = announced_removals.load_removals()
    assert removals
    for removal in removals:
        assert removal.tool and removal.what and removal.where and removal.replaced_by
        assert removal.source.startswith("https://")
    assert len({(one.tool, one.what) for one in removals}) == len(removals)


def test_what_is_used_here_and_goes_away_soon_is_warned_of() -> None:
    """It fails nobody's build: pytest shows the warnings at its end."""
    today = datetime.now(UTC).date()
    due = [
        removal
        for removal in announced_removals.load_removals()
        if removal.is_used and removal.removed_on and removal.removed_on - today <= SOON
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for removal in due:
            warnings.warn(
                f"{removal.tool}: {removal.what} goes away on {removal.removed_on} ({removal.where}); "
                f"use {removal.replaced_by}. See {removal.source}",
                stacklevel=1,
            )


def test_a_report_names_the_routes_that_go_away_and_no_others() -> None:
    routes = ["GET /api/public/traces", "GET /api/public/score-configs"]
    (sentence,) = announced_removals.build_warnings(tool="langfuse", routes=routes)
    assert sentence.startswith("GET /api/public/traces is to be removed (as of 2026-11-16, ")
    assert announced_removals.build_warnings(tool="mlflow", routes=routes) == []


@pytest.mark.parametrize("route", ["GET /api/public/v2/observations", "GET /api/public/v3/scores"])
def test_what_takes_their_place_is_not_to_be_removed(route: str) -> None:
    assert announced_removals.build_warnings(tool="langfuse", routes=[route]) == []
