"""Evidence and scores as tables: exact, the same as CSV and as Parquet, and never a text."""

import io
import json
import sys
from datetime import UTC, datetime

import pyarrow
import pytest
from pyarrow import parquet as reader

from mintmark.common import csv_export, errors
from mintmark.integrations import parquet
from mintmark.projection.prompt_models import CurrentPromptScore
from mintmark.reputation import exports
from tests.factories.cast import NOW, Cast, measured

pytestmark = pytest.mark.django_db
SECRET = "The words that nobody but its team may read: {x}."


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    cast = built_cast
    closed = cast.written("acme/closed", SECRET, is_open=False)
    measured(cast, closed, [0.25, 0.75])
    measured(cast, cast.prompt, [0.5])
    cast.record(cast.claim("rating", assistant=None, score=1.0, tags=("clear", "@short")))
    return cast


def _as_parquet(table: exports.ExportTable) -> pyarrow.Table:
    return reader.read_table(io.BytesIO(b"".join(parquet.iter_chunks(table))))


def test_the_log_as_a_table_has_every_event_once_in_order(cast: Cast) -> None:
    found = _as_parquet(exports.export_evidence()).to_pylist()
    assert [row["score"] for row in found] == [0.25, 0.75, 0.5, 1.0]
    first, *_, rating = found
    assert (first["prompt"], first["assistant"], first["task"]) == (
        "acme/closed@1",
        "scout",
        "task:triage",
    )
    assert (first["occurred_at"], first["runs"], first["recorded_by"]) == (NOW, 10, "buyer")
    assert (rating["kind"], rating["assistant"], rating["tags"]) == (
        "rating",
        None,
        ["clear", "@short"],
    )


def test_scores_are_those_that_stand(cast: Cast) -> None:
    found = {row["prompt"]: row for row in _as_parquet(exports.export_scores()).to_pylist()}
    for standing in CurrentPromptScore.objects.select_related("prompt"):
        row = found.pop(standing.prompt.reference)
        assert (row["trust_score"], row["trust_low"], row["as_of_event"]) == (
            standing.trust_score, standing.trust_low, standing.event_id,
        )  # fmt: skip
    assert not found


def test_csv_and_parquet_say_the_same(cast: Cast) -> None:
    table = exports.export_evidence(prompt=cast.prompt)
    lines = list(
        csv_export.render_csv(
            columns=[name for name, _ in table.columns], rows=exports.format_rows(table.rows)
        )
    )
    assert len(lines) == 1 + 2
    found = _as_parquet(exports.export_evidence(prompt=cast.prompt)).to_pylist()
    for line, row in zip(lines[1:], found, strict=True):
        assert line.startswith(
            f"{row['event']},{row['occurred_at'].isoformat(timespec='microseconds')},"
        )


def test_no_text_of_a_prompt_is_in_it(cast: Cast) -> None:
    for table in (exports.export_evidence(), exports.export_scores()):
        assert "nobody but its team" not in json.dumps(_as_parquet(table).to_pylist(), default=str)


def test_a_log_of_several_pages_is_whole(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_PAGE_SIZE", 2)
    monkeypatch.setattr(parquet, "ROW_GROUP_SIZE", 3)
    assert _as_parquet(exports.export_evidence()).num_rows == 4
    assert _as_parquet(exports.export_scores()).num_rows == 2


def test_a_table_without_rows_has_its_columns(db: None) -> None:
    assert _as_parquet(exports.export_evidence()).column_names == [
        name for name, _ in exports.EVIDENCE_COLUMNS
    ]


def test_without_pyarrow_the_extra_is_named(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(errors.MissingExtra, match=r"mintmark\[parquet\]"):
        parquet.iter_chunks(exports.export_evidence())


def test_csv_has_six_digits_of_seconds_no_exponents_plain_flags_and_lists_as_json() -> None:
    rows = [
        (datetime(2026, 11, 30, 10, tzinfo=UTC), 1e-07, -2.5e-08, True, ["a b", "c"], "=1+1"),
        (datetime(2026, 11, 30, 10, 0, 0, 500_000, tzinfo=UTC), 0.1, None, False, [], "é"),
    ]
    lines = list(csv_export.render_csv(columns=["a"], rows=exports.format_rows(iter(rows))))
    assert lines == [
        "a\r\n",
        '2026-11-30T10:00:00.000000+00:00,0.0000001,-0.000000025,true,"[""a b"", ""c""]",\'=1+1\r\n',
        "2026-11-30T10:00:00.500000+00:00,0.1,,false,[],é\r\n",
    ]
