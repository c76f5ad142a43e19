"""Codices written as YAML or JSON: parse and register them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import documents, errors
from mintmark.registry import codices, default_codex
from mintmark.registry.codices import InvalidCodex
from mintmark.registry.models import Codex
from mintmark.textchecks import clauses as core_clauses
from mintmark.textchecks import placeholders
from mintmark.textchecks.clauses import ClauseResult

_MEMBER_NAMES = {"name", "description", "clauses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexDocument:
    """A codex as a document states it; its clauses are not yet validated."""

    name: str
    description: str
    clauses: list[Any]


def parse_codex(text: str | bytes) -> CodexDocument:
    """Parse a codex document. Raises `documents.InvalidDocument` or `InvalidCodex`."""
    document = documents.parse_document(text)
    if not isinstance(document, Mapping):
        raise InvalidCodex("A rule set is a mapping of name, description and clauses.")
    if unknown_members := sorted(document.keys() - _MEMBER_NAMES):
        raise InvalidCodex(
            f"{unknown_members[0][:60]!r} is not a known member: give name, description, clauses."
        )
    name, rules, description = (
        document.get("name"),
        document.get("clauses"),
        document.get("description"),
    )
    if not isinstance(name, str) or not isinstance(rules, list):
        raise InvalidCodex("Give the rule set a `name`, a text, and `clauses`, a list.")
    if not isinstance(description, str | None):
        raise InvalidCodex("The `description` is a text.")
    return CodexDocument(name=name, description=description or "", clauses=rules)


def register_codex(document: CodexDocument, *, caller: Caller) -> tuple[Codex, bool]:
    """Register the codex. Returns it, and whether it is a new version. The caller must be an operator of some team; for
    the default codex, an admin."""
    if not caller.has_role_anywhere(Role.OPERATOR):
        raise errors.Forbidden("Registering a rule set takes the role 'operator' in some team.")
    name, rules, description = document.name, document.clauses, document.description
    version_count = Codex.objects.filter(name=name).count()
    if name == default_codex.NAME and caller.is_admin:
        codex = codices.change_default(caller=caller, clauses=rules, description=description)
    else:
        codex = codices.register(name=name, clauses=rules, description=description, caller=caller)
    return codex, Codex.objects.filter(name=name).count() > version_count


def check_text(codex: Codex, *, text: str, applies_to: str) -> list[ClauseResult]:
    """Evaluate a codex on a text: on a prompt's (its placeholders are its variables), or on an output."""
    rules, name = codex.clauses, str(codex)
    if applies_to == "output":
        return core_clauses.evaluate_output(clauses=rules, text=text, codex=name)
    variables = placeholders.list_names(text)
    return core_clauses.evaluate_prompt_text(
        clauses=rules, text=text, variables=variables, codex=name
    )
