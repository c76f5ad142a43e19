"""Names that docstrings quote in backquotes exist: a renamed parameter is not quoted by its old name."""

import ast
import re
from pathlib import Path

import mintmark

PACKAGE = Path(mintmark.__file__).parent
CHECKED = [
    "accounts",
    "common",
    "evidence",
    "experiments",
    "projection",
    "ratelimit",
    "registry",
    "reputation",
    "rituals",
    "scoring",
    "signing",
    "simulation",
    "storage",
    "textchecks",
    "trust",
    "webhooks",
]
OTHERS = {"fast", "math", "fastmath", "parallel", "with", "code", "embeddings", "lineage"}
"""Quoted names that are not of the module: extras, options of numba, words of Python, inherited fields, references."""


def _collect_names(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.update(node.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # What a docstring quotes is not a proof that it exists; any other text (a column, a code) is.
            names.update(
                re.findall(r"\w+", re.sub(r"`[^`]*`", "", node.value))
                if "\n" not in node.value
                else ()
            )
    return names


def test_docstrings_quote_names_that_exist() -> None:
    files = [file for package in CHECKED for file in sorted((PACKAGE / package).rglob("*.py"))]
    trees = {file: ast.parse(file.read_text()) for file in files}
    defined = {file.stem for file in files} | OTHERS
    for tree in trees.values():
        defined |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    stale = []
    for file, tree in trees.items():
        known = _collect_names(tree) | defined | set(re.findall(r'"(\w+)"', file.read_text()))
        for node in ast.walk(tree):
            if not isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
            ):
                continue
            quoted = re.findall(r"`([A-Za-z_]\w*)`", ast.get_docstring(node) or "")
            where = f"{file.relative_to(PACKAGE)} {getattr(node, 'name', '')}"
            stale += [f"{where}: `{name}`" for name in quoted if name not in known]
    assert not stale, "Quoted in a docstring, and there is no such name: " + "; ".join(stale)
