"""Rule sets written as YAML or JSON: read, and registered as what they name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import clauses as core_clauses
from mintmark.core import errors, placeholders
from mintmark.core.clauses import Verdict
from mintmark.registry import codices, default_codex
from mintmark.registry.codices import InvalidCodex
from mintmark.registry.models import Codex

from . import documents

_MEMBERS = {"name", "description", "clauses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a document says of a rule set; whether its clauses can be checked is not known yet."""

    name: str
    description: str
    clauses: list[Any]


def read(text: str | bytes) -> Written:
    """What a document says. `InvalidDocument` or `InvalidCodex` where it is none of a rule set."""
    found = documents.read(text)
    if not isinstance(found, Mapping):
        raise InvalidCodex("A rule set is a mapping of name, description and clauses.")
    if others := sorted(found.keys() - _MEMBERS):
        raise InvalidCodex(f"{others[0][:60]!r} is not read here: give name, description, clauses.")
    name, rules, description = found.get("name"), found.get("clauses"), found.get("description")
    if not isinstance(name, str) or not isinstance(rules, list):
        raise InvalidCodex("Give the rule set a `name`, a text, and `clauses`, a list.")
    if not isinstance(description, str | None):
        raise InvalidCodex("The `description` is a text.")
    return Written(name=name, description=description or "", clauses=rules)


def register(written: Written, *, caller: Caller) -> tuple[Codex, bool]:
    """The codex that it is, and whether it is a new version. It takes an operator of some team; for the one that binds
    everybody, an admin."""
    if not caller.holds(Role.OPERATOR):
        raise errors.Forbidden("Registering a rule set takes the role 'operator' in some team.")
    name, rules, description = written.name, written.clauses, written.description
    before = Codex.objects.filter(name=name).count()
    if name == default_codex.NAME and caller.is_admin:
        made = codices.change_default(caller=caller, clauses=rules, description=description)
    else:
        made = codices.register(name=name, clauses=rules, description=description)
    return made, Codex.objects.filter(name=name).count() > before


def check(codex: Codex, *, text: str, applies_to: str) -> list[Verdict]:
    """What a codex says of a text: as of a prompt's with the variables that stand in it, or as of an output."""
    rules, name = codex.clauses, str(codex)
    if applies_to == "output":
        return core_clauses.of_output(clauses=rules, text=text, codex=name)
    variables = placeholders.names(text)
    return core_clauses.of_text(clauses=rules, text=text, variables=variables, codex=name)
