"""The market's maintenance in a worker: it goes on after a failure, and ends when it should."""

import threading

import pytest
from django.db import OperationalError

from mintmark.worker import maintenance

pytestmark = pytest.mark.both("scores are updated by a process of its own there")


def test_a_database_that_restarts_ends_neither_maintenance_nor_its_other_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled: list[str] = []
    scored: list[str] = []
    issued: list[str] = []

    def settle() -> int:
        settled.append("tried")
        if len(settled) == 1:
            raise OperationalError("the server closed the connection")
        return 0

    def score() -> int:
        scored.append("done")
        return 0

    def issue() -> int:
        issued.append("done")
        return 0

    monkeypatch.setattr(maintenance, "settle_warranties", settle)
    monkeypatch.setattr(maintenance, "refresh_listings", score)
    monkeypatch.setattr(maintenance, "issue_receipts", issue)
    for name in ("FIRST_SECONDS", "RETRY_SECONDS", "SECONDS"):
        monkeypatch.setattr(maintenance, name, 0.01)
    stop = threading.Event()
    thread = maintenance.start_thread(stop=stop)
    while len(settled) < 3:
        assert thread.is_alive()
        stop.wait(0.01)
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert len(issued) == len(scored) == len(settled)
