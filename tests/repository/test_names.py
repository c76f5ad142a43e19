"""Names that a stranger can read: what CONTRIBUTING.md asks of functions, classes and variables is held here."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "mintmark"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)

# Irregular participles; regular ones end in "ed".
PARTICIPLES = frozenset(
    {
        "begun",
        "bought",
        "bound",
        "brought",
        "broken",
        "built",
        "caught",
        "chosen",
        "done",
        "drawn",
        "fed",
        "felt",
        "forgotten",
        "found",
        "given",
        "gone",
        "heard",
        "held",
        "hidden",
        "kept",
        "known",
        "laid",
        "left",
        "lent",
        "lost",
        "made",
        "met",
        "paid",
        "said",
        "seen",
        "sent",
        "shown",
        "sold",
        "spent",
        "spoken",
        "stood",
        "stuck",
        "taken",
        "taught",
        "thought",
        "told",
        "understood",
        "won",
        "written",
    }
)
# These end in "ed" and are verbs or nouns.
NO_PARTICIPLES = frozenset(
    {"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed", "succeed"}
)
# A variable with one of these names says nothing of what it holds.
EMPTY_VARIABLES = frozenset(
    {"one", "told", "made", "kept", "said", "says", "asked", "typed", "theirs"}
)
# A member of the JSON of the API or of MCP with one of these names says nothing to those who read it.
EMPTY_MEMBERS = EMPTY_VARIABLES | {"mine", "held", "moved"}
# A class of one of these names needs its noun.
EMPTY_CLASSES = frozenset(
    {
        "Line",
        "Typed",
        "Told",
        "Asked",
        "Found",
        "Made",
        "Part",
        "Row",
        "Place",
        "Seen",
        "Listed",
        "Tried",
        "Look",
    }
)
# A class name stands once; these are Django's and enums inside their class, or public names of the client.
REPEATED_CLASSES = frozenset({"Meta", "Kind", "State", "Cause", "Prompt"})
# What a framework calls by this name, or a command whose word is its function's name.
ALLOWED_FUNCTIONS = {
    "mintmark/cli/royalties.py": {"owed"},
    "mintmark/cli/vault_keys.py": {"trusted"},
}


def _is_participle(name: str) -> bool:
    word = name.lstrip("_")
    if "_" in word or word in NO_PARTICIPLES:
        return False
    return word in PARTICIPLES or bool(re.fullmatch(r"[a-z]{2,}ed", word))


def _is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = (ast.unparse(decorator) for decorator in function.decorator_list)
    return any("property" in decorator or decorator.endswith("setter") for decorator in decorators)


def _walk(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text()))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in _walk(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node):
            yield node


def _place(path: Path, node: ast.expr | ast.stmt | ast.arg, name: str) -> str:
    return f"{path.relative_to(PACKAGE.parent)}:{node.lineno} {name}"


def test_a_function_is_a_verb_and_no_participle() -> None:
    wrong = [
        _place(path, function, function.name)
        for path in FILES
        for function in _functions(path)
        if _is_participle(function.name)
        and function.name not in ALLOWED_FUNCTIONS.get(str(path.relative_to(PACKAGE.parent)), ())
    ]
    assert wrong == []


def test_no_function_is_called_of() -> None:
    wrong = [
        _place(path, function, function.name)
        for path in FILES
        for function in _functions(path)
        if function.name.lstrip("_") == "of" or function.name.endswith("_of")
    ]
    assert wrong == []


def test_a_class_name_stands_once_and_carries_its_noun() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in _walk(path):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(_place(path, node, node.name))
    repeated = {
        name: where
        for name, where in places.items()
        if len(where) > 1 and name not in REPEATED_CLASSES
    }
    assert repeated == {}
    assert [places[name] for name in EMPTY_CLASSES & places.keys()] == []


def test_a_variable_says_what_it_holds() -> None:
    wrong = []
    for path in FILES:
        # The fields of a class may be columns; members of JSON are checked below.
        for node in (inner for function in _functions(path) for inner in ast.walk(function)):
            if isinstance(node, ast.arg) and node.arg in EMPTY_VARIABLES:
                wrong.append(_place(path, node, node.arg))
            elif (
                isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Store)
                and node.id in EMPTY_VARIABLES
            ):
                wrong.append(_place(path, node, node.id))
    assert wrong == []


def test_a_member_of_json_says_what_it_holds() -> None:
    wrong = [
        _place(path, field.target, field.target.id)
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] in ("api", "mcp")
        for node in _walk(path)
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and field.target.id in EMPTY_MEMBERS
    ]
    assert wrong == []
