"""`mintmark backtest` as a newcomer meets it: a CSV in, figures out, clear refusals."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mintmark.cli.main import main
from tests.scoring.fleets import TEXTS, fleet

FIGURES = {"log_loss", "brier", "ece", "auc", "spearman", "rank_within", "coverage_90"}
PLAIN = {
    "global_mean",
    "assistant_mean",
    "prompt_mean",
    "prompt_bayes_average",
    "assistant_ritual_mean",
}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["backtest", *map(str, arguments)])


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    events = fleet(rows=300)
    path = tmp_path / "outcomes.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["assistant", "prompt", "ritual", "score", "runs", "occurred_at"])
        for a, p, g, y, n, t in zip(
            events.assistant,
            events.prompt,
            events.ritual,
            events.score,
            events.runs,
            events.at_days,
            strict=True,
        ):
            rows.writerow([f"bot-{a}", f"prompt {p}", f"task:{g}", y, int(n), t * 86_400])
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["prompt", "text"])
        rows.writerows((f"prompt {i}", text) for i, text in enumerate(TEXTS[:40]))
    return path


def test_json_holds_every_method_and_every_figure(outcomes: Path, texts: Path) -> None:
    result = call(outcomes, "--texts", texts, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["rows"] == 300
    assert answer["policy"]["half_life_days"] > 0
    for methods in (answer["metrics"], answer["last_half"]):
        assert set(methods) == PLAIN | {"mintmark", "mintmark_without_texts"}
        assert all(set(figures) == FIGURES for figures in methods.values())
    assert answer["metrics"]["mintmark"]["coverage_90"] is None


def test_a_table_is_printed_and_progress_goes_beside_it(outcomes: Path) -> None:
    result = call(outcomes)
    assert result.exit_code == 0, result.output
    assert "assistant_ritual_mean" in result.stdout
    assert "last half" in result.stdout
    assert "learning priors" in result.stderr
    assert "learning priors" not in result.stdout


def test_a_split_scores_the_test_rows_alone(tmp_path: Path) -> None:
    lines = ["assistant,prompt,ritual,score,runs,split"]
    lines += [
        f"a{i % 3},p{i % 7},,{i % 2},1,{'test' if i % 5 == 0 else 'train'}" for i in range(100)
    ]
    lines += ["a0,stranger,,0.37,1,test"]
    result = call(write(tmp_path / "split.csv", "\n".join(lines)), "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["last_half"] is None
    assert answer["metrics"]["mintmark"]["coverage_90"] is not None
    assert json.loads(result.stdout)["rows"] == 101


def test_iso_times_and_seconds_mean_the_same(tmp_path: Path) -> None:
    head = "assistant,prompt,score,occurred_at\n"
    iso = "a,p,1,2026-01-01T00:00:00Z\na,p,0,2026-01-03T01:00:00+01:00\nb,p,1,2026-01-02\n"
    seconds = "a,p,1,1767225600\na,p,0,1767398400\nb,p,1,1767312000\n"
    answers = [
        json.loads(call(write(tmp_path / f"{i}.csv", head + rows), "--json").stdout)
        for i, rows in enumerate((iso, seconds))
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("assistant,prompt\na,p\n", "lacks the column score"),
        ("", "lacks the column assistant, prompt, score"),
        ("assistant,prompt,score\n", "a header and no rows"),
        ("assistant,prompt,score\na,p,1\n", "at least 2"),
        ("assistant,prompt,score\na,p,1\na,p,nan\n", "line 3: score must be a number in [0, 1]"),
        ("assistant,prompt,score\na,p,1.0001\n", "line 2: score must be"),
        ("assistant,prompt,score\na,p,good\n", "line 2: score must be"),
        ("assistant,prompt,score\n,p,1\n", "line 2: assistant is empty"),
        ("assistant,prompt,score,runs\na,p,1,0\n", "line 2: runs must be"),
        ("assistant,prompt,score,runs\na,p,1,-3\n", "line 2: runs must be"),
        ("assistant,prompt,score,runs\na,p,1,2e6\n", "line 2: runs must be"),
        ("assistant,prompt,score,split\na,p,1,validate\n", "split must be train or test"),
        ("assistant,prompt,score,split\na,p,1,train\n", "0 to test"),
        ("assistant,prompt,score,occurred_at\na,p,1,yesterday\n", "occurred_at must be ISO 8601"),
        ("assistant,prompt,score\na,p,1\na,p\n", "line 3: 2 cells under 3 columns"),
        ('assistant,prompt,score\na,"p,1\n', "line"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    result = call(write(tmp_path / "bad.csv", text))
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    rows = "assistant,prompt,score\na,p,1\na,p,2\na,p,0\na,p,-1\n"
    result = call(write(tmp_path / "bad.csv", rows), "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "bad_backtest_file"
    assert [row["line"] for row in error["rows"]] == [3, 5]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    result = call(tmp_path / "nothing.csv")
    assert result.exit_code == 2
    assert "nothing.csv" in result.stderr


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"assistant,prompt,score\n\xe9,p,1\n")
    result = call(path)
    assert result.exit_code == 2
    assert "not UTF-8" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,text\nprompt 0,Hello\n", "no text for"),
        ("prompt,body\n", "lacks the column text"),
        ("prompt,text\nprompt 0,a\nprompt 0,b\n", "a second text for prompt 'prompt 0'"),
    ],
)
def test_texts_that_do_not_fit_are_refused(
    outcomes: Path, tmp_path: Path, text: str, message: str
) -> None:
    result = call(outcomes, "--texts", write(tmp_path / "t.csv", text))
    assert result.exit_code == 2
    assert message in result.stderr


def test_it_needs_no_django(outcomes: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; from mintmark.cli.backtest import backtest; "
        f"backtest([{str(outcomes)!r}], standalone_mode=False); "
        "sys.exit('django' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
