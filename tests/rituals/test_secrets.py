"""Where keys, tokens, prompts' texts and memories stand once rituals were run: in each table that may hold them, and in
no other; neither in logs, nor in what is said of failures."""

import logging
import random
from typing import Any

import pytest
from django.apps import apps

from mintmark.accounts import keys
from mintmark.common import errors
from mintmark.registry import assistants, codices, entitlements
from mintmark.registry.models import Prompt
from mintmark.rituals import (
    comparison_worker,
    comparisons,
    definitions,
    redaction,
    runner_settings,
    runs,
)
from mintmark.rituals.models import CaseRun
from tests import oversize_inputs
from tests.factories.api_world import Caller
from tests.factories.ritual_scene import KEY, KEY_NAME, Scene

pytestmark = pytest.mark.django_db

JUDGES_KEY_NAME = "MINTMARK_RUNNER_BUYERS__JUDGE"
JUDGES_KEY = "judge-9876543210-zyxwvutsrqponm"
TOKEN = "ghp_" + "a" * 36
PROMPTS = "quartz-zebra: only who is entitled reads this"
MEMORIES = "jasper-okapi remembers that the vault opens at nine"
CASES = "opal-tapir: the whole site is down"
BAD_DAYS = ("down", "malformed", "huge", "unauthorised", "elsewhere", "broken-off", "leaky")

MAY_STAND = {
    KEY: set(),
    JUDGES_KEY: set(),
    TOKEN: set(),
    PROMPTS: {"registry.Prompt.text"},
    # What an assistant answers is its team's to read, and forgotten after a time.
    MEMORIES: {"registry.MemoryEntry.text", "rituals.CaseRun.output"},
    CASES: {"registry.Ritual.definition", "rituals.CaseRun.output"},
}
"""Fields in which each may stand. A table that is added holds none of them, or stands here with a reason."""

RITUAL = f"""
name: secrets
tag: task:triage
cases:
  - id: one
    vars: {{ticket: "{CASES}"}}
    memory: [vault]
    assert:
      - {{type: icontains, value: urgent}}
      - {{type: similar, value: urgent}}
      - {{type: llm-rubric, value: It says how urgent it is.}}
  - {{id: two, vars: {{ticket: "{CASES}"}}, assert: [{{type: is-json}}]}}
"""


def where(mark: str) -> set[str]:
    """The fields of the database in which a text stands, of every model there is."""
    return {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        for value in model._default_manager.values_list(field.attname, flat=True)
        if mark in (bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value))
    }  # fmt: skip


@pytest.fixture
def secretive(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A private prompt that the buyers are entitled to, a memory, a judge, clauses that quote what breaks them."""
    monkeypatch.setenv(JUDGES_KEY_NAME, JUDGES_KEY)
    cast = scene.cast
    assistants.store_memory(assistant=cast.scout, key="vault", text=MEMORIES)
    prompt = _private(scene, "acme/private", f"{PROMPTS}. How urgent is this? {{ticket}}")
    rules = [
        oversize_inputs.clause("not-contains", word, id_=word) for word in ("quartz", "jasper", "Bearer", "ghp")
    ]  # fmt: skip
    codices.bind(prompt=prompt, codex=codices.register(name="quoting", clauses=rules))
    judge = cast.assistant("judge", team=cast.buyers)
    scene.reached("judge", assistant=judge, key_name=JUDGES_KEY_NAME)
    cast.prompt = prompt
    scene.ritual = definitions.load_ritual(text=RITUAL)
    return scene


def _private(scene: Scene, line: str, text: str) -> Prompt:
    prompt = scene.cast.written(line, text, is_open=False)
    entitlements.grant(
        caller=scene.cast.as_(scene.cast.seller), prompt=prompt, team=scene.cast.buyers, reason="lent"
    )  # fmt: skip
    return prompt


def _run_everything(scene: Scene) -> None:
    judge = assistants.resolve(reference="judge")
    for name in ("parrot", *BAD_DAYS):
        scene.reached(name, attempts=1, judge=judge)
        scene.started(frames=1 if name == "parrot" else 0)
        scene.worked()
    scene.reached("parrot", judge=judge)
    other = _private(scene, "acme/other", f"{PROMPTS}! Say how urgent it is: {{ticket}}")
    comparisons.start(
        caller=scene.caller, first=scene.cast.prompt, second=other, assistant=scene.cast.scout,
        ritual=scene.ritual, most_pairs=3, now=scene.now,
    )  # fmt: skip
    comparison_worker.process_next_comparison(
        worker_id="w", clock=scene.clock, rng=random.Random(1), stop=scene.stop
    )


def test_after_all_that_can_happen_each_stands_where_it_may_and_nowhere_else(
    secretive: Scene, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    _run_everything(secretive)
    states = set(CaseRun.objects.values_list("state", flat=True))
    assert states == {"done", "failed"}
    for mark, fields in MAY_STAND.items():
        assert where(mark) == fields, mark
    said = caplog.text + "".join(capsys.readouterr())
    assert "127.0.0.1" in said  # it was listened to
    assert [mark for mark in MAY_STAND if mark in said] == []


def test_what_a_parrot_repeats_is_told_by_what_it_is(secretive: Scene) -> None:
    secretive.reached("parrot", judge=assistants.resolve(reference="judge"))
    secretive.started()
    secretive.worked()
    row = CaseRun.objects.get(case_id="one")
    for what in (
        redaction.REPEATED_MARK,
        "[the endpoint's key]",
        "[a GitHub token]",
        MEMORIES,
        CASES,
    ):
        assert what in row.output
    broken = [one for one in row.clauses if one["holds"] is False]
    assert {one["clause"] for one in broken} >= {"quartz", "jasper", "Bearer", "ghp"}


def test_nothing_that_is_said_of_a_failure_tells_any_of_it(
    secretive: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_everything(secretive)
    buyer = Caller(keys.issue(principal=secretive.caller.principal, scopes=("admin",)).secret)
    scout = f"/assistants/{secretive.cast.scout.pk}/runner"
    pasted = {
        "kind": "openai",
        "model": "m",
        "key_name": KEY,
        "base_url": f"http://me:{JUDGES_KEY}@host",
    }
    told = [buyer.send("PUT", scout, pasted)]
    run = {"prompt": secretive.cast.prompt.pk, "assistant": "scout", "ritual": secretive.ritual.pk}
    told.append(buyer.send("POST", "/runs", run | {"seed": -1}))
    for one in runs.visible_to(caller=secretive.caller):
        told += [buyer.get(f"/runs/{one.pk}"), buyer.send("POST", f"/runs/{one.pk}/resume", {})]
        monkeypatch.setenv(KEY_NAME, "")
        secretive.worked()  # without a key it says which variable holds none
        one.refresh_from_db()
        monkeypatch.setenv(KEY_NAME, KEY)
        told.append(buyer.get(f"/runs/{one.pk}"))
    assert {one.status_code for one in told} >= {200, 422}
    said = b"\n".join(one.content for one in told).decode()
    assert "incomplete" in said
    assert [mark for mark in MAY_STAND if mark in said] == []
    with pytest.raises(errors.DomainError) as refused:
        secretive.reached(base_url=f"http://host/?key={KEY}", key_name=JUDGES_KEY)
    assert KEY not in str(refused.value.rows)
    assert JUDGES_KEY not in str(refused.value.rows)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It says: " + "p" * 16 + "q" * 16 + ".", "It says: [of the prompt's text]."),
        ("p" * 16 + "q" * 15, "p" * 16 + "q" * 15),
        ("a " + ("p" * 16 + "q" * 17) + " b " + "q" * 40, "a [of the prompt's text] b [of the prompt's text]"),
        ("", ""),
    ],
)  # fmt: skip
def test_so_many_characters_in_a_row_of_a_prompt_are_left_out(text: str, kept: str) -> None:
    assert redaction.redact(text, prompt="x" + "p" * 16 + "q" * 40) == kept


def test_a_runner_is_told_without_its_key(secretive: Scene) -> None:
    runner: Any = runner_settings.get_runner_settings(
        assistant=assistants.resolve(reference="judge")
    )
    assert JUDGES_KEY not in repr(vars(runner))
