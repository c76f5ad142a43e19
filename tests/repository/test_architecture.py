"""docs/architecture.md and CONTRIBUTING.md name packages, files and functions that exist."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
MAX_FILES = 5

_STEP = re.compile(r"^\d+\. `(mintmark/[\w./]+)`:(.*?)(?=^\d+\. |^$)", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"`([\w.]+)\(\)`")


def _section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level, _, _ = title.partition(" ")
    below = text.split(f"\n{title}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def _walks() -> dict[str, list[tuple[str, list[str]]]]:
    """Each walk's files in order, with the functions and classes to look for in them."""
    parts = re.split(r"^### (.+)$", _section(PAGE, "## Four walks"), flags=re.MULTILINE)[1:]
    return {
        title: [(path, _CALL.findall(told)) for path, told in _STEP.findall(text + "\n\n")]
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _names(path: Path) -> set[str]:
    """What a file defines: functions, classes, methods (`Class.method` as well), and module-level names."""
    if path.suffix != ".py":
        return set(re.findall(r"\w+", path.read_text()))
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{member.name}"
                for member in node.body
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
    return names


def _packages() -> set[str]:
    return {path.parent.name for path in (ROOT / "mintmark").glob("*/__init__.py")}


def _floors() -> list[tuple[str, str]]:
    """Each package with the number of its floor, as import-linter is told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {each["id"]: each for each in project["tool"]["importlinter"]["contracts"]}
    return [
        (str(number), package)
        for number, floor in enumerate(contracts["floors"]["layers"], start=1)
        for package in floor.split(" | ")
    ]


def test_the_table_of_packages_is_that_of_the_floors() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", _section(PAGE, "## Packages"), re.MULTILINE)
    assert rows == _floors()


def test_every_package_stands_in_the_list_of_contributing() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|", _section(GUIDE, "## Packages"), re.MULTILINE)
    assert sorted(rows) == sorted(_packages()), "CONTRIBUTING.md lists each folder of mintmark/"
    assert rows == [package for _, package in _floors()], "in the order of the floors"


@pytest.mark.parametrize("title", _walks())
def test_a_walk_leads_through_at_most_five_files_that_hold_what_it_names(title: str) -> None:
    steps = _walks()[title]
    assert 2 <= len({path for path, _ in steps}) <= MAX_FILES, steps
    for path, names in steps:
        assert names, f"{path}: name a function to look for, as `name()`"
        missing = set(names) - _names(ROOT / path)
        assert not missing, f"{path} defines no {sorted(missing)}"


def test_the_walks_are_those_that_a_newcomer_asks_for() -> None:
    assert sorted(_walks()) == sorted(WALKS)


WALKS = ["An outcome", "A purchase", "A bundle import", "A run of a task"]
KINDS = {"Component": 4, "Model": 4, "Route": 3, "Feature": 15}


def _answers() -> list[tuple[str, str, str]]:
    """The rows of "Where is ...?": kind, path, and what to look for there."""
    rows = re.findall(
        r"^\| (\w+) \| [^|]+ \| `([\w./]+)` \| `([\w./<>-]+)` \|$",
        _section(GUIDE, "## Where is ...?"),
        re.MULTILINE,
    )
    assert rows
    return rows


def test_where_is_answers_for_what_was_specified_and_for_everyday_features() -> None:
    kinds = [kind for kind, _, _ in _answers()]
    for kind, least in KINDS.items():
        assert kinds.count(kind) >= least, f"{kind}: {kinds.count(kind)} of {least}"
    table = _section(GUIDE, "## Where is ...?")
    assert len(kinds) == len(re.findall(r"^\| ", table, re.MULTILINE)) - 1, "a row can't be read"


@pytest.mark.parametrize(("kind", "path", "name"), _answers())
def test_where_is_names_a_file_that_holds_it(kind: str, path: str, name: str) -> None:
    place = ROOT / "mintmark" / path
    assert place.exists(), f"{path} is not in mintmark/"
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    if kind == "Route":
        urls = (ROOT / "mintmark/web/urls.py").read_text()
        assert re.sub(r"<\w+>", "<id:", name).split("<id:")[0].lstrip("/") in urls
        assert name in place.read_text(), f"{path} names no {name}"
    else:
        assert any(name in _names(file) for file in files), f"{path} defines no {name}"


def test_every_decision_has_its_line() -> None:
    folder = ROOT / "docs/adr"
    listed = re.findall(r"^\| \[\d+\]\(([\w.-]+)\) \|", (folder / "README.md").read_text(), re.M)
    assert listed == sorted(path.name for path in folder.glob("0*.md"))
