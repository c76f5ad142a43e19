"""Contracts: bind a prompt or an assistant to a codex, and end the contract."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.storage import locks

from . import assistants, codices, prompts
from .models import Assistant, Codex, CodexContract, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexBindings:
    """The codex that binds everybody, and those of the prompt's or assistant's own contracts, oldest first."""

    default: Codex
    contracts: list[Codex]


def get_prompt_bindings(*, prompt: Prompt) -> CodexBindings:
    """The codices that bind a prompt, whichever assistant uses it."""
    contract_codices = Codex.objects.filter(contracts__prompt=prompt).order_by("contracts__id")
    return CodexBindings(default=codices.get_default(), contracts=list(contract_codices))


def get_assistant_bindings(*, assistant: Assistant) -> CodexBindings:
    """The codices that bind the prompts that an assistant uses, and its outputs."""
    contract_codices = Codex.objects.filter(assistants=assistant).order_by("id")
    return CodexBindings(default=codices.get_default(), contracts=list(contract_codices))


def list_bound_prompts(*, codex: Codex) -> "QuerySet[Prompt]":
    """The prompts with a contract with this version of a codex, newest first."""
    return Prompt.objects.filter(contracts__codex=codex).defer("text", "wording").order_by("-id")


def list_bound_assistants(*, codex: Codex) -> "QuerySet[Assistant]":
    """The assistants with a contract with this version of a codex, newest first."""
    return Assistant.objects.filter(codices=codex).order_by("-id")


def bind(*, caller: Caller, prompt: Prompt, codex: Codex) -> CodexContract:
    """Bind a prompt to a codex; binding it twice changes nothing. The caller must be an author of the prompt's team."""
    _require_author(caller, prompt)
    return codices.bind(prompt=prompt, codex=codex)


def unbind(*, caller: Caller, prompt: Prompt, codex: Codex) -> bool:
    """End a prompt's contract. Returns whether there was one. Earlier measurements are kept."""
    _require_author(caller, prompt)
    with transaction.atomic():
        locks.hold(Prompt, [prompt.pk])
        return bool(CodexContract.objects.filter(prompt=prompt, codex=codex).delete()[0])


def bind_assistant(*, caller: Caller, assistant: Assistant, codex: Codex) -> None:
    """Bind an assistant to a codex; binding it twice changes nothing. The caller must be an operator of its team."""
    _require_operator(caller, assistant)
    codices.bind_assistant(assistant=assistant, codex=codex)


def unbind_assistant(*, caller: Caller, assistant: Assistant, codex: Codex) -> None:
    """End an assistant's contract, if there is one."""
    _require_operator(caller, assistant)
    with transaction.atomic():
        locks.hold(Assistant, [assistant.pk])
        codex.assistants.remove(assistant)


def _require_author(caller: Caller, prompt: Prompt) -> None:
    caller.require_scope("registry")
    if caller.is_assistant:
        raise errors.Forbidden(
            "Only a person can change the contracts of a prompt: sign in, or use a person's key."
        )
    prompts.require_author(caller=caller, team=prompt.team)


def _require_operator(caller: Caller, assistant: Assistant) -> None:
    caller.require_scope("registry")
    if caller.is_assistant:
        raise errors.Forbidden(
            "Only a person can change the contracts of an assistant: sign in, or use a person's key."
        )
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
