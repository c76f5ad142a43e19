"""Prompts, labels and outcomes go out to Langfuse over its API, once; and come in again as what they are."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from mintmark.accounts.callers import Caller
from mintmark.cli.main import main
from mintmark.evidence.models import Event
from mintmark.integrations import (
    export_common,
    langfuse_api,
    langfuse_export,
    langfuse_reader,
    registry_import,
)
from mintmark.registry import entitlements, labels, prompts
from mintmark.registry.models import Prompt
from tests.factories.cast import Cast

from . import langfuse_server

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class House:
    """A cast with prompts of `acme`, and an empty project of Langfuse that is served."""

    cast: Cast
    address: str
    lists: dict[str, Any]

    def send(
        self, *, namespace: str = "acme", **options: Any
    ) -> langfuse_export.LangfuseExportReport:
        options = {"team": self.cast.sellers} | options
        return langfuse_export.export_namespace(
            address=self.address, namespace=namespace, **options
        )

    def label(self, label: str, prompt: Prompt) -> None:
        labels.move(
            namespace=prompt.namespace, name=prompt.name, label=label, prompt=prompt,
            actor=self.cast.as_(self.cast.seller).principal, reason="", now=NOW,
        )  # fmt: skip

    def load(self, caller: Caller, **options: Any) -> Any:
        return registry_import.load(
            registry=langfuse_reader.parse_registry(
                langfuse_api.load_lists(source=self.address), name="langfuse"
            ),
            tool=registry_import.LANGFUSE,
            caller=caller,
            now=NOW,
            **options,
        )


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(langfuse_api.PUBLIC_KEY, langfuse_server.KEYS[0])
    monkeypatch.setenv(langfuse_api.SECRET_KEY, langfuse_server.KEYS[1])


@pytest.fixture(params=[3, 4, 34])
def house(db: None, request: pytest.FixtureRequest) -> Iterator[House]:
    lists: dict[str, Any] = {name: [] for name in langfuse_api.LIST_NAMES}
    with langfuse_server.serving(lists, version=request.param) as address:
        yield House(Cast(), address, lists)


def _standing(house: House) -> dict[tuple[str, int], dict[str, Any]]:
    return {(one["name"], one["version"]): one for one in house.lists["prompts"]}


def test_versions_labels_tags_and_scores_go_out(house: House) -> None:
    cast = house.cast
    second = cast.written(
        "acme/triage", "Sort {ticket} now.", parent=cast.prompt, tags=["task:triage", "short"]
    )
    chat = cast.written("acme/talk", "system:\nBe {tone}.\nuser:\nHi", tags=["type:chat"])
    house.label("production", cast.prompt)
    house.label("staging", second)
    cast.record(cast.outcome(prompt=second.pk, score=0.75, runs=4))
    sent = house.send()
    assert (sent.versions, sent.unchanged, sent.labels, sent.scores) == (3, 0, 2, 1)
    assert sent.refused == []
    there = _standing(house)
    assert there["acme/triage", 1]["prompt"] == "Sort {{ticket}} by urgency.\nAnswer:"
    assert there["acme/triage", 1]["labels"] == ["production"]
    assert there["acme/triage", 2]["labels"] == ["latest", "staging"]
    assert there["acme/triage", 1]["tags"] == there["acme/triage", 2]["tags"] == second.tags
    assert there["acme/talk", 1]["type"] == "chat"
    assert there["acme/talk", 1]["prompt"] == [
        {"role": "system", "content": "Be {{tone}}."},
        {"role": "user", "content": "Hi"},
    ]
    assert there["acme/talk", 1]["config"] == {
        "mintmark": {"reference": chat.reference, "digest": f"sha256:{chat.digest}"}
    }
    (score,), (trace,) = house.lists["scores"], house.lists["traces"]
    (generation,) = house.lists["observations"]
    assert (score["name"], score["value"], score["traceId"]) == ("triage-cases", 0.75, trace["id"])
    assert (score["metadata"]["runs"], score["environment"]) == (4, "mintmark")
    assert (trace["name"], generation["id"]) == ("scout", score["observationId"])
    assert (generation["promptName"], generation["promptVersion"]) == ("acme/triage", 2)
    assert generation["type"] == "GENERATION"


def test_again_changes_nothing_and_what_is_new_alone_is_added(house: House) -> None:
    cast = house.cast
    house.label("production", cast.prompt)
    cast.record(cast.outcome(score=0.5))
    house.send()
    before = json.dumps(house.lists)
    again = house.send()
    assert json.dumps(house.lists) == before
    assert (again.versions, again.unchanged, again.labels) == (0, 1, 0)
    assert (again.scores, again.repeated) == (0, 1)
    second = cast.written("acme/triage", "Sort {ticket}.", parent=cast.prompt)
    house.label("production", second)
    house.label("old", cast.prompt)
    cast.record(cast.outcome(prompt=second.pk, score=1.0))
    more = house.send()
    assert (more.versions, more.labels, more.scores) == (1, 2, 1)
    there = _standing(house)
    assert there["acme/triage", 1]["labels"] == ["old"]
    assert there["acme/triage", 2]["labels"] == ["latest", "production"]


def test_a_dry_run_writes_nothing_and_says_what_would_be(house: House) -> None:
    house.label("production", house.cast.prompt)
    house.cast.record(house.cast.outcome(score=0.5))
    tried = house.send(dry_run=True)
    assert not any(house.lists.values())
    done = house.send()
    assert tried.as_json() | {"dry_run": False} == done.as_json()


def test_only_what_the_team_may_use_leaves(house: House) -> None:
    closed = house.cast.written("acme/secret", "Between us.", is_open=False)
    sent = house.send(team=house.cast.buyers)
    assert [(row["file"], row["field"]) for row in sent.refused] == [(closed.reference, "text")]
    assert "Between us" not in json.dumps(house.lists) + str(sent.refused)
    entitlements.grant(
        caller=house.cast.as_(house.cast.seller), prompt=closed, team=house.cast.buyers, reason="ok"
    )
    assert house.send(team=house.cast.buyers).versions == 1


def test_what_was_withdrawn_does_not_leave_and_is_told_of_where_it_stands(house: House) -> None:
    house.send()
    gone = house.cast.written("acme/gone", "Never sent.")
    for prompt in (house.cast.prompt, gone):
        entitlements.withdraw_permanently(
            caller=house.cast.as_(house.cast.seller), prompt=prompt, reason="it leaks", now=NOW
        )
    sent = house.send()
    assert [(row["file"], row["value"]) for row in sent.refused] == [("acme/triage@1", 1)]
    assert "delete that version there" in sent.refused[0]["message"]
    assert (sent.versions, len(house.lists["prompts"])) == (0, 1)


def test_labels_and_texts_that_langfuse_does_not_take_are_refused_by_row(house: House) -> None:
    house.label("latest", house.cast.prompt)
    house.label("x" * 37, house.cast.prompt)
    house.cast.written("acme/composed", "@@@langfusePrompt:name=x|label=production@@@")
    chat = house.cast.written(
        "acme/triage", "user:\nHi", parent=house.cast.prompt, tags=["type:chat"]
    )
    sent = house.send()
    assert {(row["file"], row["field"]) for row in sent.refused} == {
        ("acme/composed@1", "text"), (chat.reference, "prompt"), ("acme/triage@1", "label"),
    }  # fmt: skip
    assert "different prompt type" in str(sent.refused)
    assert (sent.versions, sent.labels) == (1, 0)


def test_what_came_from_langfuse_is_recognised_and_its_scores_stay_there(
    house: House, operator: Caller
) -> None:
    for text in ("Hello {{ name }}.", "Hi {{name}}."):
        made = {"name": "mail/greet", "type": "text", "prompt": text, "labels": ["production"]}
        langfuse_server.Project(house.lists).create_prompt(made)
    house.lists["traces"].append({"id": "t1", "name": "scout"})
    house.lists["observations"].append(
        {
            "id": "o1",
            "traceId": "t1",
            "type": "GENERATION",
            "promptName": "mail/greet",
            "promptVersion": 1,
        }
    )
    house.lists["scores"].append(
        {"id": "s1", "name": "right", "traceId": "t1", "source": "API", "dataType": "BOOLEAN", "value": 1,
         "timestamp": "2026-10-01T08:00:00.000Z"}
    )  # fmt: skip
    house.load(operator, team="buyers")
    second = prompts.resolve(reference="langfuse/mail/greet@production")
    assert second.revision == 2
    house.cast.record(house.cast.outcome(prompt=second.pk, score=0.9))
    sent = house.send(namespace="langfuse", team=house.cast.buyers)
    assert (sent.versions, sent.unchanged, sent.scores, sent.refused) == (0, 2, 1, [])
    assert len(house.lists["prompts"]) == 2
    events = Event.objects.count()
    back = house.load(operator, team="buyers")
    assert (back.has_changes, back.repeated, back.refused) == (False, 2, [])
    assert Event.objects.count() == events


def test_another_installation_with_the_same_references_is_not_mixed_in(house: House) -> None:
    house.send()
    config = house.lists["prompts"][0]["config"]
    config["mintmark"]["digest"] = "sha256:0"
    sent = house.send()
    assert "Another installation" in sent.refused[0]["message"]
    assert (sent.versions, sent.unchanged) == (0, 0)


def test_a_server_that_is_gone_or_refuses_the_keys_stops_the_export(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(export_common.ExportStopped, match="can't be reached"):
        langfuse_export.export_namespace(
            address="http://127.0.0.1:1", namespace="acme", team=house.cast.sellers
        )
    with pytest.raises(export_common.NothingToExport):
        house.send(namespace="none")
    with caplog.at_level(logging.DEBUG):
        house.send()
    assert langfuse_server.KEYS[1] not in caplog.text
    monkeypatch.setenv(langfuse_api.SECRET_KEY, "sk-lf-other")
    with pytest.raises(export_common.ExportStopped, match="refuses the keys") as refused:
        house.send()
    assert "sk-lf-other" not in refused.value.message
    monkeypatch.delenv(langfuse_api.SECRET_KEY)
    with pytest.raises(langfuse_api.MissingKeys):
        house.send()


def test_the_command_says_what_it_sent_and_ends_with_one_where_something_was_refused(
    house: House,
) -> None:
    house.cast.record(house.cast.outcome(score=0.5))
    call = ["export", "langfuse", house.address, "--namespace", "acme", "--team"]
    run = CliRunner().invoke(main, [*call, "sellers", "--dry-run"])
    assert run.exit_code == 0, run.output
    assert "1 would be registered" in run.stdout
    run = CliRunner().invoke(main, [*call, "sellers", "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told.pop("notes")[0].startswith("Langfuse was read over /api/public/v")
    assert told == {
        "address": house.address, "dry_run": False, "versions": {"registered": 1, "unchanged": 0}, "labels": 0,
        "scores": {"logged": 1, "repeated": 0}, "refused": [],
    }  # fmt: skip
    house.cast.written("acme/secret", "Between us.", is_open=False)
    run = CliRunner().invoke(main, [*call, "buyers"])
    assert (run.exit_code, "acme/secret@1" in run.stderr) == (1, True)
    run = CliRunner().invoke(main, [*call, "nobody"])
    assert run.exit_code == 2
    stopped = ["export", "langfuse", "http://127.0.0.1:1", "--namespace", "acme", "--team"]
    run = CliRunner().invoke(main, [*stopped, "sellers", "--json"])
    assert (run.exit_code, json.loads(run.stdout)["error"]["code"]) == (1, "export_stopped")
