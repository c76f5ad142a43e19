#!/bin/sh
# mypy 2.4.1, the wheel from the package registry (compiled by mypyc), on CPython 3.12.
#
# Guess: `mypy.traverser.TraverserVisitor` is the way to walk mypy's trees from one's own Python, as its plugins and the
#   stub generator do inside the package: a subclass with `visit_name_expr` is called for each name.
# Behaviour: an instance of the subclass cannot be made. Every visitor of the package is a compiled trait or class that admits no
#   interpreted subclass; `mypy.visitor.NodeVisitor` too.
# Output seen: TypeError: interpreted classes cannot inherit from compiled traits
# What works: walk the nodes oneself over the attributes of their classes, or install mypy from source (pure Python).
#
# Ends with 0 where it is still so, with 1 where that changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: mypy==2.4.1
"$folder/venv/bin/python" - <<'PY'
import sys

from mypy.traverser import TraverserVisitor
from mypy.visitor import NodeVisitor

for visitor in (TraverserVisitor, NodeVisitor):
    try:
        type("Names", (visitor,), {})()
    except TypeError as refused:
        print(f"{visitor.__name__}: TypeError: {refused}")
        if "compiled trait" not in str(refused):
            sys.exit(1)
    else:
        print(f"{visitor.__name__} can be subclassed now")
        sys.exit(1)
PY
