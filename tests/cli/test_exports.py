"""`mintmark export`: tables to standard output or whole into a file."""

import json
from pathlib import Path

import pytest
from pyarrow import parquet

from mintmark.cli import exit_codes
from tests.factories.cast import Cast, measured

from .conftest import Call

pytestmark = pytest.mark.django_db


def test_tables_go_to_standard_output_or_into_a_file(call: Call, tmp_path: Path) -> None:
    cast = Cast()
    measured(cast, cast.prompt, [0.5, 1.0])
    lines = call("export", "evidence").stdout.splitlines()
    assert lines[0].lstrip("\ufeff").startswith("event,occurred_at")
    assert len(lines) == 3
    file = tmp_path / "scores.parquet"
    assert (
        call("export", "scores", "--format", "parquet", "-o", str(file)).exit_code
        == exit_codes.DONE
    )
    assert parquet.read_table(file).num_rows == 1
    as_json = json.loads(call("export", "scores", "-o", str(file), "--json").stdout)
    assert as_json == {"file": str(file), "format": "csv", "bytes": file.stat().st_size}
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_what_is_not_there_is_said(call: Call, tmp_path: Path) -> None:
    assert "-o FILE" in call("export", "evidence", "--json").stderr
    missing = call("export", "evidence", "--prompt", "no/such")
    assert missing.exit_code == exit_codes.BAD_INPUT
    assert "no/such" in missing.stderr
    nowhere = call("export", "scores", "-o", str(tmp_path / "none" / "scores.csv"))
    assert nowhere.exit_code == exit_codes.BAD_INPUT
    assert "can't be written" in nowhere.stderr
