"""Assistants of different skill behind a real HTTP server are measured, the worker is killed midway, and what is
measured shows where people look. Endpoints that are slow, down, limited, malformed or huge do what they do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import installations
from tests.installations import Installation, kill, until
from tests.rituals import model_server
from tests.rituals.model_server import Model
from tests.stories.ritual_process import CASES, HOPELESS, KEY_NAME, MODELS

KEY = "sk-story-0123456789abcdefghij"
FRAMES = 3
EXPECTED = len(MODELS) * CASES * (1 + FRAMES)
AT_ONCE = 2 * 2  # runs of a worker, and calls of a run


@pytest.mark.postgres_by_day("a worker that is killed at a comparison has its story on SQLite")
def test_a_ritual_survives_its_worker_and_shows_on_the_trust_map(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.setenv("MINTMARK_RUN_LEASE_SECONDS", "2")
    with model_server.served() as (url, model), installations.installation() as house:
        model.delay_seconds = 0.02
        house.run("tests.stories.ritual_process", "build", url)
        house.run("tests.stories.ritual_process", "start", str(FRAMES))
        worker = house.start("mintmark.cli", "worker")
        until(lambda: model.answered["200"] >= EXPECTED // 4, worker)
        kill(worker)
        asked_by_the_dead = len(model.asked)
        said = [worker.stdout.read() if worker.stdout else ""]
        done_by_the_dead = _status(house)["done"]
        assert 0 < done_by_the_dead < EXPECTED

        worker = house.start("mintmark.cli", "worker")
        until(lambda: _status(house)["ended"] == len(MODELS + HOPELESS), worker, every=4.0)
        worker.terminate()
        said.append(worker.communicate(timeout=60)[0])
        found = json.loads(house.run("tests.stories.ritual_process", "check"))

    _nothing_finished_was_asked_twice(model, asked_by_the_dead)
    _runs_ended_as_they_had_to(found)
    _what_was_measured_shows(found)
    assert KEY not in "".join(said)
    assert "Ticket number" not in "".join(said)


def _nothing_finished_was_asked_twice(model: Model, asked_by_the_dead: int) -> None:
    """Of the models that never fail, only questions that were under way when the worker died came again."""
    steady = [one for one in model.asked if one["model"] in ("skilled", "middling", "clumsy")]
    questions = [json.dumps([one["model"], one["messages"], one["seed"]]) for one in steady]
    assert len(set(questions)) == 3 * CASES * (1 + FRAMES)
    assert len(questions) - len(set(questions)) <= AT_ONCE
    assert asked_by_the_dead < len(model.asked)


def _runs_ended_as_they_had_to(found: dict[str, Any]) -> None:
    for name in MODELS:
        run = found["runs"][name]
        assert (run["state"], run["done"]) == ("done", CASES * (1 + FRAMES)), (name, run)
        assert run["spent"] == run["paid"] > 0
    errors = {name: found["runs"][name]["errors"] for name in HOPELESS}
    assert errors == {
        "slow": ["timed_out"],
        "huge": ["reply_too_large"],
        "malformed": ["malformed_reply"],
        "down": ["status_500"],
    }
    assert {found["runs"][name]["state"] for name in HOPELESS} == {"incomplete"}


def _what_was_measured_shows(found: dict[str, Any]) -> None:
    assert found["broken"] == []
    assert found["events"] == found["keys"]
    assert (found["outcomes"], found["replays"]) == (len(MODELS), len(MODELS) * FRAMES)
    trust = found["trust"]
    assert trust["skilled"]["trust"] > trust["middling"]["trust"] > trust["clumsy"]["trust"]
    # The clumsy one shrugs, and forgets what it was told.
    assert trust["skilled"]["compliance"][0] > trust["clumsy"]["compliance"][0]
    assert trust["skilled"]["memory"][0] > trust["clumsy"]["memory"][0]
    for name in MODELS:
        for measure in ("compliance", "memory", "volatility"):
            value, runs = trust[name][measure]
            assert value is not None, (name, measure)
            assert runs > 0, (name, measure)
    assert all(page == [200, True] for page in found["pages"].values())
    assert len(found["moves"]) == len(MODELS) * (1 + FRAMES) - 1
    for effect, move, apart in found["moves"]:
        assert apart == pytest.approx(0.0, abs=1e-12)
        # Between two batches a score only ages, by minutes.
        assert move == pytest.approx(effect, abs=1e-4)
        assert effect != 0.0


def _status(house: Installation) -> dict[str, int]:
    found: dict[str, int] = json.loads(house.run("tests.stories.ritual_process", "status"))
    return found
