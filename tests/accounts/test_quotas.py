"""The numbers of all callers in one file, which processes share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mintmark.ratelimit import counters
from mintmark.ratelimit.counters import Quotas, QuotaSubject

pytestmark = pytest.mark.both("what two may do at once is locked row by row there")

KEY, ADDRESS = QuotaSubject.CREDENTIAL, QuotaSubject.ADDRESS


class Clock:
    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_two_processes_count_together(tmp_path: Path, clock: Clock) -> None:
    here, there = (Quotas(tmp_path / "quotas", clock=clock) for _ in range(2))
    assert [
        here.consume(KEY, "a", quota=3).remaining,
        there.consume(KEY, "a", quota=3).remaining,
    ] == [2, 1]
    assert here.consume(KEY, "a", quota=3).is_allowed
    assert not there.consume(KEY, "a", quota=3).is_allowed
    assert there.consume(KEY, "b", quota=3).remaining == 2
    assert there.consume(ADDRESS, "a", quota=3).remaining == 2


def test_it_outlives_a_restart_and_keeps_its_size(tmp_path: Path) -> None:
    path = tmp_path / "quotas"
    command = "\n".join(
        (
            "import django, sys, pathlib; django.setup()",
            "from mintmark.ratelimit.counters import Quotas, QuotaSubject",
            "mine = Quotas(pathlib.Path(sys.argv[1]))",
            "addresses = [f'10.0.{n // 250}.{n % 250}' for n in range(5000)]",
            "print([mine.consume(QuotaSubject.ADDRESS, one, quota=5).remaining for one in addresses][0])",
        )
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "mintmark.config.settings"}
    run = [sys.executable, "-c", command, str(path)]
    said = [
        subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    assert [int(text) for text in said] == [4, 3]
    assert path.stat().st_size == 2 * counters.SLOTS * 8
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_credential_is_known_for_a_day_or_until_it_is_dead(tmp_path: Path, clock: Clock) -> None:
    mine = Quotas(tmp_path / "quotas", clock=clock)
    assert not mine.is_recently_seen("a")
    mine.consume(KEY, "a", quota=10)
    mine.remember("b")
    assert mine.is_recently_seen("a")
    assert mine.is_recently_seen("b")
    assert not mine.is_recently_seen("c")
    mine.forget("b")
    assert not mine.is_recently_seen("b")
    clock.now += 23 * 3600
    assert mine.is_recently_seen("a")
    clock.now += 2 * 3600
    assert not mine.is_recently_seen("a")


def test_what_is_given_back_is_as_if_it_had_not_been_taken(tmp_path: Path, clock: Clock) -> None:
    mine = Quotas(tmp_path / "quotas", clock=clock)
    for _ in range(100):
        assert mine.consume(ADDRESS, "a", quota=2).remaining == 1
        mine.refund(ADDRESS, "a", quota=2)


def test_where_nothing_can_be_written_a_process_counts_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = (Quotas(tmp_path / "no such folder" / "quotas") for _ in range(2))
    assert here.consume(KEY, "a", quota=2).remaining == 1
    assert there.consume(KEY, "a", quota=2).remaining == 1
    assert "each process counts requests by itself" in caplog.text
