"""Programs report to a server that is killed, away, empty or beset, and are killed: each use arrives once."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import installations, templates
from tests.client import faulty_server
from tests.installations import Installation, kill

PROGRAMS, REPORTS, KILLS = 3, 800, 5
STEP = "tests.stories.client_process"


@contextmanager
def _serving(house: Installation, port: int) -> Iterator[None]:
    """`mintmark serve` on a port, all of its processes killed where they stand when the block ends."""
    server = subprocess.Popen(
        [sys.executable, "-m", "mintmark.cli", "serve", "--port", str(port), "--workers", "1"],
        env=house.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        installations.await_answer(port=port, process=server)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _copy(house: Installation, folder: Path) -> Installation:
    """An installation on SQLite that knows nobody, as this one is before anything is in it."""
    home = folder / "empty"
    shutil.copytree(house.home, home)
    made = Installation(home=home, url=f"sqlite:///{home / 'mintmark.sqlite3'}")
    if not (home / "mintmark.sqlite3").exists():
        templates.copy_file(home / "mintmark.sqlite3")
    return made


def _program(house: Installation, n: int, folder: Path, *told: str) -> "subprocess.Popen[str]":
    log = str(folder / f"program-{n}.log")
    return house.start(STEP, "report", *told, str(folder / "state"), log, f"{n}", f"{REPORTS}")


def test_every_use_arrives_once_whatever_is_killed(tmp_path: Path) -> None:
    port, rng = installations.free_port(), random.Random(3)
    with installations.installation() as house, faulty_server.served() as between:
        empty = _copy(house, tmp_path)
        secret = json.loads(house.run(STEP, "build"))["secret"]
        between.upstream = port
        told = (between.url, secret)
        with _serving(house, port):
            running = {n: _program(house, n, tmp_path, *told) for n in range(PROGRAMS)}
            for _ in range(KILLS):
                time.sleep(rng.uniform(0.4, 1.0))
                between.faults.extend(rng.choices(("500", "429", "cut", "lost", "strange"), k=3))
                victim = rng.randrange(PROGRAMS)
                kill(running[victim])
                running[victim] = _program(house, victim, tmp_path, *told)
        # The server is dead, in the middle of whatever it was doing; programs go on and end.
        for program in running.values():
            said, _ = program.communicate(timeout=120)
            assert program.returncode == 0, said
        with _serving(empty, port):
            # One that knows nobody is in its place: nothing is delivered to it, and nothing given up.
            refused = json.loads(_delivered(house, *told, tmp_path, patience="1"))
            assert not refused["delivered"]
        between.faults.clear()
        with _serving(house, port):
            found = json.loads(_delivered(house, *told, tmp_path))
        assert found == {"delivered": True, "waiting": 0}
        log = json.loads(house.run(STEP, "check"))
    assert log["broken"] == []
    taken = _lines(tmp_path, "program-?.log")
    tried = _lines(tmp_path, "program-?.log.tried")
    assert len(taken) == PROGRAMS * REPORTS
    assert len(log["notes"]) == len(set(log["notes"])), "doubled"
    assert set(taken) <= set(log["notes"]), "lost"
    assert set(log["notes"]) <= set(tried)
    assert not list((tmp_path / "state").rglob("*.events")), "left over"
    assert not list((tmp_path / "state").rglob("losses*")), "given up"


def _delivered(
    house: Installation, url: str, secret: str, folder: Path, *, patience: str = "120"
) -> str:
    return house.run(STEP, "deliver", url, secret, str(folder / "state"), patience)


def _lines(folder: Path, names: str) -> list[str]:
    return [line for path in folder.glob(names) for line in path.read_text().splitlines()]
