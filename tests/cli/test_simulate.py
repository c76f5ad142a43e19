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


def test_an_attack_by_claims_is_told_with_who_lied_and_what_was_audited() -> None:
    options = ["--kind", "claims", "--attack", "plain", "--lying", "0.25", "--audited", "0.01"]
    result = CliRunner().invoke(simulate, ["attack", *options, "--seeds", "1", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["seeds"], document["teams"], document["audited"]) == (1, 40, 0.01)
    assert [(row["attack"], row["liars"]) for row in document["attacks"]] == [("plain", 10)]
    assert set(document["peace"]["error"]) == {
        "mintmark",
        "believing everybody",
        "executed alone",
    }
    assert "plain: 10 of 40 teams" in result.stderr


def test_the_table_of_claims_says_who_was_distrusted_even_without_audits() -> None:
    options = ["--kind", "claims", "--attack", "mixed", "--audited", "0", "--seeds", "1"]
    result = CliRunner().invoke(simulate, ["attack", *options])
    assert result.exit_code == 0
    for words in ("Nobody lies", "20 of 40", "1 of 40", "0.0% of claimed runs", "if believed"):
        assert words in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "claims", "--attack", "flattery"], "late turn"),
        (["--attack", "plain"], "add --kind claims"),
        (["--kind", "claims", "--lying", "0"], "--lying"),
        (["--kind", "claims", "--audited", "2"], "--audited"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: list[str], words: str) -> None:
    result = CliRunner().invoke(simulate, ["attack", *options])
    assert result.exit_code == 2
    assert words in result.stderr


def test_it_starts_without_django() -> None:
    program = "import sys, mintmark.cli.simulate; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
