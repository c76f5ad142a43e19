"""`GET /assistants/{id}/trust/{prompt_id}`: the prompt's affinity with the assistant's memory, to who may read both."""

from typing import Any

import pytest

from mintmark.registry import assistants
from tests.factories.api_world import World


@pytest.mark.parametrize(
    ("who", "is_told"),
    [
        ("operator", True), ("author", True), ("scout", True), ("admin", True),
        ("stranger", False), ("outsider", False), ("auditor", False), ("treasurer", False),
    ],
)  # fmt: skip
def test_affinity_is_told_to_who_may_read_both_texts(
    folded_world: World, settings: Any, who: str, is_told: bool
) -> None:
    world = folded_world
    settings.EMBEDDINGS = "none"
    assistants.store_memory(assistant=world.scout, key="style", text="Sum up texts in one line.")
    answer = world.as_(who).get(f"/assistants/{world.scout.pk}/trust/{world.prompt.pk}")
    told = answer.json()["affinity"]
    if not is_told:
        assert told is None
        assert b"style" not in answer.getvalue()
        return
    score = told.pop("score")
    assert 0.3 < score < 0.9
    assert told == {
        "entry": "style", "compared": 1, "entries": 1, "by": "spelling",
        "model": "three characters in a row", "note": "",
    }  # fmt: skip
