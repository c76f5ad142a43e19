"""How many checks of each kind a second, on texts of 1,000 and 100,000 characters, and what the default codex costs.

Run from the repository root: python -m benchmarks.clauses.rates [--seconds 0.3] [--json]

The peer, in the same run on the same text: `re` for patterns, jsonschema as it comes for schemas (both without bounds),
one `in` of the standard library for the others. A ratio of 0.1 means a tenth as many as the peer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import click
import jsonschema

from mintmark.registry import default_codex
from mintmark.textchecks import clauses

SENTENCE = "Sort the ticket by urgency, then say in one line why {ticket} comes first. "
LENGTHS = (1_000, 100_000)
VALUES: dict[str, object] = {
    "contains": "nowhere to be found",
    "not-contains": "nowhere to be found",
    "regex": r"(?i)\bby urgency\b.*\z",
    "not-regex": r"(?i)\b(?:password|secret)\s*[:=]",
    "max-tokens": 1_000_000,
    "required-variables": "ticket",
    "json-schema": {
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {"id": {"type": "integer"}, "why": {"pattern": "^Sort"}},
                },
            }
        },
    },
    "no-hidden-unicode": None,
    "no-secrets": None,
    "no-unfilled-variables": None,
    "language": "en",
    "similarity": {"reference": SENTENCE, "at_least": 0.1},
}


def text_of(kind: str, *, length: int) -> str:
    """A text of about this length that the check has to read to its end."""
    if kind == "json-schema":
        one = {"id": 1, "why": SENTENCE}
        count = max(1, length // (len(json.dumps(one)) + 2))
        return json.dumps({"items": [one] * count})
    return (SENTENCE * (length // len(SENTENCE) + 1))[:length]


def rate(check: Callable[[], object], *, seconds: float) -> float:
    """Calls a second, counted for so long, after one that warms up."""
    check()
    calls, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        check()
        calls += 1
    return calls / elapsed


def peer_of(kind: str, *, text: str) -> Callable[[], object]:
    """What others would do in the place of this check."""
    value = VALUES.get(kind)
    if kind in ("regex", "not-regex"):
        pattern = re.compile(str(value).replace(r"\z", r"\Z"))
        return lambda: pattern.search(text)
    if kind == "json-schema":
        validator = jsonschema.Draft202012Validator(value)
        return lambda: validator.is_valid(json.loads(text))
    return lambda: "nowhere to be found" in text


def clause(kind: str) -> dict[str, object]:
    """One clause of this kind, on outputs if it can be."""
    on = "prompt" if kind == "required-variables" else "output"
    check = {"kind": kind, "value": VALUES[kind]}
    return {"id": kind, "text": "…", "severity": "warn", "applies_to": on, "check": check}


def measure(*, seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """By length of the text and kind of check: checks a second, and their ratio to the peer's."""
    told: dict[str, dict[str, dict[str, float]]] = {}
    for length in LENGTHS:
        rows = told[f"{length:,} characters"] = {}
        for kind in VALUES:
            text, one = text_of(kind, length=length), [clause(kind)]
            peer = rate(peer_of(kind, text=text), seconds=seconds)
            if kind == "required-variables":
                found = rate(
                    lambda text=text, one=one: clauses.evaluate_prompt_text(
                        clauses=one, text=text, variables=["ticket"]
                    ),
                    seconds=seconds,
                )
            else:
                found = rate(
                    lambda text=text, one=one: clauses.evaluate_output(
                        clauses=one, text=text, variables=["x"]
                    ),
                    seconds=seconds,
                )
            rows[kind] = {"per_second": found, "of_peer": found / peer}
        text = text_of("contains", length=length)
        found = rate(
            lambda text=text: clauses.evaluate_prompt_text(
                clauses=default_codex.CLAUSES, text=text, variables=["ticket"]
            ),
            seconds=seconds,
        )
        peer = rate(peer_of("contains", text=text), seconds=seconds)
        rows["the default codex on a prompt"] = {"per_second": found, "of_peer": found / peer}
    return told


@click.command()
@click.option("--seconds", default=0.3, show_default=True, type=click.FloatRange(0.01, 60))
@click.option("--json", "as_json", is_flag=True)
def main(*, seconds: float, as_json: bool) -> None:
    """Print a table a length, or the same as JSON."""
    told = measure(seconds=seconds)
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for length, rows in told.items():
        click.echo(f"\n| {length} | checks/s | of the peer |\n|---|---|---|")
        for kind, row in rows.items():
            click.echo(f"| {kind} | {row['per_second']:,.0f} | {row['of_peer']:,.4f} |")


if __name__ == "__main__":
    main()
