"""`mintmark demo`, `serve` and `worker` as processes: they start, answer, and end in order."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mintmark.cli import exit_codes
from tests.installations import Installation, free_port, installation

PATIENCE_SECONDS = 90


@contextmanager
def _running(made: Installation, *command: str) -> Iterator["subprocess.Popen[str]"]:
    process = made.start("mintmark.cli", *command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _read_until(process: "subprocess.Popen[str]", said: str) -> str:
    assert process.stdout is not None
    heard = ""
    for line in process.stdout:
        heard += line
        if said in line:
            return heard
    raise AssertionError(f"it ended without saying {said!r}:\n{heard}")


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_the_server_says_where_it_is_answers_and_ends_in_order() -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    with installation() as made, _running(made, "serve", "--port", str(port)) as server:
        assert address in _read_until(server, "Serving on")
        assert _status(address) == 200  # the sign-in page, to which it leads a stranger
        second = subprocess.run(
            [sys.executable, "-m", "mintmark.cli", "serve", "--port", str(port)],
            env=made.environment,
            capture_output=True,
            text=True,
        )
        assert second.returncode == exit_codes.NOT_READY
        assert str(port) in second.stderr
        server.send_signal(signal.SIGTERM)
        assert "Stopped." in _read_until(server, "Stopped.")
        assert server.wait(PATIENCE_SECONDS) == exit_codes.DONE
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.postgres
def test_a_worker_folds_what_others_record_and_ends_on_sigterm(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from tests.integrations import corpus

    folder = tmp_path_factory.mktemp("corpus")
    corpus.write(folder, "sorting.json", corpus.task())
    with installation() as made, _running(made, "worker", "--json") as worker:
        made.run("mintmark.cli", "import", "multiprompt", str(folder))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not json.loads(made.run("mintmark.cli", "replay", "--check", "--json"))["events"]:
            assert time.monotonic() < deadline
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == exit_codes.DONE


@pytest.mark.both("evidence is folded by a process of its own there")
def test_the_server_brings_its_worker_and_takes_it_along() -> None:
    port = free_port()
    with installation() as made, _running(made, "serve", "--port", str(port)) as server:
        _read_until(server, "Serving on")
        workers = _workers_of(server.pid)
        assert len(workers) == 1
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE_SECONDS)
        assert not _workers_of(server.pid)


@pytest.mark.both("evidence is folded by a process of its own there")
def test_the_server_settles_warranties_by_itself() -> None:
    """On either database: the worker beside it does, within seconds of its start and then every minute."""
    with installation() as made:
        made.run("django", "shell", "--verbosity", "0", "--command", _A_WARRANTY_THAT_FAILED)
        assert _escrow(made) == 10
        with made.served(workers=1):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while _escrow(made):
                assert time.monotonic() < deadline
                time.sleep(0.5)
        assert {"holder": "buyer", "kind": "person", "balance": "100"} in _wallets(made)["wallets"]


_A_WARRANTY_THAT_FAILED = """
from datetime import UTC, datetime
from mintmark.market.listings import WarrantyTerms
from mintmark.trust import intake
from tests.factories.market_fixture import Stall

stall = Stall()
stall.now = stall.cast.now = datetime.now(UTC)
terms = WarrantyTerms(ritual=stall.cast.triage, floor=0.6, runs=4, days=14)
stall.bought(stall.listed(cost="10", warranty=terms))
claim = intake.EvidenceClaim(
    kind="outcome", prompt=stall.prompt.pk, assistant="scout", ritual="triage-cases", score=0.25, runs=4, key="one"
)
intake.record(
    caller=stall.as_(stall.cast.buyer), claims=[claim], source="test", now=datetime.now(UTC)
)
"""


def _wallets(made: Installation) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(made.run("mintmark.cli", "wallet", "--json"))
    return answer


def _escrow(made: Installation) -> float:
    return float(_wallets(made)["escrow"])


def _workers_of(pid: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True)
    return [
        line
        for line in listed.stdout.splitlines()
        if line.split()[0] == str(pid) and "mintmark.cli worker" in line
    ]


def test_the_demo_sets_up_once_and_keeps_its_data_and_password() -> None:
    demo = ("mintmark.cli", "demo", "--no-serve", "--no-corpus", "--json")
    with installation() as made:
        first = json.loads(made.run(*demo))
        assert first["events_loaded"] > 5000
        assert first["policy"] > 1
        assert first["market"].endswith("/market/prompts")
        again = json.loads(made.run(*demo))
        assert again == first | {"events_loaded": 0}
        assert made.run("mintmark.cli", "audit", "--json")
        said = made.run(*demo[:-1])
        assert "http://127.0.0.1:8321/market/prompts" in said
        assert "hold 200 credits" in said
        assert "scout-7 asks you whether it may buy atlas/strict-check@2 for 24 credits" in said


def test_the_demo_is_not_mixed_into_somebodys_prompts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("list") / "prompts.csv"
    file.write_text("act,prompt\nMine,my text\n")
    with installation() as made:
        made.run("mintmark.cli", "import", "prompts-csv", str(file))
        with pytest.raises(AssertionError, match="ended with 3:"):
            made.run("mintmark.cli", "demo", "--no-serve")


def test_the_server_brings_mcp_where_that_is_asked_for_and_takes_it_along() -> None:
    port, mcp_port = free_port(), free_port()
    ports = ("--port", str(port), "--mcp-port", str(mcp_port))
    with installation() as made, _running(made, "serve", "--mcp", *ports) as server:
        said = f"Serving MCP on http://127.0.0.1:{mcp_port}/mcp"
        assert said in _read_until(server, said)
        assert _status(f"http://127.0.0.1:{mcp_port}/mcp") == 401
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE_SECONDS)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", mcp_port), timeout=5)


def test_mcp_on_a_pipe_wants_a_live_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with installation() as made:
        for key, says in (
            ("", "put an assistant's key into MINTMARK_MCP_KEY"),
            ("mm_x", "unknown"),
        ):
            monkeypatch.setenv("MINTMARK_MCP_KEY", key)
            with pytest.raises(AssertionError, match=f"ended with 2:(?s:.*){says}"):
                made.run("mintmark.cli", "mcp")
