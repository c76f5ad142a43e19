"""Clauses of a codex: what is wrong with one, what it says of a prompt's text or of an output, and what can't be said.

A clause is data: `id`, `text` (plain words), `severity` (warn, block), `applies_to` (prompt, output) and `check`, a
kind and its value (`checks`). Checking a text takes bounded work whatever the clauses are; what the bounds leave open
is undecided, and what is undecided is never taken as kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import checks, errors, excerpts, findings, patterns, schema_budget, schemas
from .checks import Subject
from .findings import Finding

SEVERITIES = ("warn", "block")
APPLIES_TO = (checks.PROMPT, checks.OUTPUT)
MOST_CLAUSES = 500
LONGEST_CODEX = 250_000
"""Clauses of a codex, and their characters as JSON: `registry.codices` holds to it."""
LARGEST_CODEX = 100_000
"""How large the patterns and schemas of a codex may be together (`patterns.Pattern.size`, `schemas.LARGEST`)."""
LONGEST_ID, LONGEST_TEXT = 60, 1_000
LONGEST_SUBJECT = 500_000
"""Characters after which a text is cut before it is checked."""
MOST_WORK_OF_ONE = schema_budget.MOST_WORK
MOST_WORK = 5 * MOST_WORK_OF_ONE
"""Work that one check may take, and all that a text is checked for at once."""
_MEMBERS = frozenset(("id", "text", "severity", "applies_to", "check"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one clause says of a text. `holds` is None where it can't be decided; `why` then says so, and where it
    fails, what was found; `span` (offsets in the text, the end excluded) and `excerpt` (at most 80 characters, hidden
    ones made visible, secrets left out) show the place."""

    clause: str
    text: str
    severity: str
    holds: bool | None
    why: str
    codex: str = ""
    kind: str = ""
    span: tuple[int, int] | None = None
    excerpt: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it stands in the way: a blocking clause that fails, or that nobody could check."""
        return self.severity == "block" and self.holds is not True


def of_text(
    *,
    clauses: Sequence[Mapping[str, Any]],
    text: str,
    variables: Sequence[str],
    codex: str = "",
) -> list[Verdict]:
    """What the clauses that apply to a prompt's text say of it, in their order; `variables` are its placeholders."""
    subject = Subject(text=text[:LONGEST_SUBJECT], of=checks.PROMPT, variables=variables)
    return _verdicts(clauses, subject, codex=codex, is_cut=len(text) > LONGEST_SUBJECT)


def of_output(
    *,
    clauses: Sequence[Mapping[str, Any]],
    text: str,
    variables: Sequence[str] | None = None,
    codex: str = "",
) -> list[Verdict]:
    """What the clauses that apply to outputs say of one, in their order; `variables` are those of the prompt that it
    answers, None where they aren't known."""
    subject = Subject(text=text[:LONGEST_SUBJECT], of=checks.OUTPUT, variables=variables)
    return _verdicts(clauses, subject, codex=codex, is_cut=len(text) > LONGEST_SUBJECT)


def problems(*, clauses: Sequence[Mapping[str, Any]]) -> list[errors.Row]:
    """Everything that is wrong with the clauses of a codex, each with its row and field; at most 100."""
    found: list[errors.Row] = []
    seen: dict[str, int] = {}
    size = 0
    for row, clause in enumerate(clauses):
        wrong = _problems(clause, row=row)
        name = str(clause.get("id")) if isinstance(clause, Mapping) else ""
        if not wrong and seen.setdefault(name, row) != row:
            message = f"The id {name!r} is that of clause {seen[name]}; each has its own."
            wrong.append(errors.Row(row=row, field="id", value=name, message=message))
        if not wrong:
            size += _size(clause["check"])
            if size > LARGEST_CODEX:
                message = "The patterns and schemas of the codex are too large together."
                wrong.append(errors.Row(row=row, field="check.value", value="", message=message))
        found += wrong
        if len(found) >= 100 or size > LARGEST_CODEX:
            break
    return found[:100]


def _verdicts(
    clauses: Sequence[Mapping[str, Any]], subject: Subject, *, codex: str, is_cut: bool
) -> list[Verdict]:
    found = []
    left = MOST_WORK
    for clause in clauses:
        if clause.get("applies_to") != subject.of:
            continue
        check = clause.get("check")
        check = check if isinstance(check, Mapping) else {}
        finding, work = _found(check, subject, left=left)
        left -= work
        if is_cut:
            finding = _of_the_whole(finding, check)
        broken_at = finding.span if finding.holds is False else None
        found.append(
            Verdict(
                clause=str(clause.get("id", "")),
                text=str(clause.get("text", "")),
                severity=str(clause.get("severity", "block")),
                holds=finding.holds,
                why=finding.why,
                codex=codex,
                kind=str(check.get("kind", "")),
                span=broken_at,
                excerpt=excerpts.around(subject.text, broken_at) if broken_at else "",
            )
        )
    return found


def _found(check: Mapping[str, Any], subject: Subject, *, left: int) -> tuple[Finding, int]:
    """What a check finds, and the work that it took."""
    kind, value = checks.KINDS.get(str(check.get("kind"))), check.get("value")
    if kind is None:
        shown = "".join(c for c in str(check.get("kind")) if c.isalnum() or c in "-_")[:40]
        says = f"a check of the kind {shown or 'no kind'!r} can't be decided here"
        return findings.undecided(says), 0
    if kind.only not in (None, subject.of):
        return findings.undecided(f"such a check is for the {kind.only} alone"), 0
    if fault := kind.fault(value):
        return findings.undecided(f"the clause can't be used: {fault}"), 0
    work = kind.work(value, subject.text)
    if work > MOST_WORK_OF_ONE:
        return findings.undecided("the text is too long for this check"), 0
    if work > left:
        return findings.undecided("the clauses before it took all the work that is allowed"), 0
    finding = kind.find(value, subject)
    return finding, work + finding.work


def _of_the_whole(finding: Finding, check: Mapping[str, Any]) -> Finding:
    """What a finding on the beginning of a text says of all of it."""
    stands = checks.KINDS[str(check.get("kind"))].stands if finding.holds is not None else None
    if finding.holds is None or finding.holds is stands:
        return finding
    return findings.undecided(f"the text goes on after the {LONGEST_SUBJECT:,} characters checked")


def _size(check: Mapping[str, Any]) -> int:
    if check["kind"] in ("regex", "not-regex"):
        return patterns.compiled(check["value"]).size
    return schemas.compiled(check["value"]).size if check["kind"] == "json-schema" else 0


def _problems(clause: Mapping[str, Any], *, row: int) -> list[errors.Row]:
    found: list[errors.Row] = []

    def refuse(field: str, value: object, message: str) -> None:
        found.append(errors.Row(row=row, field=field, value=value, message=message))

    if not isinstance(clause, Mapping):
        refuse("", clause, f"A clause is an object of {', '.join(sorted(_MEMBERS))}.")
        return found
    for field, longest in (("id", LONGEST_ID), ("text", LONGEST_TEXT)):
        value = clause.get(field)
        if value is None or value == "":
            refuse(field, value, f"{field} is missing.")
        elif (
            not isinstance(value, str)
            or value != value.strip()
            or not value.isprintable()
            or len(value) > longest
        ):
            refuse(field, value, f"{field} is 1 to {longest:,} printable characters in one line.")
    for field, allowed in (("severity", SEVERITIES), ("applies_to", APPLIES_TO)):
        if clause.get(field) not in allowed:
            refuse(field, clause.get(field), f"{field} is one of {', '.join(allowed)}.")
    for field in sorted(map(str, clause.keys() - _MEMBERS)):
        refuse(field, clause.get(field), f"A clause has no {field[:60]!r}.")
    for field, value, message in _check_problems(clause):
        refuse(field, value, message)
    return found


def _check_problems(clause: Mapping[str, Any]) -> list[tuple[str, object, str]]:
    check = clause.get("check")
    if not isinstance(check, Mapping):
        return [("check", check, "check is an object of a kind and its value.")]
    if extra := sorted(map(str, check.keys() - {"kind", "value"})):
        return [(f"check.{extra[0]}", check.get(extra[0]), "A check has a kind and a value alone.")]
    named = check.get("kind")
    kind = checks.KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        return [("check.kind", named, f"kind is one of {', '.join(checks.KINDS)}.")]
    found: list[tuple[str, object, str]] = []
    if kind.only is not None and clause.get("applies_to") in set(APPLIES_TO) - {kind.only}:
        message = f"{named} applies to the {kind.only} alone."
        found.append(("applies_to", clause.get("applies_to"), message))
    if fault := kind.fault(check.get("value")):
        found.append(("check.value", check.get("value"), f"{named}: {fault}"))
    return found
