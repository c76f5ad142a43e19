"""Prompts by name: asked for each time, kept by choice, and gone once they are revoked."""

import threading

import pytest

from mintmark import client
from mintmark.client import cache, transport

from . import faulty_server
from .conftest import Made
from .faulty_server import PROMPT, Server


def test_a_prompt_is_read_and_rendered(made: Made) -> None:
    prompt = made().get("mint/summary")
    assert (prompt.reference, prompt.source) == ("mint/summary@1", "server")
    assert prompt.render(text="the {text} of today") == "Sum up the {text} of today."
    assert prompt.render({"text": 3}, more="left out") == "Sum up 3."
    with pytest.raises(client.MissingVariables, match=r"mint/summary@1 needs a value for text\."):
        prompt.render()


def test_neither_a_text_nor_a_key_shows_in_a_repr(made: Made) -> None:
    mint = made()
    shown = f"{mint!r} {mint.get('mint/summary')!r} {mint._address!r} {mint._address}"
    assert "Sum up" not in shown
    assert "opens-nothing" not in shown


def test_what_is_unchanged_is_not_sent_again(made: Made, server: Server) -> None:
    mint = made()
    first, second = mint.get("mint/summary"), mint.get("mint/summary")
    assert (second.text, second.source) == (first.text, "server")
    assert len(server.reads) == 2


def test_a_label_that_moves_is_followed_at_once(made: Made, server: Server) -> None:
    mint = made()
    server.prompts["mint/summary@production"] = PROMPT
    assert mint.get("mint/summary@production").reference == "mint/summary@1"
    server.prompts["mint/summary@production"] = PROMPT | {"reference": "mint/summary@2"}
    assert mint.get("mint/summary@production").reference == "mint/summary@2"


REVOKED = {
    "the text is kept back": PROMPT | {"text": None},
    "the prompt was withdrawn": PROMPT | {"withdrawn_at": "2026-11-01T00:00:00Z"},
}


@pytest.mark.parametrize("how", [*REVOKED, "the name is gone", "the key was revoked"])
def test_what_is_revoked_is_gone_even_where_stale_answers_are_wanted(
    how: str, made: Made, server: Server
) -> None:
    mint = made(stale_seconds=3600)
    server.prompts["mint/other"] = PROMPT
    mint.get("mint/summary")
    mint.get("mint/other")
    if how in REVOKED:
        server.prompts["mint/summary"] = REVOKED[how]
    elif how == "the name is gone":
        del server.prompts["mint/summary"]
    else:
        server.is_known = False
    with pytest.raises(client.Refused):
        mint.get("mint/summary")
    server.spoils_reads, server.is_known = True, True
    server.faults.extend(["500"] * 4)
    for name in ("mint/summary", "mint/other"):  # the same text under another name as well
        with pytest.raises(client.Unavailable):
            mint.get(name)


@pytest.mark.parametrize("fault", ["500", "429", "html", "cut", "strange", "slow"])
def test_without_a_server_there_is_no_prompt_unless_a_stale_one_is_wanted(
    fault: str, made: Made, server: Server
) -> None:
    careful, bold = made(timeout_seconds=0.5), made(stale_seconds=60, timeout_seconds=0.5)
    careful.get("mint/summary")
    bold.get("mint/summary")
    server.spoils_reads = True
    server.faults.extend([fault] * 10)
    with pytest.raises(client.Unavailable):
        careful.get("mint/summary")
    prompt = bold.get("mint/summary")
    assert (prompt.source, prompt.text) == ("stale", "Sum up {text}.")
    assert prompt.age_seconds > 0
    assert prompt.reason
    fallback = careful.get("mint/summary", fallback="Shorten {text}.")
    assert (fallback.source, fallback.render(text="it")) == ("fallback", "Shorten it.")


def test_a_stale_answer_has_an_age_beyond_which_it_is_none(
    made: Made, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(cache, "get_time", lambda: now)
    mint = made(stale_seconds=60)
    mint.get("mint/summary")
    server.spoils_reads = True
    server.faults.extend(["500"] * 2)
    now += 59
    assert mint.get("mint/summary").age_seconds == 59
    now += 2
    with pytest.raises(client.Unavailable):
        mint.get("mint/summary")


def test_a_fresh_answer_stands_for_as_long_as_was_chosen(
    made: Made, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(cache, "get_time", lambda: now)
    mint = made(fresh_seconds=10)
    sources = []
    for step in (0, 9, 1, 9):
        now += step
        sources.append(mint.get("mint/summary").source)
    assert sources == ["server", "cached", "server", "cached"]
    with pytest.raises(ValueError, match="fresh_seconds is 0 to 300, not 301"):
        made(fresh_seconds=301)


def test_a_connection_that_died_meanwhile_is_no_failure(made: Made, server: Server) -> None:
    mint = made()
    mint.get("mint/summary")
    server.spoils_reads = True
    server.faults.append("cut")
    assert mint.get("mint/summary").source == "server"


def test_an_answer_asked_before_a_revocation_does_not_come_back_after_it() -> None:
    kept = cache.ResponseCache()
    kept.drop("a", requested_at=2.0)
    kept.store("a", transport.ApiResponse(body={"digest": "1"}, size=10), requested_at=1.0)
    assert kept.find("a") is None
    kept.store("a", transport.ApiResponse(body={"digest": "1"}, size=10), requested_at=3.0)
    assert kept.find("a") is not None


def test_the_cache_is_bounded() -> None:
    kept = cache.ResponseCache()
    for n in range(cache.MAX_ENTRIES * 2):
        kept.store(f"{n}", transport.ApiResponse(body={"n": n}, size=10), requested_at=1.0)
    assert kept.find("0") is None
    assert kept.find(f"{cache.MAX_ENTRIES * 2 - 1}") is not None
    assert len(kept._entries) == cache.MAX_ENTRIES
    kept.store("large", transport.ApiResponse(body={}, size=cache.MAX_BYTES + 1), requested_at=1.0)
    assert (len(kept._entries), kept._size) == (0, 0)


def test_many_threads_read_at_once(made: Made) -> None:
    mint = made()
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(mint.get("mint/summary").text))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["Sum up {text}."] * 16


@pytest.mark.parametrize(
    ("url", "key", "says"),
    [
        ("mintmark.example", faulty_server.KEY, "give that of the server"),
        ("ftp://mintmark.example", faulty_server.KEY, "give that of the server"),
        ("http://a:b@mintmark.example", faulty_server.KEY, "no user, query or fragment"),
        ("", faulty_server.KEY, "give that of the server"),
        ("http://mintmark.example", "", "The key is missing"),
        ("http://mintmark.example", "mm_1\nX: y", "The key is missing or is no key"),
    ],
)
def test_a_wrong_address_or_key_is_said_at_once(url: str, key: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as wrong:
        client.Client(url, key=key)
    assert "X: y" not in str(wrong.value)


def test_address_and_key_may_stand_in_the_environment(
    server: Server, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "key"
    file.write_text(faulty_server.KEY + "\n")
    monkeypatch.setenv("MINTMARK_URL", server.url)
    monkeypatch.setenv("MINTMARK_KEY_FILE", str(file))
    with client.Client(state=str(tmp_path)) as mint:
        assert mint.get("mint/summary").reference == "mint/summary@1"
