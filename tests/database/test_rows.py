"""Rows written past the ORM come back as they were given, on both databases."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from mintmark.projection.prompt_models import ProjectionState
from mintmark.storage import bulk

pytestmark = [pytest.mark.django_db, pytest.mark.both("rows are written through arrays there")]

NUMBERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)


@given(blobs=st.lists(st.binary(max_size=40), min_size=1, max_size=20, unique=True))
def test_bytes_come_back_as_they_were(blobs: list[bytes]) -> None:
    ProjectionState.objects.all().delete()
    columns = ("block", "first", "second", "numbers")
    bulk.bulk_upsert(ProjectionState, columns, [(7, n, 0, blob) for n, blob in enumerate(blobs)])
    stored = ProjectionState.objects.order_by("first").values_list("numbers", flat=True)
    assert [bytes(blob) for blob in stored] == blobs


def test_a_row_takes_the_place_of_another_only_where_asked() -> None:
    columns = ("block", "first", "second", "numbers")
    assert bulk.bulk_upsert(ProjectionState, columns, [(7, 1, 0, b"old"), (7, 2, 0, b"old")]) == 2
    key = ("block", "first", "second")
    bulk.bulk_upsert(
        ProjectionState, columns, [(7, 2, 0, b"new"), (7, 3, 0, b"new")], update_on=key
    )
    assert bulk.bulk_upsert(ProjectionState, columns, [(7, 1, 0, b"newer")], ignore_on=key) == 0
    stored = ProjectionState.objects.order_by("first").values_list("numbers", flat=True)
    assert [bytes(blob) for blob in stored] == [b"old", b"new", b"new"]


def test_no_rows_write_nothing() -> None:
    assert bulk.bulk_upsert(ProjectionState, ("block", "first", "second", "numbers"), []) == 0


@pytest.mark.postgres
@given(texts=st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_any_text_passes_through_an_array(texts: list[str | None]) -> None:
    assert _back("text", texts) == texts


@pytest.mark.postgres
@given(numbers=st.lists(st.none() | st.floats()))
def test_any_double_passes_through_an_array_bit_for_bit(numbers: list[float | None]) -> None:
    for back, given_ in zip(_back("float8", numbers), numbers, strict=True):
        if given_ is None or math.isnan(given_):
            assert back is None if given_ is None else math.isnan(back)
        else:
            assert back.hex() == given_.hex()


@pytest.mark.postgres
@given(numbers=st.lists(st.none() | NUMBERS), truths=st.lists(st.none() | st.booleans()))
def test_whole_numbers_and_truths_pass_through_an_array(
    numbers: list[int | None], truths: list[bool | None]
) -> None:
    assert _back("bigint", numbers) == numbers
    assert _back("boolean", truths) == truths


@pytest.mark.postgres
def test_times_pass_through_an_array_to_the_microsecond() -> None:
    first = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    moments = [first, None, first + timedelta(microseconds=1)]
    assert _back("timestamptz", moments) == moments


def _back(kind: str, column: list) -> list:  # type: ignore[type-arg]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT value FROM unnest(%s::{kind}[]) WITH ORDINALITY AS t(value, n) ORDER BY n",
            [bulk.to_pg_array(column)],
        )
        return [value for (value,) in cursor.fetchall()]
