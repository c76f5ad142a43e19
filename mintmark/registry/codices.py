"""Codices: versioned rule sets in plain words, and the contracts that bind prompts to them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Max

from mintmark.core import errors

from .models import Codex, CodexContract, Prompt

SEVERITIES = ("warn", "block")
APPLIES_TO = ("prompt", "output")


class InvalidCodex(errors.Refusal):
    """A codex can't be registered: a clause lacks something."""

    code = "invalid_codex"


def register(*, name: str, clauses: Sequence[Mapping[str, Any]], description: str = "") -> Codex:
    """Register a rule set; the same clauses again return what is there, changed ones become the next version.

    Each clause has `id`, `text` (plain words), `severity` (warn, block), `applies_to` (prompt, output) and `check`.
    """
    problems = [row for n, clause in enumerate(clauses) for row in _problems(clause, row=n)]
    if not name.strip() or name.isdigit() or len(name) > 200 or not clauses:
        raise InvalidCodex(
            "A codex needs a name of 1 to 200 characters, not digits alone, and at least one clause."
        )
    if problems:
        raise InvalidCodex(f"Clause {problems[0]['row']}: {problems[0]['message']}", rows=problems)
    versions = Codex.objects.filter(name=name)
    newest = versions.order_by("-version").first()
    wanted = [dict(clause) for clause in clauses]
    if newest is not None and newest.clauses == wanted:
        return newest
    number = (versions.aggregate(last=Max("version"))["last"] or 0) + 1
    return Codex.objects.create(name=name, version=number, description=description, clauses=wanted)


def bind(*, prompt: Prompt, codex: Codex) -> CodexContract:
    """Bind a prompt to a codex; binding it again changes nothing."""
    return CodexContract.objects.get_or_create(prompt=prompt, codex=codex)[0]


def named(*, reference: str) -> Codex:
    """The codex with this id, `name@version`, or `name` (its newest version)."""
    name, _, version = reference.rpartition("@")
    found = None
    if name and version.isascii() and version.isdigit() and len(version) < 10:
        found = Codex.objects.filter(name=name, version=int(version)).first()
    if found is None:
        found = Codex.objects.filter(name=reference).order_by("-version").first()
    if found is None and reference.isascii() and reference.isdigit() and len(reference) < 19:
        found = Codex.objects.filter(pk=int(reference)).first()
    if found is None:
        raise errors.NotFound(f"No codex {reference[:200]!r}: give its name, name@version or id.")
    return found


def _problems(clause: Mapping[str, Any], *, row: int) -> list[errors.Row]:
    found = []
    for field in ("id", "text"):
        value = clause.get(field)
        if not isinstance(value, str) or not value.strip():
            found.append(
                errors.Row(row=row, field=field, value=value, message=f"{field} is missing.")
            )
    for field, allowed in (("severity", SEVERITIES), ("applies_to", APPLIES_TO)):
        if clause.get(field) not in allowed:
            found.append(
                errors.Row(
                    row=row,
                    field=field,
                    value=clause.get(field),
                    message=f"{field} is one of {', '.join(allowed)}.",
                )
            )
    return found
