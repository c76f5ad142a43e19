"""Prompts kept as files (dotprompt, Prompty, SKILL.md): what becomes of them, and what is refused with its line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.integrations import (
    dotprompt,
    file_discovery,
    file_import,
    import_report,
    prompty,
    skills,
)
from mintmark.integrations.file_discovery import FileFormat
from mintmark.registry import prompts
from mintmark.registry.models import Prompt
from mintmark.signing import folder_manifest
from mintmark.vault.folder_export import build_files
from tests import oversize_inputs
from tests.factories.market_fixture import Stall
from tests.vault.test_exports import exported

pytestmark = pytest.mark.django_db

SKILL = "---\nname: {name}\ndescription: Writes {name}.\nlicense: MIT\n---\n"
GREET = """---
model: googleai/gemini-2.5-flash
description: Says hello.
input:
  schema:
    name: string
---
{{role "system"}}
You greet people.
{{role "user"}}
Say hello to {{ name }}, {{{title}}}.{{! not shown }}
"""
ASK = """---
name: Ask Me
description: Answers.
tags: [support]
model:
  api: chat
---
system:
You answer {{ topic }}.

# User:
{{question}}
"""

Load = Callable[..., import_report.ImportReport]


@pytest.fixture
def load(tmp_path: Path, operator: Caller) -> Load:
    """Write files into a folder and import it."""

    def run(
        format: FileFormat, files: Mapping[str, str | bytes], **options: Any
    ) -> import_report.ImportReport:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        folder = file_discovery.read_all(path=tmp_path, format=format)
        return file_import.load(folder=folder, format=format, caller=operator, **options)

    return run


def _places(report: import_report.ImportReport) -> list[tuple[str, int, str]]:
    return [(row["file"], row["line"], row["value"]) for row in report.refused]


def test_a_skill_becomes_a_prompt_of_its_own_bytes(load: Load) -> None:
    text = "# Notes\r\n\nUse {tone}.\n---\nend"
    report = load(skills.FORMAT, {"notes/SKILL.md": SKILL.format(name="notes") + text})
    prompt = prompts.resolve(reference="skills/notes@1")
    assert (report.registered, report.refused) == (1, [])
    assert (prompt.text, prompt.title, prompt.licence) == (text, "notes", "MIT")
    assert (prompt.preview, prompt.is_open, prompt.variables) == ("Writes notes.", False, ["tone"])


def test_a_second_run_changes_nothing_and_a_changed_file_is_the_next_revision(load: Load) -> None:
    head = SKILL.format(name="notes")
    load(skills.FORMAT, {"notes/SKILL.md": head + "one"})
    again = load(skills.FORMAT, {})
    assert (again.has_changes, again.unchanged) == (False, 1)
    load(skills.FORMAT, {"notes/SKILL.md": head + "two"})
    prompt = prompts.resolve(reference="skills/notes")
    assert (prompt.revision, prompt.derivation) == (2, "revision")
    assert prompt.parent == prompts.resolve(reference="skills/notes@1")


def test_nested_folders_keep_apart_what_is_called_alike(load: Load) -> None:
    report = load(
        skills.FORMAT,
        {
            "sales/notes/SKILL.md": SKILL.format(name="notes") + "one",
            "Law & Order/notes/SKILL.md": SKILL.format(name="notes") + "two",
            "sales/notes/scripts/run.py": "print()",
            ".git/notes/SKILL.md": "",
        },
    )
    assert report.read == {"files": 2, "other_files": 1}
    assert sorted(Prompt.objects.values_list("name", flat=True)) == [
        "law-order/notes",
        "sales/notes",
    ]


def test_two_files_of_one_name_are_both_refused_and_name_each_other(load: Load) -> None:
    report = load(dotprompt.FORMAT, {"a.prompt": "one", "A.prompt": "two", "b.prompt": "three"})
    assert [(row["file"], row["field"]) for row in report.refused] == [
        ("A.prompt", "name"),
        ("a.prompt", "name"),
    ]
    assert "a.prompt would have the same name" in report.refused[0]["message"]
    assert report.registered == 1


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        ("no front matter", 1, ""),
        ("---\nname: a\n", 1, ""),
        ("---\nname: a\ndescription: [\n---\nx", 4, ""),
        ("---\n- a\n---\nx", 2, ""),
        ("---\nname: Not A Name\ndescription: x\n---\nx", 2, "name"),
        ("---\nname: a--b\ndescription: x\n---\nx", 2, "name"),
        ("---\nname: a\n---\nx", 2, "description"),
        ("---\nname: a\ndescription: " + "x" * 1_025 + "\n---\nx", 2, "description"),
        ("---\nname: a\ndescription: x\n---\n  \n", 5, "text"),
        ("---\nname: a\ndescription: x\n---\nhid\u200bden", 5, "text"),
        (b"---\nname: a\ndescription: \xff\n---\nx", 3, ""),
        ("---\n" + oversize_inputs.YAML["aliases of aliases"] + "\n---\nx", None, ""),
    ],
)
def test_a_broken_file_is_refused_with_its_line_and_the_others_come_in(
    content: str | bytes, line: int | None, field: str, load: Load
) -> None:
    good = SKILL.format(name="good") + "x"
    report = load(skills.FORMAT, {"bad/SKILL.md": content, "good/SKILL.md": good})
    (row,) = report.refused
    assert (row["file"], row["field"]) == ("bad/SKILL.md", field)
    assert line is None or row["line"] == line
    assert [prompt.name for prompt in Prompt.objects.all()] == ["good"]


def test_strict_stores_nothing_and_a_dry_run_neither(load: Load) -> None:
    files = {"bad/SKILL.md": "x", "good/SKILL.md": SKILL.format(name="good") + "x"}
    with pytest.raises(import_report.UnreadableSource) as refused:
        load(skills.FORMAT, files, strict=True)
    assert len(refused.value.rows) == 1
    assert load(skills.FORMAT, files, dry_run=True).registered == 1
    assert not Prompt.objects.exists()


def test_links_are_not_followed(load: Load, tmp_path: Path, tmp_path_factory: Any) -> None:
    beside = tmp_path_factory.mktemp("beside")
    (beside / "SKILL.md").write_text(SKILL.format(name="secret") + "x")
    (tmp_path / "linked").symlink_to(beside)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "SKILL.md").symlink_to(beside / "SKILL.md")
    report = load(skills.FORMAT, {"good/SKILL.md": SKILL.format(name="good") + "x"})
    assert [row["file"] for row in report.refused] == ["one/SKILL.md"]
    assert report.registered == 1


def test_a_line_of_another_team_is_left_alone(load: Load) -> None:
    files = {"notes/SKILL.md": SKILL.format(name="notes") + "one"}
    load(skills.FORMAT, files)
    changed = {"notes/SKILL.md": SKILL.format(name="notes") + "two"}
    with pytest.raises(errors.DomainError) as refused:
        load(skills.FORMAT, changed, team="others")
    assert refused.value.code == "name_taken"
    assert Prompt.objects.count() == 1


def test_a_namespace_that_is_none_is_refused_once(load: Load) -> None:
    with pytest.raises(prompts.InvalidPrompt, match="namespace"):
        load(skills.FORMAT, {"a/SKILL.md": SKILL.format(name="a") + "x"}, namespace="No Such")


def test_an_empty_folder_says_what_it_lacks(load: Load) -> None:
    with pytest.raises(import_report.UnreadableSource, match=r"no SKILL\.md in it"):
        load(skills.FORMAT, {"README.md": "x"})


def test_a_dotprompt_keeps_its_variables_and_writes_its_roles_as_lines(load: Load) -> None:
    report = load(dotprompt.FORMAT, {"mail/greet.formal.prompt": GREET})
    prompt = prompts.resolve(reference="dotprompt/mail/greet-formal@1")
    assert prompt.text == (
        "system:\nYou greet people.\nuser:\nSay hello to {{ name }}, {{title}}.\n"
    )
    assert (prompt.variables, prompt.tags) == (["name", "title"], ["type:chat"])
    assert (prompt.title, prompt.preview) == ("greet (formal)", "Says hello.")
    assert "Not kept of the front matter: input, model." in report.notes


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Hi\n{{#if vip}}dear{{/if}}", [(6, "{{#if vip}}"), (6, "{{/if}}")]),
        ("{{> signature}}", [(5, "{{> signature}}")]),
        ("{{json people}}", [(5, "{{json people}}")]),
        ('{{media url=photo}}\n{{role "tool"}}', [(5, "{{media url=photo}}"), (6, '{{role "tool"}}')]),
        ("{{~name~}}", [(5, "{{~name~}}")]),
        ("{{name}} and {name}", [(5, "{name}")]),
        ("\\{{name}}", [(5, "\\{{name}}")]),
        ("{{history}} {{this}} {{x", [(5, "{{history}}"), (5, "{{this}}"), (5, "{{")]),
        ('{{role "system"}}\nuser:\nx', [(6, "user:")]),
    ],
)  # fmt: skip
def test_what_has_no_meaning_here_is_refused_by_name_and_line(
    text: str, places: list[tuple[int, str]], load: Load
) -> None:
    report = load(dotprompt.FORMAT, {"p.prompt": f"---\nmodel: x\nname: p\n---\n{text}"})
    assert _places(report) == [("p.prompt", line, what) for line, what in places]
    assert not Prompt.objects.exists()


def test_braces_that_are_no_variable_stay_letters(load: Load) -> None:
    load(dotprompt.FORMAT, {"p.prompt": 'Answer as {"a": 1} or {b} about {{topic}}.'})
    assert Prompt.objects.get().variables == ["topic"]


def test_a_partial_is_refused(load: Load) -> None:
    report = load(dotprompt.FORMAT, {"_sig.prompt": "Yours", "p.prompt": "x"})
    assert _places(report) == [("_sig.prompt", 1, None)]


def test_a_prompty_becomes_a_chat(load: Load) -> None:
    report = load(prompty.FORMAT, {"ask.prompty": ASK})
    prompt = prompts.resolve(reference="prompty/ask-me@1")
    assert prompt.text == "system:\nYou answer {{ topic }}.\nuser:\n{{question}}"
    assert (prompt.variables, prompt.tags) == (["topic", "question"], ["type:chat", "support"])
    assert "Not kept of the front matter: model." in report.notes


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{{ a | upper }}", [(4, "{{ a | upper }}")]),
        ("x\n{% for a in b %}{% endfor %}", [(5, "{% for a in b %}"), (5, "{% endfor %}")]),
        ("{{- a }}", [(4, "{{- a }}")]),
        ("tool:\nx", [(4, "tool:")]),
        ("user[name=x]:\nx", [(4, "user[name=x]:")]),
        ("user:\n![a](b.png)", [(5, "![a](b.png)")]),
    ],
)
def test_what_a_prompty_does_beyond_texts_is_refused(
    text: str, places: list[tuple[int, str]], load: Load
) -> None:
    report = load(prompty.FORMAT, {"p.prompty": f"---\nname: p\n---\n{text}"})
    assert _places(report) == [("p.prompty", line, what) for line, what in places]


def test_a_template_of_another_language_is_refused(load: Load) -> None:
    head = "---\nname: p\ntemplate:\n  format:\n    kind: {}\n---\nHi {{{{&x}}}}"
    report = load(
        prompty.FORMAT, {"a.prompty": head.format("liquid"), "b.prompty": head.format("mustache")}
    )
    assert [(row["file"], row["field"]) for row in report.refused] == [
        ("a.prompty", "template"),
    ]
    assert Prompt.objects.get().text == "system:\nHi {{x}}"


@pytest.mark.parametrize(
    ("kind", "format"), [("skill", skills.FORMAT), ("dotprompt", dotprompt.FORMAT)]
)
def test_what_a_vault_wrote_comes_back_with_the_same_bytes(
    kind: folder_manifest.FolderKind, format: FileFormat, load: Load
) -> None:
    stall = Stall()
    text = "system:\nHold {name} & {{#if x}} to it.\r\n---\n"
    draft = prompts.PromptDraft(namespace="acme", name="odd", text=text, licence="MIT")
    prompt = prompts.register(
        draft=draft, author=stall.principal(stall.cast.seller), team=stall.cast.sellers
    )
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    files = build_files(exported(stall, [prompt]), kind=kind, signing_keys=[key])
    report = load(format, files)
    assert (report.registered, report.refused, report.read["other_files"]) == (1, [], 2)
    back = Prompt.objects.get(namespace=format.kind)
    assert (back.digest, back.variables, back.licence) == (prompt.digest, prompt.variables, "MIT")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You are careful, {{team}}.\n", "system:\nYou are careful, {{team}}."),
        ("Be careful.\n\nuser:\n{{t}}\n\n", "system:\nBe careful.\nuser:\n{{t}}"),
        ("\nUser:\nHi\n\nassistant:\nYes?\n", "user:\nHi\nassistant:\nYes?"),
    ],
)
def test_a_prompty_is_the_messages_that_prompty_sends(text: str, expected: str, load: Load) -> None:
    """As Prompty 2.1.0 prepares them."""
    load(prompty.FORMAT, {"p.prompty": f"---\nname: p\n---\n{text}"})
    prompt = Prompt.objects.get()
    assert (prompt.text, prompt.tags) == (expected, ["type:chat"])


@pytest.mark.parametrize("kind", ["image", "thread", "file", "audio"])
def test_a_prompty_whose_input_is_no_text_is_refused_by_its_name(kind: str, load: Load) -> None:
    head = f"---\nname: p\ninputs:\n  - name: given\n    kind: {kind}\n---\nuser:\n{{{{given}}}}"
    report = load(prompty.FORMAT, {"p.prompty": head})
    assert _places(report) == [("p.prompty", 2, kind)]
    assert "'given'" in report.refused[0]["message"]


def test_a_prompty_of_nunjucks_is_read(load: Load) -> None:
    head = "---\nname: p\ntemplate:\n  format: {kind: nunjucks}\n---\nuser:\n{{x}}"
    load(prompty.FORMAT, {"p.prompty": head})
    assert Prompt.objects.get().text == "user:\n{{x}}"


def test_text_before_the_first_role_of_a_dotprompt_is_the_users(load: Load) -> None:
    text = 'First a word to {{who}}.\n{{role "system"}}\nBe short.\n{{role "user"}}\nAnswer {{q}}\n'
    load(dotprompt.FORMAT, {"p.prompt": text})
    prompt = Prompt.objects.get()
    assert prompt.tags == ["type:chat"]
    expected = "user:\nFirst a word to {{who}}.\nsystem:\nBe short.\nuser:\nAnswer {{q}}\n"
    assert prompt.text == expected


def test_code_in_a_skill_is_code(load: Load) -> None:
    text = (
        SKILL.format(name="rename")
        + 'Rename {target}, as `{inline}` and {old} say.\n```python\nprint(f"{old} -> {new}")\n```\n'
        + '~~~~sh\nmv "$f" "${f%.txt}.md"\n~~~~\nThen {report}.\n```\n{last}\n'
    )
    load(skills.FORMAT, {"rename/SKILL.md": text})
    assert Prompt.objects.get().variables == ["target", "report"]


def test_hidden_and_linked_folders_are_named(load: Load, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    hidden = {".claude/skills/notes/SKILL.md": SKILL.format(name="notes") + "x"}
    with pytest.raises(import_report.UnreadableSource, match=r"hidden or linked: \.claude, linked"):
        load(skills.FORMAT, hidden)
    report = load(skills.FORMAT, {"a/SKILL.md": SKILL.format(name="a") + "x"})
    assert any("hidden or linked: .claude, linked" in note for note in report.notes)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "github.prompt.yml"
    path.write_text("name: x\nmessages: []\n")
    for format in (dotprompt.FORMAT, prompty.FORMAT, skills.FORMAT):
        with pytest.raises(import_report.UnreadableSource, match="It is no"):
            file_discovery.read_all(path=path, format=format)
