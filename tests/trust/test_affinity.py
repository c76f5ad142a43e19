"""Affinity: how like a prompt is to what an assistant remembers, for those who may read both."""

from typing import Any

import pytest

from mintmark.registry import assistants
from mintmark.registry.models import Entitlement
from mintmark.trust import affinity
from mintmark.trust.results import Affinity
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(settings: Any, built_cast: Cast) -> Cast:
    settings.EMBEDDINGS = "none"
    return built_cast


def _told(cast: Cast, *, by: Any, prompt: Any = None) -> Affinity | None:
    return AssistantTrustTracker().measure_affinity(
        caller=cast.as_(by), assistant=cast.scout, prompt=prompt or cast.prompt
    )


def test_the_entry_most_like_the_prompt_is_named(cast: Cast) -> None:
    assistants.store_memory(assistant=cast.scout, key="cake", text="Eggs, flour and butter.")
    assistants.store_memory(
        assistant=cast.scout, key="order", text="Tickets are sorted by urgency, the oldest first."
    )
    told = _told(cast, by=cast.buyer)
    assert told is not None
    assert (told.entry, told.compared, told.entries, told.by) == ("order", 2, 2, "spelling")
    assert told.score is not None and 0.2 < told.score < 0.9


def test_who_remembers_nothing_is_like_nothing(cast: Cast) -> None:
    told = _told(cast, by=cast.buyer)
    assert told is not None
    assert (told.score, told.entry, told.compared) == (None, None, 0)


def test_only_who_may_read_both_texts_is_told(cast: Cast) -> None:
    assistants.store_memory(assistant=cast.scout, key="order", text="Sort by urgency.")
    secret = cast.written("acme/secret", "Weigh {coin} twice.", is_open=False)
    told = {
        (name, prompt.name): _told(cast, by=getattr(cast, name), prompt=prompt) is not None
        for name in ("buyer", "seller", "stranger", "auditor")
        for prompt in (cast.prompt, secret)
    }
    # The buyer may read the memory and the open prompt; the seller both prompts and not the memory.
    assert {pair for pair, is_told in told.items() if is_told} == {("buyer", "triage")}
    Entitlement.objects.create(prompt=secret, team=cast.buyers, reason="bought")
    assert _told(cast, by=cast.buyer, prompt=secret) is not None


def test_of_a_long_memory_the_newest_entries_are_compared(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affinity, "MAX_ENTRIES", 2)
    for n in range(3):
        assistants.store_memory(assistant=cast.scout, key=f"{n}", text=cast.prompt.text[n:])
    told = _told(cast, by=cast.buyer)
    assert told is not None
    assert (told.entry, told.compared, told.entries) == ("1", 2, 3)


def test_affinity_moves_no_score(cast: Cast) -> None:
    def trust() -> Any:
        return (
            AssistantTrustTracker()
            .explain(assistant=cast.scout, prompt=cast.prompt, now=cast.now)
            .row.trust
        )

    before = trust()
    assistants.store_memory(assistant=cast.scout, key="all", text=cast.prompt.text)
    told = _told(cast, by=cast.buyer)
    assert told is not None and told.score == 1.0
    assert trust() == before
