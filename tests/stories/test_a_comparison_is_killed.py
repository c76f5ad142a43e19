"""Two prompts are compared, the worker is killed midway, another goes on: nothing finished is paid for twice, and what
is said in the end is what an undisturbed comparison says, to the last bit."""

import json
from typing import Any

import pytest

from tests import installations
from tests.installations import Installation, kill, until
from tests.rituals import model_server
from tests.rituals.model_server import Model
from tests.stories.comparison_process import KEY_NAME

KEY = "sk-story-0123456789abcdefghij"
AT_ONCE = 2
MIDWAY = 14


@pytest.mark.nightly(
    "its snapshots once differed after a kill on a loaded machine: to be understood"
)
def test_a_comparison_survives_its_worker_and_says_what_it_would_have_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_NAME, KEY)
    monkeypatch.setenv("MINTMARK_RUN_LEASE_SECONDS", "2")
    with model_server.served() as (url, model), installations.installation() as house:
        model.delay_seconds = 0.1  # so that it is killed in the midst of a batch
        house.run("tests.stories.comparison_process", "build", url)
        worker = house.start("mintmark.cli", "worker")
        until(lambda: model.answered["200"] >= MIDWAY, worker)
        kill(worker)
        model.delay_seconds = 0.0
        at_the_kill = _told(house, "status")
        asked_by_the_dead = len(model.asked)
        assert at_the_kill["states"] == {"killed": "running", "undisturbed": "queued"}
        assert 0 < len(at_the_kill["done"]) <= asked_by_the_dead

        worker = house.start("mintmark.cli", "worker")
        until(lambda: set(_told(house, "status")["states"].values()) == {"done"}, worker, every=3.0)
        worker.terminate()
        said = worker.communicate(timeout=60)[0]
        found = _told(house, "check")

    _nothing_finished_was_paid_for_twice(found, at_the_kill, model)
    _both_say_the_same(found)
    assert found["events"] == 0
    assert KEY not in said


def _nothing_finished_was_paid_for_twice(
    found: dict[str, Any], at_the_kill: dict[str, Any], model: Model
) -> None:
    killed = found["killed"]
    for half, as_it_was in at_the_kill["done"].items():
        assert found["done"][half] == as_it_was
    assert killed["spent"] == killed["paid"] > 0
    # What the dead worker's calls may have cost counts as lost, once.
    assert killed["lost"] == at_the_kill["reserved"]
    assert killed["calls"] == 2 * killed["pairs"]
    halves = 2 * (killed["pairs"] + found["undisturbed"]["pairs"])
    assert halves <= len(model.asked) <= halves + min(AT_ONCE, at_the_kill["calling"])


def _both_say_the_same(found: dict[str, Any]) -> None:
    killed, undisturbed = found["killed"], found["undisturbed"]
    assert killed["decision"] == "first"
    for what in ("decision", "pairs", "interval", "looks", "scores", "packed", "spent"):
        assert killed[what] == undisturbed[what], what
    assert undisturbed["lost"] == 0


def _told(house: Installation, what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(house.run("tests.stories.comparison_process", what))
    return found
