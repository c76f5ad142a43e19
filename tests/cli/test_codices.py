"""`mintmark codex`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.accounts.models import Role
from mintmark.cli import exit_codes
from mintmark.registry import codices
from mintmark.registry.models import Codex
from tests.cli.conftest import Call
from tests.factories.cast import Cast, person

pytestmark = pytest.mark.django_db

KIND = """name: kind
description: How we talk.
clauses:
  - {id: thanks, text: Says thanks., severity: block, applies_to: output, check: {kind: contains, value: thank}}
  - {id: short, text: Is short., severity: warn, applies_to: prompt, check: {kind: max-tokens, value: 4}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "kind.yaml"
    made.write_text(KIND)
    return made


def test_a_codex_is_imported_once_listed_and_shown(
    call: Call, answer: Callable[..., Any], file: Path
) -> None:
    Cast()
    first = answer("codex", "import", str(file))
    assert (first["codex"], first["clauses"], first["created"]) == ("kind@1", 2, True)
    assert answer("codex", "import", "-", input=KIND)["created"] is False
    file.write_text(KIND.replace("Is short", "Is very short"))
    assert answer("codex", "import", str(file))["codex"] == "kind@2"
    rows = {one["codex"]: one for one in answer("codex", "list")}
    assert rows.keys() == {"default@1", "kind@2"}
    assert rows["kind@2"]["blocking"] == 1
    assert rows["default@1"]["binds_everybody"] is True
    told = answer("codex", "show", "kind@1")
    assert [one["id"] for one in told["clauses"]] == ["thanks", "short"]
    said = call("codex", "show", "kind").stdout
    assert "kind@2. How we talk." in said and "Is very short." in said
    assert "kind@2" in call("codex", "list").stdout


def test_a_text_is_checked_and_what_stands_in_the_way_is_an_exit_code(
    call: Call, answer: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    Cast()
    answer("codex", "import", str(file))
    text = tmp_path / "text.txt"
    text.write_text("Buy now, buy\u200b here.")
    broken = call("codex", "check", str(text), "--codex", "kind", "--output", "--json")
    assert broken.exit_code == exit_codes.PROBLEM
    found = json.loads(broken.stdout)
    assert (found["blocks"], [one["holds"] for one in found["verdicts"]]) == (True, [False])
    warned = call("codex", "check", str(text), "--codex", "kind")
    assert warned.exit_code == exit_codes.DONE
    assert "broken" in warned.stdout
    hidden = call("codex", "check", str(text))
    assert hidden.exit_code == exit_codes.PROBLEM and "\u200b" not in hidden.stdout
    assert call("codex", "check", "-", input="Sort {ticket}.").exit_code == exit_codes.DONE
    assert Codex.objects.filter(name="kind").count() == 1


def test_a_prompt_and_an_assistant_are_bound_and_let_go(
    answer: Callable[..., Any], file: Path
) -> None:
    cast = Cast()
    answer("codex", "import", str(file))
    for option, who in (("--prompt", "acme/triage@1"), ("--assistant", "scout")):
        for _ in range(2):
            told = answer("codex", "bind", "kind", option, who)
            assert told == {"bound": who, "codices": ["default@1", "kind@1"]}
    shown = answer("codex", "show", "kind")
    assert (shown["prompts"], shown["assistants"]) == (["acme/triage@1"], ["scout"])
    assert codices.resolve(reference="kind") in codices.list_binding(prompt=cast.prompt)
    for option, who in (("--prompt", "acme/triage@1"), ("--assistant", "scout")):
        assert answer("codex", "release", "kind", option, who)["codices"] == ["default@1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1", "line"),
        ("just words", "mapping"),
        (KIND.replace("severity: block", "severity: shout"), "severity is one of"),
        (KIND + "more: 1\n", "more"),
    ],
)
def test_what_is_no_codex_is_refused(call: Call, text: str, says: str) -> None:
    Cast()
    refused = call("codex", "import", "-", input=text)
    assert (refused.exit_code, says in refused.stderr) == (exit_codes.BAD_INPUT, True)
    assert not Codex.objects.filter(name="kind").exists()


def test_what_one_may_not_do_or_does_not_exist_is_refused(
    call: Call, answer: Callable[..., Any], file: Path, tmp_path: Path
) -> None:
    Cast()
    person("reader", Role.AUDITOR)
    asked = ("codex", "import", str(file), "--by", "reader")
    assert call(*asked).exit_code == exit_codes.BAD_INPUT
    answer("codex", "import", str(file))
    (tmp_path / "latin").write_bytes(b"\xe9")
    for arguments in (
        ("bind", "kind"),
        ("bind", "kind", "--prompt", "acme/triage@1", "--assistant", "scout"),
        ("bind", "kind", "--prompt", "acme/triage@1", "--by", "reader"),
        ("release", "kind", "--assistant", "scout", "--by", "reader"),
        ("bind", "gone", "--assistant", "scout"),
        ("show", "gone"),
        ("check", str(tmp_path / "gone")),
        ("check", str(tmp_path / "latin")),
        ("check", str(file), "--codex", "gone"),
    ):
        assert call("codex", *arguments).exit_code == exit_codes.BAD_INPUT, arguments


def test_the_codex_of_everybody_is_an_admin_s(call: Call, answer: Callable[..., Any]) -> None:
    Cast()
    text = KIND.replace("name: kind", "name: default")
    refused = call("codex", "import", "-", "--by", "seller", input=text)
    assert (refused.exit_code, "binds everybody" in refused.stderr) == (exit_codes.BAD_INPUT, True)
    assert answer("codex", "import", "-", input=text)["created"] is True
    assert codices.get_default().clauses[0]["id"] == "thanks"
