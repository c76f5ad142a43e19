"""Eight writers and two projectors at once, killed where they stand: no event is lost, doubled or skipped."""

import json
import random
import subprocess
import time

import pytest
from django.db import connection

from tests.installations import Installation, installation, kill

WRITERS, EVENTS, KILLS = 8, 150, 12


@pytest.mark.postgres_by_day("only there projectors are processes of their own, to be killed too")
def test_evidence_survives_the_killing_of_writers_and_projectors() -> None:
    with installation() as house:
        house.run("tests.stories.fleet_process", "build")
        running = {n: _writer(house, n) for n in range(WRITERS)}
        projectors = (
            [_projector(house) for _ in range(2)] if connection.vendor == "postgresql" else []
        )
        rng = random.Random(1)
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.2, 0.8))
            victim = rng.randrange(WRITERS)
            kill(running[victim])
            running[victim] = _writer(house, victim)
            if projectors and rng.random() < 0.5:
                kill(projectors[0])
                projectors = [projectors[1], _projector(house)]
        for writer in running.values():
            said, _ = writer.communicate(timeout=240)
            assert writer.returncode == 0, said
        for projector in projectors:
            kill(projector)

        found = json.loads(house.run("tests.stories.fleet_process", "check"))

    assert found["events"] == found["keys"] == found["folded"] == WRITERS * EVENTS
    assert found["broken"] == [], "\n".join(found["broken"])
    assert found["checked"]["replay"] > WRITERS * EVENTS


@pytest.mark.postgres
def test_an_open_transaction_hides_later_ones_from_the_fold_and_nothing_is_skipped() -> None:
    """A writer that took its number first and commits last is folded all the same, in its place."""
    import psycopg

    with installation() as house:
        house.run("tests.stories.fleet_process", "build")
        with psycopg.connect(house.url) as slow:
            slow.execute("SELECT pg_current_xact_id()")  # a number is taken, nothing is committed
            house.run("tests.stories.fleet_process", "write", "1", "40")
            blocked = house.run("mintmark.cli", "worker", "--once", "--json")
            assert json.loads(blocked) == {"projected": 0}
        found = json.loads(house.run("tests.stories.fleet_process", "check"))
    assert found["folded"] == found["events"] == 40
    assert found["broken"] == [], "\n".join(found["broken"])


def _writer(house: Installation, n: int) -> "subprocess.Popen[str]":
    return house.start("tests.stories.fleet_process", "write", str(n), str(EVENTS))


def _projector(house: Installation) -> "subprocess.Popen[str]":
    return house.start("mintmark.cli", "worker")
