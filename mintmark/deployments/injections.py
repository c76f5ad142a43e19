"""Injections: put a prompt to work in a slot of an assistant, take it out, serve what is at work."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal
from mintmark.common import errors
from mintmark.registry import assistants, entitlements
from mintmark.registry.models import Assistant, Prompt
from mintmark.storage import locks
from mintmark.textchecks import placeholders

from . import gates
from .models import Injection

DEFAULT_SLOT = "main"
_SLOT_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_MAX_VALUE_LENGTH = 20_000


class InvalidInjection(errors.DomainError):
    """An injection can't be made as asked: its slot or a variable is wrong."""

    code = "invalid_injection"


class GateClosed(errors.DomainError):
    """A gate stands between the prompt and the assistant; the message says which and why."""

    code = "gate_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePrompt:
    """A prompt as an assistant gets it: `text` with the injection's variables filled in; `open_variables` are those
    that it has yet to fill itself."""

    injection: Injection
    prompt: Prompt
    text: str
    open_variables: tuple[str, ...]


def inject(
    *,
    caller: Caller,
    prompt: Prompt,
    assistant: Assistant,
    now: datetime,
    slot: str = DEFAULT_SLOT,
    variables: Mapping[str, str] | None = None,
    override_reason: str = "",
) -> Injection:
    """Put a prompt to work in a slot of an assistant, in the place of what stood there.

    It takes an operator of the assistant's team, or the assistant itself. Raises `GateClosed`; an operator may pass by
    the contract and the trust floor with a reason, which is kept. The same injection again changes nothing.
    """
    caller.require_scope("market")
    require_may_inject(caller=caller, assistant=assistant)
    values = dict(variables or {})
    _check_injection(prompt, slot=slot, values=values)
    with transaction.atomic():
        # One injection at a time into an assistant: a slot never has two, and none is lost between. And what the gates
        # look at stays as it is until the injection is there to be ended.
        locks.hold(Assistant, [assistant.pk])
        entitlements.lock_to_add(prompts=[prompt])
        overridden = _require_open_or_overridden(
            gates.list_gates(prompt=prompt, assistant=assistant, now=now, variables=values),
            caller=caller,
            reason=override_reason,
        )
        current = Injection.objects.filter(
            assistant=assistant, slot=slot, ended_at__isnull=True
        ).first()
        if current is not None:
            if current.prompt_id == prompt.pk and current.variables == values:
                return current
            _mark_ended(
                Injection.objects.filter(pk=current.pk),
                ended_by=caller.principal,
                reason=f"replaced by {prompt.reference}",
                now=now,
            )
        return Injection.objects.create(
            prompt=prompt,
            assistant=assistant,
            slot=slot,
            variables=values,
            injected_by=caller.principal,
            injected_at=now,
            override_reason=override_reason if overridden else "",
            overridden=overridden,
        )


def withdraw(*, caller: Caller, injection: Injection, reason: str, now: datetime) -> Injection:
    """Take a prompt out of an assistant's context; the next request finds it gone. Once more changes nothing."""
    caller.require_scope("market")
    require_may_inject(caller=caller, assistant=injection.assistant)
    entitlements.check_reason(reason)
    _mark_ended(
        Injection.objects.filter(pk=injection.pk, ended_at__isnull=True),
        ended_by=caller.principal,
        reason=reason,
        now=now,
    )
    injection.refresh_from_db()
    return injection


def list_active_prompts(*, assistant: Assistant) -> list[ActivePrompt]:
    """What is at work in an assistant now, by slot; what was revoked is gone at the next request."""
    active = list_active_injections(assistant=assistant).select_related(
        "prompt__team", "injected_by"
    )
    return [
        ActivePrompt(
            injection=injection,
            prompt=injection.prompt,
            text=placeholders.substitute(text=injection.prompt.text, values=injection.variables),
            open_variables=tuple(
                variable
                for variable in injection.prompt.variables
                if variable not in injection.variables
            ),
        )
        for injection in active
    ]


def list_active_injections(*, assistant: Assistant) -> QuerySet[Injection]:
    """The injections that an assistant is served now, by slot: not ended, and of prompts that its team may use."""
    served = entitlements.build_usable_q(team_ids={assistant.team_id})
    allowed = Prompt.objects.filter(served, tombstone__isnull=True)
    return Injection.objects.filter(
        assistant=assistant, ended_at__isnull=True, prompt__in=allowed
    ).order_by("slot")


def require_may_read(*, caller: Caller, assistant: Assistant) -> None:
    """Refuse unless the caller may see an assistant's context: itself, its operators, its team."""
    is_self = caller.principal.pk == assistant.principal_id
    if not (
        is_self
        or caller.is_admin
        or (not caller.is_assistant and assistant.team_id in caller.team_ids)
    ):
        raise errors.Forbidden("An assistant's context is for itself and its team.")


def require_may_inject(*, caller: Caller, assistant: Assistant) -> None:
    """Refuse unless the caller may change an assistant's context: itself, or an operator of its team."""
    if caller.principal.pk != assistant.principal_id:
        assistants.require_operator(caller=caller, team_id=assistant.team_id)


def end_injections(
    *, prompt: Prompt, ended_by: Principal, reason: str, now: datetime, team_id: int | None = None
) -> int:
    """End every injection of a prompt (in one team's assistants); how many. Who may, the caller has checked.

    Joins the caller's transaction, and takes one.
    """
    rows = Injection.objects.filter(prompt=prompt, ended_at__isnull=True)
    if team_id is not None:
        rows = rows.filter(assistant__team=team_id)
    # In the order of their ids: two who end the same ones never wait for each other in a circle.
    locked_ids = list(
        rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)
    )
    return (
        _mark_ended(
            Injection.objects.filter(pk__in=locked_ids), ended_by=ended_by, reason=reason, now=now
        )
        if locked_ids
        else 0
    )


def list_injections(*, assistant: Assistant) -> QuerySet[Injection]:
    """All injections of an assistant, newest first, those that ended included."""
    rows = Injection.objects.filter(assistant=assistant)
    return rows.select_related("prompt", "injected_by", "ended_by").order_by("-id")


def _mark_ended(
    rows: QuerySet[Injection], *, ended_by: Principal, reason: str, now: datetime
) -> int:
    return rows.update(ended_at=now, ended_by=ended_by, end_reason=reason[:400])


def _require_open_or_overridden(
    all_gates: list[gates.Gate], *, caller: Caller, reason: str
) -> list[str]:
    """The names of the closed gates that an operator passes by for a reason; `GateClosed` if they can't."""
    closed = [gate for gate in all_gates if not gate.is_open]
    if not closed:
        return []
    message = "; ".join(f"{gate.name}: {gate.message}" for gate in closed)
    if not all(gate.may_override for gate in closed):
        raise GateClosed(f"It can't be put to work. {message}.")
    if caller.is_assistant or not reason:
        raise GateClosed(
            f"It can't be put to work. {message}. An operator may override this with a reason."
        )
    entitlements.check_reason(reason)
    return [gate.name for gate in closed]


def _check_injection(prompt: Prompt, *, slot: str, values: Mapping[str, str]) -> None:
    if not _SLOT_PATTERN.fullmatch(slot):
        raise InvalidInjection(
            f"The slot {slot[:64]!r}: use 1 to 64 of a-z, 0-9, '-' and '_', a letter first."
        )
    for name, value in values.items():
        if name not in prompt.variables:
            known_names = ", ".join(prompt.variables) or "none"
            raise InvalidInjection(
                f"{prompt.reference} has no variable {name[:60]!r}; it has {known_names}."
            )
        if len(value) > _MAX_VALUE_LENGTH or "\0" in value:
            raise InvalidInjection(
                f"The value of {name!r} has {len(value):,} characters; at most {_MAX_VALUE_LENGTH:,} and no NUL."
            )
    if why := gates.explain_too_long(prompt=prompt, variables=values):
        raise InvalidInjection(f"{why} Fill in shorter values.")
