"""`mintmark simulate attack` prints the table and the JSON, and needs no database."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mintmark.cli.simulate import simulate


def test_json_holds_every_attack_and_progress_stays_out_of_it() -> None:
    result = CliRunner().invoke(simulate, ["attack", "--seeds", "1", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert len(document["displacements"]) == 24
    assert document["displacements"][0]["attack"]["goal"] == "promote"
    assert set(document["displacements"][0]["mean"]) == {
        "mintmark",
        "raw_mean",
        "bayes_average",
        "wilson_bound",
    }
    assert document["policy"]["opinion_share"] == 0.25
    assert "market 1 of 1" in result.stderr


def test_the_table_names_what_it_shows() -> None:
    result = CliRunner().invoke(simulate, ["attack", "--seeds", "1"])
    assert result.exit_code == 0
    for words in ("Without attack", "camouflage 20, spread", "trivial edit", "honest ratings"):
        assert words in result.stdout


@pytest.mark.parametrize("seeds", ["0", "-3", "many"])
def test_a_number_of_seeds_that_makes_no_sense_is_refused(seeds: str) -> None:
    result = CliRunner().invoke(simulate, ["attack", "--seeds", seeds])
    assert result.exit_code == 2
    assert "--seeds" in result.stderr


def test_it_starts_without_django() -> None:
    program = "import sys, mintmark.cli.simulate; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
