"""Against Mintmark itself, over HTTP: what a reader sees when things are moved, withdrawn, revoked; and the guide."""

import asyncio
import contextlib
import io
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from mintmark import client
from mintmark.accounts import keys
from mintmark.deployments import mandates
from mintmark.evidence.models import Event
from mintmark.projection import projector
from mintmark.ratelimit import counters
from mintmark.registry import codices, entitlements

from .served_installation import Mint

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.both("smoke set: a client and its server"),
]

type Opened = Callable[..., client.Client]


@pytest.fixture
def mint(emptied_past_the_triggers: None, transactional_db: None) -> Mint:
    return Mint()


@pytest.fixture
def opened(mint: Mint, live_server: LiveServer, tmp_path: Path) -> Any:
    """Opens clients of the server, with the assistant's key unless another is given."""
    with contextlib.ExitStack() as stack:

        def make(**changes: Any) -> client.Client:
            given = {"key": mint.secret, "assistant": "scout", "state": tmp_path} | changes
            return stack.enter_context(client.Client(live_server.url, **given))

        yield make


def test_a_label_that_moves_or_goes_is_seen_at_once(mint: Mint, opened: Opened) -> None:
    reader = opened(stale_seconds=3600)
    assert reader.get("mint/summary@production").text == "Sum up {text}."
    mint.labelled(mint.written("mint/summary", "Sum up {text} in a line."))
    assert reader.get("mint/summary@production").reference == "mint/summary@2"
    mint.labelled(None)
    with pytest.raises(client.Refused) as refused:
        reader.get("mint/summary@production")
    assert refused.value.code == "not_found"


def test_a_withdrawn_prompt_is_handed_out_no_more_not_even_to_its_own_team(
    mint: Mint, opened: Opened
) -> None:
    reader = opened(stale_seconds=3600)
    reader.get("mint/summary")
    entitlements.withdraw_permanently(
        caller=mint.author, prompt=mint.prompt, reason="it leaks", now=timezone.now()
    )
    with pytest.raises(client.Refused, match="mint/summary@1 was withdrawn") as refused:
        reader.get("mint/summary")
    assert refused.value.code == "prompt_withdrawn"


def test_a_revoked_key_reads_nothing(mint: Mint, opened: Opened) -> None:
    reader = opened(stale_seconds=3600)
    reader.get("mint/summary")
    keys.revoke(key=keys.list_keys(principal=mint.scout.principal).get(), now=timezone.now())
    with pytest.raises(client.Refused) as refused:
        reader.get("mint/summary")
    assert (refused.value.code, refused.value.status) == ("not_authenticated", 401)


def test_reports_are_in_the_log_once_and_refused_ones_set_aside(
    mint: Mint, opened: Opened, tmp_path: Path
) -> None:
    reporter = opened()
    with reporter.use("mint/summary", ritual="summaries") as use:
        for n in range(50):
            use.report(n / 50, runs=10, note=f"{n}")
        use.report(1.0, ritual="no such ritual", note="bad")
        use.report(1.0, kind="clause", note="not an assistant's to say")
    assert reporter.flush(60)
    assert sorted(map(int, Event.objects.values_list("note", flat=True))) == list(range(50))
    counts = reporter.counts()
    assert (counts.delivered, counts.set_aside, counts.waiting) == (50, 2, 0)
    (losses,) = tmp_path.rglob("losses.jsonl")
    assert "There is no ritual 'no such ritual'" in losses.read_text()


def test_the_best_of_what_both_may_use_is_chosen_and_reports_say_so(
    mint: Mint, opened: Opened
) -> None:
    better = mint.written("mint/better", "Sum up {text} with care.")
    with opened() as before:
        for prompt, score in ((mint.prompt, 0.2), (better, 0.9)):
            with before.use(prompt.reference, ritual="summaries") as use:
                assert use.report(score)
            mint.record_outcome(prompt, score, runs=100)
        assert before.flush(60)
        projector.wait_for(Event.objects.latest("id").pk, seconds=20, now=timezone.now())
    chooser = opened(rng=random.Random(1))
    for task in ("summaries", "task:summarise"):
        assert chooser.best("scout", task).reference == "mint/better@1"
    with chooser.use(chooser.best(task="summaries", explore=True)) as use:
        assert use.report(1.0)
    assert chooser.flush(60)
    event = Event.objects.latest("id")
    assert event.ritual is not None
    assert (event.ritual.name, event.tags) == ("summaries", ["chosen:thompson"])
    assert event.note.startswith("thompson for summaries: trust 0.")
    entitlements.withdraw_permanently(
        caller=mint.author, prompt=better, reason="it leaks", now=timezone.now()
    )
    assert chooser.best("scout", "summaries").reference == "mint/summary@1"
    with pytest.raises(client.Refused, match="no such task"):
        chooser.best("scout", "no such task")


def test_a_prompt_behind_one_of_the_assistants_gates_is_not_the_best(
    mint: Mint, opened: Opened, live_server: LiveServer
) -> None:
    better, ruled = (
        mint.written(f"mint/{name}", f"Sum up {{text}} {how}.")
        for name, how in (("better", "with care"), ("ruled", "and be rude"))
    )
    with opened() as before:
        for prompt, score in ((mint.prompt, 0.1), (better, 0.8), (ruled, 0.95)):
            with before.use(prompt.reference, ritual="summaries") as use:
                assert use.report(score)
            mint.record_outcome(prompt, score, runs=200)
        assert before.flush(60)
        projector.wait_for(Event.objects.latest("id").pk, seconds=20, now=timezone.now())
    chooser = opened()
    assert chooser.best("scout", "summaries").reference == "mint/ruled@1"
    rule = {
        "id": "polite", "text": "Asks for nothing rude.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "not-contains", "value": "rude"},
    }  # fmt: skip
    codices.bind_assistant(
        assistant=mint.scout, codex=codices.register(name="manners", clauses=[rule])
    )
    caller = replace(mint.author, scopes=frozenset({"market"}))
    mandates.set_mandate(
        caller=caller, assistant=mint.scout, per_purchase_micro=0, per_day_micro=0,
        trust_floor=0.3,
        now=timezone.now(),
    )  # fmt: skip
    best = chooser.best("scout", "summaries")
    assert (best.reference, best.selection and best.selection.left_out) == (
        "mint/better@1",
        {"trust": 1, "contract": 1},
    )

    async def asked() -> client.Prompt:
        async with client.AsyncClient(live_server.url, key=mint.secret, assistant="scout") as one:
            return await one.best("scout", "summaries")

    told = asyncio.run(asked())
    assert (told.reference, told.selection and told.selection.left_out) == (
        "mint/better@1",
        {"trust": 1, "contract": 1},
    )


def test_the_guide_runs_as_it_stands(
    mint: Mint, live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    names: dict[str, object] = {"KEY": mint.secret}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for block in BLOCKS:
            here = block.replace("http://127.0.0.1:8321", live_server.url)
            exec(compile(here, str(GUIDE), "exec"), names)
    said = printed.getvalue().splitlines()
    assert said[:2] == re.findall(r"# (mint/summary@1|Sum up the incident\.)", GUIDE.read_text())
    assert "delivered=1" in said[2]


def test_a_client_that_reports_more_than_it_may_waits_as_it_is_told_and_loses_nothing(
    mint: Mint, opened: Opened, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = counters.Quotas(tmp_path / "quotas")
    monkeypatch.setattr(counters, "get_shared_quotas", lambda: mine)
    settings.API_PER_MINUTE = 60
    told = opened()
    with told.use("mint/summary@production", ritual="summaries") as use:
        with pytest.raises(client.Unavailable, match="429") as refused:
            _read_on(told)
        assert refused.value.retry_after_seconds == 1
        use.report(0.5)
    assert told.flush(seconds=60)
    assert told.counts().problem == ""
    assert Event.objects.count() == 1


def _read_on(told: client.Client) -> None:
    for _ in range(200):
        told.get("mint/summary@production")
