"""Fixtures of the client's tests: a server with bad days, a state folder of the test's own, short pauses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mintmark import client
from mintmark.client import delivery

from . import faulty_server


@pytest.fixture
def server() -> Iterator[faulty_server.Server]:
    with faulty_server.served() as told:
        yield told


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits half a second or a minute in life waits hundredths here; nothing else is changed."""
    monkeypatch.setattr(delivery, "LINGER_SECONDS", 0.02)
    monkeypatch.setattr(delivery, "IDLE_CHECK_SECONDS", 0.2)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(delivery, "_MAX_PAUSE_SECONDS", 0.05)


type Made = Callable[..., client.Client]


@pytest.fixture
def made(server: faulty_server.Server, tmp_path: Path) -> Iterator[Made]:
    """Makes clients of the server, closed when the test ends."""
    clients = []

    def make(**changes: object) -> client.Client:
        given: dict[str, object] = {
            "url": server.url,
            "key": faulty_server.KEY,
            "assistant": "scout",
            "state": tmp_path / "state",
            "exit_seconds": 1.0,
            "timeout_seconds": 5.0,
        }
        url = changes.pop("url", given.pop("url"))
        clients.append(client.Client(str(url), **(given | changes)))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    server.released.set()
    for one in clients:
        one.close()
