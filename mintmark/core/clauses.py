"""Clauses of a codex that are decided by reading a prompt's text: what each check says, and what it can't decide."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.core import unicode

TEXT_KINDS = ("contains", "not-contains", "required-variables", "no-hidden-unicode")
"""The kinds of checks that are decided here; a text is compared without regard to case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one clause says of a text. `holds` is None where this check can't be decided from the text; `why` then says
    so, and where it fails, what was found."""

    clause: str
    text: str
    severity: str
    holds: bool | None
    why: str

    @property
    def blocks(self) -> bool:
        """Whether it stands in the way: a blocking clause that fails, or that nobody could check."""
        return self.severity == "block" and self.holds is not True


def of_text(
    *, clauses: Sequence[Mapping[str, Any]], text: str, variables: Sequence[str]
) -> list[Verdict]:
    """What the clauses that apply to a prompt's text say of it, in their order; `variables` are its placeholders."""
    return [
        _verdict(clause, text=text, variables=variables)
        for clause in clauses
        if clause.get("applies_to") == "prompt"
    ]


def _verdict(clause: Mapping[str, Any], *, text: str, variables: Sequence[str]) -> Verdict:
    check = clause.get("check")
    holds, why = _checked(check if isinstance(check, Mapping) else {}, text, variables)
    return Verdict(
        clause=str(clause.get("id", "")),
        text=str(clause.get("text", "")),
        severity=str(clause.get("severity", "block")),
        holds=holds,
        why=why,
    )


def _checked(
    check: Mapping[str, Any], text: str, variables: Sequence[str]
) -> tuple[bool | None, str]:
    kind, value = check.get("kind"), check.get("value")
    words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    folded = text.casefold()
    if kind == "contains" and words:
        missing = [word for word in map(str, words) if word.casefold() not in folded]
        return not missing, f"it lacks {', '.join(map(repr, missing))}" if missing else ""
    if kind == "not-contains" and words:
        found = [word for word in map(str, words) if word.casefold() in folded]
        return not found, f"it says {', '.join(map(repr, found))}" if found else ""
    if kind == "required-variables" and words:
        lacking = [name for name in map(str, words) if name not in variables]
        return not lacking, f"it lacks the variables {', '.join(lacking)}" if lacking else ""
    if kind == "no-hidden-unicode":
        places = unicode.hidden(text)
        if not places:
            return True, ""
        first = places[0]
        return False, f"it hides {first.name} at line {first.line}, column {first.column}"
    shown = re.sub(r"[^\w-]", "", str(kind))[:40] or "no kind"
    return None, f"a check of the kind {shown!r} can't be decided from the text here"
