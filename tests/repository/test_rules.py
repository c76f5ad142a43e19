"""The rules of the house, as far as a machine can hold them."""

import ast
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from importlinter import cli
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

MAX_LINES = 600

# Spelled so that this file does not break the rule itself.
FOREIGN = re.compile(
    r"pypi\.o[r]g|pythonhosted\.o[r]g|registry\.npmj[s]|index-ur[l]\s|[-]-index[ =]"
    r"|(?<![\w$}.])/(?:roo[t]|wor[k]/(?:main|shared)|home/\w+|Users/\w+)/"
)


def _files() -> list[Path]:
    """Everything that is or could be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _text(path: Path) -> str:
    """The content of a text file; nothing of a binary one."""
    content = path.read_bytes()
    return "" if b"\0" in content[:8192] else content.decode(errors="replace")


def _modules() -> list[Path]:
    return [path for path in (ROOT / "mintmark").rglob("*.py") if "migrations" not in path.parts]


def _declared() -> list[Requirement]:
    """All packages that pyproject.toml asks for."""
    project = PROJECT["project"]
    groups = chain(
        [project["dependencies"]],
        project["optional-dependencies"].values(),
        PROJECT["dependency-groups"].values(),
    )
    return [Requirement(line) for line in chain(*groups) if isinstance(line, str)]


def _pinned(file: str) -> dict[str, Requirement]:
    text = (ROOT / "requirements" / file).read_text()
    lines = re.findall(r"^([a-z0-9].*?)(?: ;.*)? \\$", text, flags=re.MULTILINE)
    return {pin.name: pin for pin in map(Requirement, lines)}


def test_imports_go_down_only(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_file_names_a_package_index_or_a_folder_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {hit.group()}"
        for path in _files()
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if (hit := FOREIGN.search(line))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "https://pypi.o" + "rg/simple",
        "--index" + "-url https://mirror",
        "open('/ro" + "ot/x')",
        "/wor" + "k/main/docs",
        "see /ho" + "me/ann/notes",
    ],
)
def test_an_index_or_a_folder_of_one_machine_is_recognised(line: str) -> None:
    assert FOREIGN.search(line)


def test_every_dependency_has_a_line_in_the_docs_and_every_line_its_dependency() -> None:
    rows = re.findall(
        r"^\| `([\w.-]+)`", (ROOT / "docs/dependencies.md").read_text(), flags=re.MULTILINE
    )
    assert sorted(rows) == sorted({declared.name for declared in _declared()})


def test_every_dependency_is_pinned_within_what_is_declared() -> None:
    pinned = _pinned("dev.txt")
    for declared in _declared():
        assert declared.name in pinned, f"{declared} is not pinned: run `make lock`"
        (pin,) = pinned[declared.name].specifier
        assert declared.specifier.contains(pin.version), f"{declared} is pinned{pin}: `make lock`"


def test_what_runs_is_what_is_tested() -> None:
    base, dev = _pinned("base.txt"), _pinned("dev.txt")
    assert base
    assert {name: dev[name].specifier for name in base} == {
        name: pin.specifier for name, pin in base.items()
    }


def test_every_pin_carries_a_hash() -> None:
    for file in ("base.txt", "dev.txt", "uv.txt"):
        blocks = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements" / file).read_text(), flags=re.M)
        for block in filter(str.strip, blocks):
            assert "--hash=sha256:" in block, block


def test_a_module_holds_one_idea() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in _modules()}
    long = {str(path): lines for path, lines in lengths.items() if lines > MAX_LINES}
    assert not long, f"More than {MAX_LINES} lines; make two nouns of each: {long}"


def test_files_are_nouns() -> None:
    vague = {"utils.py", "helpers.py", "services.py", "managers.py", "common.py", "misc.py"}
    assert not [path for path in _modules() if path.name in vague]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _modules()
        if path.name not in ("__init__.py", "apps.py")
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, silent


def test_ci_runs_what_the_readme_tells_a_newcomer_to_run() -> None:
    assert "exec make test" in (ROOT / ".ci/run").read_text()
    readme = (ROOT / "README.md").read_text()
    assert "make test" in readme
    assert "make demo" in readme


def test_a_marker_that_says_where_a_test_runs_gives_the_reason() -> None:
    used = re.compile(r"mark\.(?:both|nightly|postgres_by_day)\b(.{0,20})", re.DOTALL)
    reason = re.compile(r"\(\s*\"\w")
    bare = [
        f"{path}: {found.group()!r}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for found in used.finditer(path.read_text())
        if not reason.match(found.group(1))
    ]
    assert bare == []


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    explained = re.findall(r"^([a-z]+):.*## \S", makefile, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(explained)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert not [target for target in explained if f"make {target}" not in contributing]
