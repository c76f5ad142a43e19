"""Reports: each delivered once whatever the server does, none raises, all that is lost is counted."""

import json
import os
import resource
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark import client
from mintmark.client import spool, spool_file

from . import faulty_server
from .conftest import Made
from .faulty_server import Answer, Server


def _report(mint: client.Client, count: int) -> None:
    with mint.use("mint/summary", ritual="summaries") as use:
        for n in range(count):
            assert use.report((n % 11) / 10, runs=10, note=f"{n}")


def _notes(server: Server) -> list[str]:
    return sorted(event["note"] for event in server.events.values())


def _losses(mint: client.Client) -> list[dict[str, Any]]:
    file = mint._event_queue._spool.folder / spool.LOSSES_FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_use_is_reported_with_the_exact_revision(made: Made, server: Server) -> None:
    mint = made()
    with mint.use("mint/summary", ritual="summaries") as use:
        assert use.text == "Sum up {text}."
        assert use.render(text="it") == "Sum up it."
        assert use.report(True)
        assert use.report(1, kind="approval", note="x\0" + "é" * 500)
    assert mint.flush(60)
    outcome, approval = server.events.values()
    dated = datetime.fromisoformat(outcome.pop("occurred_at"))
    assert abs(datetime.now(UTC) - dated) < timedelta(minutes=1)
    assert len(outcome.pop("key")) == 32
    assert outcome == {
        "kind": "outcome", "prompt": "mint/summary@1", "assistant": "scout", "ritual": "summaries", "score": 1.0,
        "runs": 1,
    }  # fmt: skip
    assert len(approval["note"]) == 400
    counts = mint.counts()
    assert (counts.reported, counts.delivered, counts.waiting, counts.problem) == (2, 2, 0, "")


def test_the_verdict_on_each_case_travels_and_gives_the_score(made: Made, server: Server) -> None:
    mint = made()
    with mint.use("mint/summary", ritual="summaries") as use:
        assert use.report(cases={"refund": 1.0, "outage": (0.5, 3)})
        assert not use.report(0.9, cases={"refund": 1.0})
        assert not use.report(cases={})
        assert not use.report(cases={"refund": 7.0})
        assert not use.report(kind="approval", cases={"refund": 1.0})
    assert mint.flush(60)
    (outcome,) = server.events.values()
    assert (outcome["score"], outcome["runs"]) == (0.625, 4)
    assert outcome["cases"] == [
        {"case_id": "refund", "score": 1.0, "runs": 1},
        {"case_id": "outage", "score": 0.5, "runs": 3},
    ]
    assert mint.counts().unfit == 4


def test_events_travel_in_batches(made: Made, server: Server) -> None:
    mint = made()
    _report(mint, 1000)
    assert mint.flush(60)
    assert len(server.events) == 1000
    assert server.writes <= 60


FAULTS = ["500", "429", "html", "cut", "lost", "strange", "slow"]


@pytest.mark.parametrize("fault", FAULTS)
def test_no_event_is_lost_or_doubled_on_a_bad_day(fault: str, made: Made, server: Server) -> None:
    mint = made()
    mint._event_queue._timeout_seconds = 0.3
    server.faults.extend([fault] * 4)
    _report(mint, 500)
    faulty_server.until(lambda: len(server.events) == 500, what="all events arrive")
    server.released.set()
    assert mint.flush(60)
    assert _notes(server) == sorted(f"{n}" for n in range(500))
    counts = mint.counts()
    assert (counts.reported, counts.waiting, counts.set_aside, counts.dropped) == (500, 0, 0, 0)
    assert counts.delivered + counts.repeated >= 500


def test_a_server_that_asks_for_patience_gets_it(made: Made, server: Server) -> None:
    mint = made()
    server.retry_after = "3600"
    server.faults.extend(["429"] * 100)
    _report(mint, 3)
    faulty_server.until(lambda: "429" in mint.counts().problem, what="the first attempt")
    assert not mint.flush(0.1)
    assert server.writes == 1
    assert mint.counts().waiting == 3


def test_a_program_starts_and_reports_where_no_server_is(made: Made, tmp_path: Path) -> None:
    mint = made(url="http://127.0.0.1:1", exit_seconds=0.2)
    with mint.use("mint/summary", ritual="summaries", fallback="Shorten {text}.") as use:
        assert use.render(text="it") == "Shorten it."
        assert not use.report(1.0)  # nobody knows the fallback
    prompt = client.Prompt(reference="mint/summary@1", digest="", text="", variables=())
    with mint.use(prompt, ritual="summaries") as use:
        assert use.report(1.0)
    faulty_server.until(lambda: "not reached" in mint.counts().problem, what="an attempt")
    assert not mint.flush(0.0)
    assert (mint.counts().unfit, mint.counts().waiting) == (1, 1)


def test_what_one_program_leaves_the_next_one_delivers(made: Made, server: Server) -> None:
    first = made()
    with first.use("mint/summary", ritual="summaries") as use:
        server.faults.extend(["500"] * 1000)
        for n in range(20):
            use.report(0.5, note=f"{n}")
    first.close()
    assert first.counts().waiting == 0  # it holds nothing any more; the disk does
    assert server.events == {}
    server.faults.clear()
    second = made()
    assert second.flush(60)
    assert len(server.events) == 20
    assert (
        not list(second._event_queue._spool.folder.glob("*.events")) or second.counts().waiting == 0
    )


def test_a_new_key_of_the_same_holder_delivers_what_the_old_one_left(
    made: Made, server: Server
) -> None:
    first = made()
    _report(first, 1)
    assert first.flush(60)
    server.is_known = False
    with first.use(
        client.Prompt(reference="mint/summary@1", digest="", text="", variables=()),
        ritual="summaries",
    ) as use:
        use.report(0.5)
    first.close()
    server.is_known = True
    stranger = made(key="mm_99999999_of-somebody-else")
    server.me = faulty_server.ME | {"id": 8, "name": "other"}
    _report(stranger, 1)
    assert stranger.flush(60)
    assert len(server.events) == 2
    server.me = dict(faulty_server.ME)
    rotated = made(key="mm_11111111_the-next-key")
    _report(rotated, 1)
    faulty_server.until(lambda: len(server.events) == 4, what="what was left is delivered")


def test_a_revoked_key_loses_nothing(made: Made, server: Server) -> None:
    mint = made()
    _report(mint, 1)
    assert mint.flush(60)
    prompt = mint.get("mint/summary")
    server.is_known = False
    with mint.use(prompt, ritual="summaries") as use:
        use.report(0.5)
    faulty_server.until(lambda: "unknown" in mint.counts().problem, what="an attempt")
    assert not mint.flush(0.0)
    server.is_known = True
    assert mint.flush(60)
    assert len(server.events) == 2


def test_a_key_that_may_not_record_keeps_everything(made: Made, server: Server) -> None:
    server.me = faulty_server.ME | {"scopes": ["read"]}
    mint = made()
    _report(mint, 3)
    faulty_server.until(lambda: "the scope 'evidence'" in mint.counts().problem, what="an attempt")
    assert not mint.flush(0.0)
    server.me = dict(faulty_server.ME)
    assert mint.flush(60)
    assert len(server.events) == 3


def _refusing(bad: str, status: int, code: str, field: str = "prompt") -> Any:
    def refuses(events: list[dict[str, Any]]) -> Answer | None:
        rows = [
            {"row": n, "field": field, "value": "", "message": "It is bad."}
            for n, event in enumerate(events)
            if event.get("note") == bad and (field != "occurred_at" or field in event)
        ]
        named = {"rows": rows} if status in (409, 422) else {}
        return faulty_server.problem(status, code, "Row 0: it is bad.", **named) if rows else None

    return refuses


@pytest.mark.parametrize(
    ("status", "code"),
    [(422, "invalid_evidence"), (403, "forbidden"), (400, "invalid_json"), (413, "body_too_large")],
)
def test_an_event_that_is_refused_is_set_aside_and_holds_up_nothing(
    status: int, code: str, made: Made, server: Server
) -> None:
    server.refuses = _refusing("37", status, code)
    mint = made()
    _report(mint, 100)
    assert mint.flush(60)
    assert _notes(server) == sorted(f"{n}" for n in range(100) if n != 37)
    assert mint.counts().set_aside == 1
    (loss,) = _losses(mint)
    assert loss["what"] == "refused"
    assert json.loads(loss["event"])["note"] == "37"
    assert "bad" in loss["why"]


def test_a_wrong_clock_loses_nothing(made: Made, server: Server) -> None:
    server.refuses = _refusing("3", 422, "invalid_evidence", field="occurred_at")
    mint = made()
    _report(mint, 10)
    assert mint.flush(60)
    undated = [event["note"] for event in server.events.values() if "occurred_at" not in event]
    assert (len(server.events), undated) == (10, ["3"])


def test_a_key_that_the_server_knows_from_another_dating_counts_as_recorded(
    made: Made, server: Server
) -> None:
    server.refuses = _refusing("3", 409, "idempotency_key_reused", field="key")
    mint = made()
    _report(mint, 10)
    assert mint.flush(60)
    assert (len(server.events), mint.counts().set_aside, mint.counts().repeated) == (9, 0, 1)


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ({"score": 1.5}, "from 0 to 1, not 1.5"),
        ({"score": float("nan")}, "not nan"),
        ({"score": "good"}, "not 'good'"),
        ({"score": 1.0, "runs": 0}, "runs is a whole number"),
        ({"score": 1.0, "kind": "guess"}, "'guess' is none of"),
        ({"score": 1.0, "tags": ["a\nb"]}, "printable"),
        ({"score": 1.0, "tags": 7}, ""),
        ({"score": 1.0, "ritual": {1, 2}}, ""),
    ],
)
def test_a_report_that_cant_be_right_is_said_and_counted_and_raises_nothing(
    report: dict[str, Any], says: str, made: Made, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    mint = made()
    with mint.use("mint/summary", ritual="summaries") as use:
        assert not use.report(**report)
    assert mint.counts().unfit == 1
    assert says in caplog.text
    assert mint.flush(60)
    assert server.events == {}


def test_an_outcome_needs_a_ritual_and_an_assistant(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    with made().use("mint/summary") as use:
        assert not use.report(1.0)
    with made(assistant=None).use("mint/summary", ritual="summaries") as use:
        assert not use.report(1.0)
    assert "give ritual=" in caplog.text
    assert "give assistant=" in caplog.text


def test_the_spool_is_bounded_and_says_what_it_dropped(
    made: Made, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_file, "MAX_BYTES", 4096)
    monkeypatch.setattr(spool, "_FULL_CHECK_SECONDS", 0.0)
    mint = made(spool_bytes=5 * 4096)
    prompt = mint.get("mint/summary")
    server.faults.extend(["500"] * 10_000)
    with mint.use(prompt, ritual="summaries") as use:
        taken = sum(use.report(0.5, note="x" * 100) for _ in range(500))
    folder = mint._event_queue._spool.folder
    assert 0 < taken < 500
    assert sum(path.stat().st_size for path in folder.glob("*.events")) < 6 * 4096
    counts = mint.counts()
    assert (counts.reported, counts.dropped) == (taken, 500 - taken)
    assert _losses(mint)[0]["what"] == "dropped"
    server.faults.clear()
    assert mint.flush(60)
    assert len(server.events) == taken
    with mint.use(prompt, ritual="summaries") as use:
        assert use.report(0.5)  # there is room again
    assert mint.flush(60)
    assert sum(path.stat().st_size for path in folder.glob("*.events")) < 4096


def test_where_no_file_can_be_written_a_bounded_number_is_held_in_memory(
    made: Made, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(spool, "MAX_IN_MEMORY", 10)
    mint = made(state=tmp_path / "file")
    prompt = mint.get("mint/summary")
    server.faults.extend(["500"] * 10_000)
    with mint.use(prompt, ritual="summaries") as use:
        assert [use.report(0.5) for _ in range(12)] == [True] * 10 + [False] * 2
    assert mint.counts().dropped == 2
    server.faults.clear()
    assert mint.flush(60)
    assert len(server.events) == 10


def test_a_full_disk_leaves_no_half_of_an_event(made: Made, server: Server) -> None:
    mint = made()
    server.faults.extend(["500"] * 10_000)
    _report(mint, 1)
    (path,) = mint._event_queue._spool.folder.glob("*.events")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, before[1]))
    try:
        _report(mint, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes().endswith(b"}\n")
    _report(mint, 1)
    server.faults.clear()
    assert mint.flush(60)
    assert len(server.events) == 3


def test_a_line_that_was_cut_short_is_no_event(made: Made, server: Server) -> None:
    first = made()
    server.faults.extend(["500"] * 10_000)
    _report(first, 5)
    first.close()
    (path,) = first._event_queue._spool.folder.glob("*.events")
    path.write_bytes(path.read_bytes() + b'{"kind": "outco')
    server.faults.clear()
    assert made().flush(60)
    assert len(server.events) == 5


def test_a_spoiled_line_is_set_aside(made: Made, server: Server) -> None:
    first = made()
    server.faults.extend(["500"] * 10_000)
    _report(first, 5)
    first.close()
    (path,) = first._event_queue._spool.folder.glob("*.events")
    path.write_bytes(path.read_bytes() + b"\xff\xfe{]\n")
    server.faults.clear()
    second = made()
    assert second.flush(60)
    assert (len(server.events), second.counts().set_aside) == (5, 1)


def test_threads_report_at_once(made: Made, server: Server) -> None:
    mint = made()
    threads = [threading.Thread(target=_report, args=(mint, 100)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mint.flush(60)
    assert len(server.events) == 800


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_reports_for_itself(made: Made, server: Server) -> None:
    mint = made()
    _report(mint, 10)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _report(mint, 10)
            code = 0 if mint.flush() and mint.counts().delivered == 10 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    _report(mint, 10)
    assert mint.flush(60)
    assert len(server.events) == 30


def test_the_spool_is_for_its_owner_alone(made: Made, server: Server) -> None:
    mint = made()
    server.faults.extend(["500"] * 10_000)
    _report(mint, 1)
    folder = mint._event_queue._spool.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        assert "opens-nothing" not in path.read_text()
        assert "Sum up" not in path.read_text()


def test_closing_twice_and_reporting_afterwards_do_no_harm(made: Made, server: Server) -> None:
    mint = made()
    with mint.use("mint/summary", ritual="summaries") as use:
        mint.close()
        mint.close()
        assert use.report(0.5)
    assert made().flush(60)
