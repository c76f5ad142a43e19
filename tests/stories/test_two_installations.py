"""A set that was bought and forked in one installation is carried to another as a file, and sold there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests import postgres
from tests.installations import Installation, installation, installed

STEP = "tests.stories.carrying_process"


@pytest.fixture
def north() -> Iterator[Installation]:
    """An installation on SQLite."""
    with installed() as made:
        yield made


@pytest.fixture
def south() -> Iterator[Installation]:
    """An installation on PostgreSQL, whatever this run is on."""
    if connection.vendor == "postgresql":
        with installation() as made:
            yield made
        return
    try:
        server = postgres.server()
        running = server.__enter__()
    except postgres.Unavailable as why:
        pytest.skip(str(why))
    try:
        with installed(url=running.url) as made:
            yield made
    finally:
        server.__exit__(None, None, None)


def audited(one: Installation) -> None:
    """`mintmark audit` finds nothing broken, and a replay gives the same scores."""
    found = json.loads(one.run("mintmark.cli", "audit", "--json"))
    assert found["holds"], [finding for finding in found["findings"] if not finding["holds"]]
    one.run("mintmark.cli", "replay", "--check")


@pytest.mark.postgres_by_day("one of the two is on PostgreSQL, one on SQLite, in either run")
def test_a_set_is_carried_from_one_installation_to_another_and_a_fork_of_it_back(
    north: Installation, south: Installation, tmp_path: Path
) -> None:
    file, back = tmp_path / "incidents.json", tmp_path / "later.json"

    told = _step(north, "tell", file)
    assert told["is_the_same_again"]
    (key,) = told["keys"]

    # Anywhere, with the key that was read out by telephone, and no installation.
    verified = south.run("mintmark.cli", "vault", "verify", str(file), "--key", key)
    assert "incidents" in verified

    taken = _step(south, "take", file, back)
    assert taken["installation"] != told["installation"]
    assert taken["altered"] == [taken["altered"][1]] * 2 and taken["altered"][0] >= 40
    assert taken["stored"] == [0, 0]
    assert taken["waits"] == ["waiting", ["unknown_key"]]
    assert taken["unknown"] == "forbidden"
    assert taken["taken"] == ["accepted", 10]
    assert taken["lineage"] == ["forks/brief@1", "fork", "acme/brief@1"]
    assert taken["prior"] == {
        "issuer": "Mintmark", "runs": pytest.approx(10), "rank": None, "is_above_average": True,
    }  # fmt: skip
    holder = f"seller @ Mintmark ({told['installation'][:8]})"
    owed = int(10_000_000 * 0.95) // 10
    assert taken["owed"] == [holder, owed, owed]
    assert taken["statement"] == [owed]
    assert taken["owes"] == ["buyer", holder]
    assert taken["left"] == 0

    home = _step(north, "back", back)
    assert home["taken"] == ["accepted", ""]
    assert home["parent"] == ["forks/brief@1", 0]
    south_id = taken["installation"][:8]
    assert home["owes"][:2] == [
        f"buyer @ Mintmark ({south_id})",
        f"{holder} @ Mintmark ({south_id})",
    ]

    audited(north)
    audited(south)


def _step(one: Installation, *command: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(one.run(STEP, *map(str, command)))
    return told
