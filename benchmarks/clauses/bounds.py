"""What the worst patterns, schemas, texts and codices take: seconds, and what is said of them.

Run from the repository root: python -m benchmarks.clauses.bounds [--json]

The peer is `re` of the standard library on the same pattern, with a text that it can just bear.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import click

from mintmark.textchecks import clauses

AS = 100_000
# As many as `re` can bear: each more doubles its time.
FEW_AS = 22


def _clause(kind: str, value: Any, *, name: str = "c") -> dict[str, Any]:
    return {
        "id": name,
        "text": "…",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": kind, "value": value},
    }


def _doubling(levels: int = 30) -> dict[str, Any]:
    """A schema each level of which asks twice for the next."""
    chain = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]}
        for n in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": chain | {f"a{levels}": {"type": "integer"}}}


def _said(check: list[dict[str, Any]], text: str) -> str:
    if rows := clauses.find_problems(clauses=check):
        return f"refused: {rows[0]['message']}"
    verdict = clauses.evaluate_output(clauses=check, text=text)[-1]
    return (
        f"{ {True: 'kept', False: 'broken', None: 'undecided'}[verdict.holds] }: {verdict.reason}"
    )


def _peer() -> str:
    found = re.search("(a+)+$", "a" * FEW_AS + "!")
    return "kept" if found else "broken"


def cases() -> dict[str, Callable[[], str]]:
    """What is tried, by its name."""
    huge = "The quick brown fox. " * 500_000
    large_value = json.dumps([1] * 160_000)
    many = [_clause("contains", "x", name=f"c{n}") for n in range(100_000)]
    slow = [_clause("regex", f"[ab]*a[ab]{{300}}c{n}", name=f"c{n}") for n in range(300)]
    ab = "ab" * 100_000
    return {
        f"(a+)+$ on {FEW_AS} a, by re": _peer,
        f"(a+)+$ on {AS:,} a": lambda: _said([_clause("regex", "(a+)+$")], "a" * AS + "!"),
        "the slowest pattern that is tried": lambda: _said(
            [_clause("regex", "[ab]*a[ab]{900}c")], ab
        ),
        "300 slow patterns on one text": lambda: _said(slow, ab),
        "10 MB, a pattern": lambda: _said([_clause("not-regex", "(?i)cat|dog")], huge),
        "10 MB, a schema": lambda: _said([_clause("json-schema", {"type": "object"})], huge),
        "10 MB, secrets": lambda: _said([_clause("no-secrets", None)], huge),
        "10 MB, likeness": lambda: _said(
            [_clause("similarity", {"reference": huge[:10_000], "at_least": 0.5})], huge
        ),
        "a schema that doubles 30 times": lambda: _said([_clause("json-schema", _doubling())], "1"),
        "a schema that asks for itself": lambda: _said(
            [_clause("json-schema", {"$ref": "#"})], "1"
        ),
        "900 schemas for each of 160,000": lambda: _said(
            [_clause("json-schema", {"items": {"not": {"anyOf": [{"type": "string"}] * 900}}})],
            large_value,
        ),
        "a schema elsewhere": lambda: _said(
            [_clause("json-schema", {"$ref": "https://example.org/s.json"})], "1"
        ),
        "JSON nested 100,000 deep": lambda: _said([_clause("json-schema", {})], "[" * 100_000),
        "a codex of 100,000 clauses": lambda: (
            f"over {clauses.MAX_CLAUSES}, so refused; checked all the same: {_said(many, 'y')}"
        ),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(*, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    told = {}
    for name, tried in cases().items():
        begun = time.perf_counter()
        said = tried()
        told[name] = {"seconds": time.perf_counter() - begun, "said": said}
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo("| tried | seconds | said |\n|---|---|---|")
    for name, row in told.items():
        click.echo(f"| {name} | {row['seconds']:.3f} | {str(row['said'])[:90]} |")


if __name__ == "__main__":
    main()
