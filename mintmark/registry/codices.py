"""Codices: versioned rule sets in plain words, contracts that bind prompts and assistants to them, and their
evaluation.

One codex binds everybody: the newest version of the codex named "default".
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, Max, OuterRef, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.storage import locks
from mintmark.textchecks import clauses as core_clauses
from mintmark.textchecks.clauses import ClauseResult

from . import default_codex, name_owners
from .models import Assistant, Codex, CodexContract, NameOwner, Prompt


class InvalidCodex(errors.DomainError):
    """A codex can't be registered: a clause is invalid, or the codex is too large."""

    code = "invalid_codex"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseReport:
    """A prompt's text with the results of the clauses that bind it."""

    prompt: Prompt
    results: Sequence[ClauseResult]

    @property
    def failed_results(self) -> list[ClauseResult]:
        """The results of clauses that failed."""
        return [result for result in self.results if result.holds is False]


def register(
    *,
    name: str,
    clauses: Sequence[Mapping[str, Any]],
    description: str = "",
    caller: Caller | None = None,
) -> Codex:
    """Register a codex; the same clauses again return the existing version, changed ones become the next.

    Each clause has the members id, text (plain words), `severity` (warn, block), applies_to (prompt, output) and check,
    a kind and its value. Raises `InvalidCodex`, which names every invalid clause. Registering binds nobody. With a
    `caller`, only the name's owner releases its versions (`name_owners.OwnedName`).
    """
    if name == default_codex.NAME:
        raise InvalidCodex(
            f"The codex {name!r} binds everybody: an admin changes it, or choose another name."
        )
    return _register_version(name=name, clauses=clauses, description=description, releaser=caller)


def validate(*, clauses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """These clauses, if they are valid; otherwise `InvalidCodex` names every invalid one. Nothing is stored."""
    _require_valid(name="to try", clauses=clauses)
    return [dict(clause) for clause in clauses]


def list_newest() -> QuerySet[Codex, Any]:
    """The newest version of each codex, with the number of `prompts` and of assistants (`bound`) that it binds."""
    newer = Codex.objects.filter(name=OuterRef("name"), version__gt=OuterRef("version"))
    return Codex.objects.filter(~Exists(newer)).annotate(
        prompts=Count("contracts", distinct=True), bound=Count("assistants", distinct=True)
    )


def get_default() -> Codex:
    """The codex that binds every prompt and every output: the newest version of the one named "default"."""
    newest = Codex.objects.filter(name=default_codex.NAME).order_by("-version").first()
    if newest is not None:
        return newest
    return _register_version(
        name=default_codex.NAME,
        clauses=default_codex.CLAUSES,
        description=default_codex.DESCRIPTION,
    )


def change_default(
    *, caller: Caller, clauses: Sequence[Mapping[str, Any]], description: str = ""
) -> Codex:
    """Register the next version of the codex that binds everybody; the caller must be an admin. Earlier versions are
    kept."""
    caller.require_scope("registry")
    if not caller.is_admin or caller.is_assistant:
        raise errors.Forbidden("The codex that binds everybody is changed by an admin alone.")
    return _register_version(name=default_codex.NAME, clauses=clauses, description=description)


def bind(*, prompt: Prompt, codex: Codex) -> CodexContract:
    """Bind a prompt to a codex; binding it again changes nothing."""
    with transaction.atomic():
        locks.hold(Prompt, [prompt.pk])
        return CodexContract.objects.get_or_create(prompt=prompt, codex=codex)[0]


def bind_assistant(*, assistant: Assistant, codex: Codex) -> None:
    """Bind the prompts that an assistant uses, and its outputs, to a codex; binding it again changes nothing."""
    with transaction.atomic():
        locks.hold(Assistant, [assistant.pk])
        codex.assistants.add(assistant)


def list_binding(*, prompt: Prompt, assistant: Assistant | None = None) -> list[Codex]:
    """The codices that bind a prompt when an assistant uses it, once each: the default, the prompt's contracts, the
    assistant's own."""
    binding_codices = [
        get_default(),
        *Codex.objects.filter(contracts__prompt=prompt).order_by("id"),
    ]
    if assistant is not None:
        binding_codices += Codex.objects.filter(assistants=assistant).order_by("id")
    return list({codex.pk: codex for codex in binding_codices}.values())


def evaluate_prompt(
    *, prompt: Prompt, assistant: Assistant | None = None, text: str | None = None
) -> list[ClauseResult]:
    """Evaluate the clauses that bind a prompt on its text, or on `text`: the prompt with its variables filled."""
    return [
        result
        for codex in list_binding(prompt=prompt, assistant=assistant)
        for result in _evaluate_text(codex, prompt, prompt.text if text is None else text)
    ]


def find_blocked(*, prompts: Collection[int], assistant: Assistant) -> set[int]:
    """The ids of those prompts that a blocking clause keeps from an assistant: as `evaluate_prompt`, for many."""
    for_all = [get_default(), *Codex.objects.filter(assistants=assistant)]
    contract_codices: dict[int, list[Codex]] = defaultdict(list)
    contracts = CodexContract.objects.filter(prompt__in=prompts).select_related("codex")
    for contract in contracts:
        contract_codices[contract.prompt_id].append(contract.codex)
    return {
        prompt.pk
        for prompt in Prompt.objects.filter(pk__in=prompts).defer("wording")
        if any(
            _has_blocking_failure(codex, prompt)
            for codex in (*for_all, *contract_codices[prompt.pk])
        )
    }


def check_prompts(*, prompts: Sequence[Prompt]) -> list[ClauseReport]:
    """Evaluate the default codex on the texts of these prompts, for a report after registration; nothing is refused."""
    codex = get_default()
    return [
        ClauseReport(prompt=prompt, results=_evaluate_text(codex, prompt, prompt.text))
        for prompt in prompts
    ]


def resolve(*, reference: str) -> Codex:
    """The codex with this id, `name@version`, or `name` (its newest version)."""
    name, _, version = reference.rpartition("@")
    codex = None
    if name and version.isascii() and version.isdigit() and len(version) < 10:
        codex = Codex.objects.filter(name=name, version=int(version)).first()
    if codex is None:
        codex = Codex.objects.filter(name=reference).order_by("-version").first()
    if codex is None and reference.isascii() and reference.isdigit() and len(reference) < 19:
        codex = Codex.objects.filter(pk=int(reference)).first()
    if codex is None:
        raise errors.NotFound(f"No codex {reference[:200]!r}: give its name, name@version or id.")
    return codex


def _register_version(
    *,
    name: str,
    clauses: Sequence[Mapping[str, Any]],
    description: str,
    releaser: Caller | None = None,
) -> Codex:
    _require_valid(name=name, clauses=clauses)
    new_clauses = [dict(clause) for clause in clauses]
    versions = Codex.objects.filter(name=name)
    newest = versions.order_by("-version").first()
    if newest is not None and newest.clauses == new_clauses:
        return newest
    number = (versions.aggregate(last=Max("version"))["last"] or 0) + 1
    if releaser is not None:
        name_owners.require_release(
            kind=NameOwner.Kind.CODEX, name=name, caller=releaser, is_known=number > 1
        )
    try:
        with transaction.atomic():
            return Codex.objects.create(
                name=name, version=number, description=description, clauses=new_clauses
            )
    except (
        IntegrityError
    ):  # another writer was first: the same clauses exist already, or these come after
        existing = versions.get(version=number)
        if existing.clauses == new_clauses:
            return existing
        raise InvalidCodex(
            f"{existing} was registered by another writer just now; read it, then register the next version."
        ) from None


def _require_valid(*, name: str, clauses: Sequence[Mapping[str, Any]]) -> None:
    if not name.strip() or name.isdigit() or len(name) > 200 or not clauses:
        raise InvalidCodex(
            "A codex needs a name of 1 to 200 characters, not digits alone, and at least one clause."
        )
    if len(clauses) > core_clauses.MAX_CLAUSES:
        raise InvalidCodex(
            f"The codex has {len(clauses):,} clauses; at most {core_clauses.MAX_CLAUSES} are allowed: make several."
        )
    if len(_serialize(clauses)) > core_clauses.MAX_CODEX_CHARACTERS:
        raise InvalidCodex(
            f"The codex has over {core_clauses.MAX_CODEX_CHARACTERS:,} characters as JSON: make several."
        )
    problems = core_clauses.find_problems(clauses=clauses)
    if problems:
        raise InvalidCodex(f"Clause {problems[0]['row']}: {problems[0]['message']}", rows=problems)


def _serialize(clauses: Sequence[Mapping[str, Any]]) -> str:
    """The clauses as JSON, if a database can keep it."""
    try:
        serialized = json.dumps(list(clauses), ensure_ascii=False, allow_nan=False)
        serialized.encode()
    except (TypeError, ValueError, RecursionError):
        raise InvalidCodex("The clauses are not JSON, or are nested too deep.") from None
    if "\\u0000" in serialized:
        raise InvalidCodex("The clauses hold a NUL character.")
    return serialized


def _has_blocking_failure(codex: Codex, prompt: Prompt) -> bool:
    blocking = [clause for clause in codex.clauses if clause["severity"] == "block"]
    results = core_clauses.evaluate_prompt_text(
        clauses=blocking, text=prompt.text, variables=prompt.variables, codex=str(codex)
    )
    return any(result.blocks for result in results)


def _evaluate_text(codex: Codex, prompt: Prompt, text: str) -> list[ClauseResult]:
    return core_clauses.evaluate_prompt_text(
        clauses=codex.clauses, text=text, variables=prompt.variables, codex=str(codex)
    )
