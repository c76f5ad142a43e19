"""Traders at once, killed where they stand, and the database with them: nothing is lost, made up or done twice."""

import json
import os
import random
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from django.db import connection

from tests import installations, postgres
from tests.installations import Installation, kill

# Steps of one trader; a night takes ten times as many.
LONGER = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1
TRADERS, STEPS, KILLS = (16, 125, 12) if connection.vendor == "postgresql" else (4, 450, 10)


@pytest.mark.postgres_by_day("there traders wait for rows, not for the whole database")
def test_trade_survives_the_killing_of_traders(tmp_path: Path) -> None:
    with installations.installation() as house:
        house.run("tests.stories.trade_process", "build")
        running = {n: _trader(house, n, tmp_path) for n in range(TRADERS)}
        rng = random.Random(2)
        for _ in range(KILLS * LONGER):
            time.sleep(rng.uniform(0.3, 1.5))
            victim = rng.randrange(TRADERS)
            kill(running[victim])
            running[victim] = _trader(house, victim, tmp_path)
        _await(running)
        refused = _hold(house, tmp_path)["refused"]
    for code in ("already_owned", "insufficient_funds", "idempotency_key_reused", "price_changed"):
        assert refused.get(code), refused


@pytest.mark.postgres
def test_trade_survives_the_killing_of_the_database(tmp_path: Path) -> None:
    """Every purchase that was acknowledged is there when the server comes back, and every key did its work once."""
    with postgres.server() as server, installations.installed(url=server.url) as house:
        house.run("tests.stories.trade_process", "build")
        running = {n: _trader(house, n, tmp_path, steps=40) for n in range(TRADERS)}
        _until_under_way(tmp_path)
        server.kill()
        time.sleep(0.5)
        server.start()
        _await(running)
        _hold(house, tmp_path)


def _trader(house: Installation, n: int, folder: Path, *, steps: int = STEPS) -> "Popen[str]":
    log = folder / f"trader-{n}.jsonl"
    return house.start(
        "tests.stories.trade_process", "trade", str(n), str(steps * LONGER), str(log)
    )


def _until_under_way(folder: Path) -> None:
    """Wait until every trader has been told something."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        logs = [folder / f"trader-{n}.jsonl" for n in range(TRADERS)]
        if all(log.exists() and log.read_text().count("told") > 5 for log in logs):
            return
        time.sleep(0.1)
    raise AssertionError("the traders did not get under way")


def _await(running: "dict[int, Popen[str]]") -> None:
    for trader in running.values():
        said, _ = trader.communicate(timeout=400 * LONGER)
        assert trader.returncode == 0, said


def _hold(house: Installation, folder: Path) -> dict[str, Any]:
    """What came of it, once nothing of it is wrong."""
    logs = [str(log) for log in sorted(folder.glob("trader-*.jsonl"))]
    found: dict[str, Any] = json.loads(house.run("tests.stories.trade_process", "check", *logs))
    assert found["wrong"] == [], "\n".join(found["wrong"])
    assert len(logs) == TRADERS
    for what in (
        "told",
        "purchases",
        "of_sets",
        "refunds",
        "gifts",
        "forks",
        "injections",
        "revoked",
    ):
        assert found[what] > 0, (what, found)
    return found
