"""Small things that are huge once they are unfolded: documents, schemas, patterns."""

from typing import Any

YAML = {
    "aliases of aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)),
    "merges of merges": "a0: &a0 {k: 1}\n"
    + "".join(
        f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n  k{n}: 1\n" for n in range(1, 30)
    ),
    "one long text, often": f"a: &a {'x' * 90_000}\nb: [{', '.join(['*a'] * 900)}]\n",
}
"""By name. Written out each takes gigabytes, or tens of megabytes."""

CATASTROPHIC = "(a+)+$"
"""A pattern for which a backtracking matcher takes twice as long for each `a` more, where something else follows."""
AS = "a" * 100_000 + "!"


def doubling(*, levels: int = 30) -> dict[str, Any]:
    """A schema each level of which asks twice for the next."""
    chain = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]}
        for n in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": chain | {f"a{levels}": {"type": "integer"}}}


def clause(kind: str, value: Any, *, id_: str = "c", applies_to: str = "output") -> dict[str, Any]:
    """A clause that warns."""
    return {
        "id": id_, "text": "A rule.", "severity": "warn", "applies_to": applies_to,
        "check": {"kind": kind, "value": value},
    }  # fmt: skip
