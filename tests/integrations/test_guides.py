"""The guides for those who use another tool already, run as they stand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.integrations import langfuse_api
from tests import guides
from tests.installations import Installation, installation

from . import langfuse_server


@pytest.fixture
def house() -> Iterator[Installation]:
    with installation() as made:
        yield made


@pytest.mark.parametrize("name", ["promptfoo", "langfuse", "mlflow"])
def test_a_guide_says_where_everything_is(name: str) -> None:
    for page in ("docs/index.md", "README.md"):
        text = (guides.FOLDER.parents[1] / page).read_text()
        assert f"guides/{name}.md" in text, page


def test_the_guide_to_promptfoo_runs_as_it_stands(house: Installation, tmp_path: Path) -> None:
    reader = guides.Reader(house=house, folder=tmp_path)
    for block in guides.blocks("promptfoo"):
        reader.follow(block)


def test_the_guide_to_mlflow_runs_as_it_stands(house: Installation, tmp_path: Path) -> None:
    _both_ways("mlflow", house=house, folder=tmp_path, says={})


def test_the_guide_to_langfuse_runs_as_it_stands(
    house: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(langfuse_api.PUBLIC_KEY, langfuse_server.KEYS[0])
    monkeypatch.setenv(langfuse_api.SECRET_KEY, langfuse_server.KEYS[1])
    with langfuse_server.serving(_project(), version=4) as address:
        _both_ways(
            "langfuse", house=house, folder=tmp_path, says={"https://cloud.langfuse.com": address}
        )


def _both_ways(name: str, *, house: Installation, folder: Path, says: dict[str, str]) -> None:
    """Follow a guide; from where a key is issued on, the server runs and the reader has the key."""
    blocks = iter(guides.blocks(name))
    reader = guides.Reader(house=house, folder=folder, says=says)
    for block in blocks:
        if block.content.startswith("mintmark key issue"):
            break
        if not block.content.startswith("export "):
            reader.follow(block)
    _, *command = block.content.split()
    key = json.loads(house.run("mintmark.cli", *command, "--json"))["secret"]
    with house.served(workers=1) as port:
        told = {"http://127.0.0.1:8321": f"http://127.0.0.1:{port}", "mm_…": key}
        reader = guides.Reader(house=house, folder=folder, says=says | told)
        for block in blocks:
            reader.follow(block)


def _project() -> dict[str, Any]:
    """What the guide says that the project holds."""
    lists: dict[str, Any] = {one: [] for one in langfuse_api.LIST_NAMES}
    project = langfuse_server.Project(lists)
    for text in ("Is this ticket urgent? {{ticket}}", "Say `urgent` or `later`.\n{{ticket}}"):
        project.create_prompt({"name": "triage", "prompt": text})
    project.update_labels("triage", 1, {"newLabels": ["production"]})
    for n in range(10):
        lists["traces"].append({"id": f"t{n}", "name": "scout"})
        lists["observations"].append(
            {"id": f"o{n}", "traceId": f"t{n}", "type": "GENERATION", "promptName": "triage",
             "promptVersion": 1 + n % 2}
        )  # fmt: skip
        project.create_score(
            {"id": f"s{n}", "traceId": f"t{n}", "observationId": f"o{n}", "name": "right", "dataType": "BOOLEAN",
             "value": int(n % 4 != 0)}
        )  # fmt: skip
    return lists
