"""The page on which a prompt is put to work: whose assistant, which slot, which gates stand between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.deployments import gates, injections, mandates
from mintmark.deployments.gates import Gate
from mintmark.deployments.models import Injection
from mintmark.market import listings
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, Prompt
from mintmark.scoring.estimate import Estimate
from mintmark.trust.tracker import AssistantTrustTracker

from .. import decorators, query_params

_VARIABLE_PREFIX = "var."
QUESTIONS = {
    gates.ENTITLEMENT: "Can its team use the prompt?",
    gates.CONTRACT: "Does the text pass the rules?",
    gates.TRUST: "Is it trusted enough?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionForm:
    """The form as it was sent. `seen` is for which assistant and slot the button was made that was pressed."""

    assistant: int | None
    slot: str
    variables: Mapping[str, str]
    override_reason: str
    confirmed_fingerprint: str

    def build_fingerprint(self, assistant: Assistant) -> str:
        """What a button must have been made for, for this injection to be meant."""
        return f"{assistant.pk} {self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """A gate as the page puts it: the question, its answer in a word or two."""

    question: str
    answer: str
    gate: Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionPreview:
    """What an injection would meet and do. `replaces` stands in the slot now; `is_same` says that it is this prompt
    with these variables; `by_reason` that closed gates can be passed with a reason, `closed` that they can't."""

    assistant: Assistant
    gates: Sequence[GateRow]
    trust: Estimate
    trust_floor: float
    replaces: Injection | None
    is_same: bool
    closed: bool
    by_reason: bool


@decorators.form_view
def inject_prompt(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/inject`, what stands between as a fragment while one chooses, and the injection itself."""
    prompt = prompts.resolve(reference=str(prompt_id))
    caller, now = decorators.get_caller(request), timezone.now()
    operated_assistants = _list_operated_assistants(caller)
    is_post = request.method == "POST"
    form = _parse_form(request.POST if is_post else request.GET, prompt)
    assistant = next(
        (candidate for candidate in operated_assistants if candidate.pk == form.assistant),
        operated_assistants[0] if operated_assistants else None,
    )
    error_message = ""
    if is_post and request.POST.get("do") == "inject" and assistant is not None:
        if form.confirmed_fingerprint == form.build_fingerprint(assistant):
            try:
                injection = _inject(prompt, assistant, form, caller=caller, now=now)
            except errors.DomainError as error:
                error_message = error.message
            else:
                messages.success(
                    request,
                    f"{prompt.reference} is at work in {assistant}, slot {injection.slot}. The assistant gets it from "
                    "its next request on.",
                )
                return redirect("context", assistant.pk)
        else:
            error_message = "The form was changed after the check. Read the new check, then press the button again."
    context = {
        "prompt": prompt,
        "typed": form,
        "says": form.build_fingerprint(assistant) if assistant is not None else "",
        "look": _build_preview(prompt, assistant, form, now=now) if assistant is not None else None,
        "may_read": prompts.may_read_text(caller=caller, prompt=prompt),
        "listing": listings.find_active_listing(prompt=prompt),
        "problem": error_message,
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/inject.html#look", context)
    context |= {
        "mine": operated_assistants,
        "variables": [(name, form.variables.get(name, "")) for name in prompt.variables],
        "slots": _list_slots(operated_assistants),
    }
    return render(request, "web/inject.html", context, status=422 if error_message else 200)


def build_url(*, like: Injection) -> str:
    """The desk with the choices of an earlier injection."""
    url_parameters: dict[str, str | int] = {"assistant": like.assistant_id, "slot": like.slot}
    url_parameters |= {_VARIABLE_PREFIX + name: value for name, value in like.variables.items()}
    return f"{reverse('inject', args=[like.prompt_id])}?{urlencode(url_parameters)}"


def _build_preview(
    prompt: Prompt, assistant: Assistant, form: InjectionForm, *, now: datetime
) -> InjectionPreview:
    checked_gates = gates.list_gates(
        prompt=prompt, assistant=assistant, now=now, variables=form.variables
    )
    trust = AssistantTrustTracker().get_estimates(assistant=assistant, prompts=[prompt], now=now)
    current_injection = (
        Injection.objects.filter(assistant=assistant, slot=form.slot, ended_at__isnull=True)
        .select_related("prompt", "injected_by")
        .first()
    )
    is_same_prompt = current_injection is not None and current_injection.prompt_id == prompt.pk
    closed_gates = [gate for gate in checked_gates if not gate.is_open]
    return InjectionPreview(
        assistant=assistant,
        gates=_build_gate_rows(checked_gates),
        trust=trust[prompt.pk],
        trust_floor=mandates.get_mandate(assistant=assistant).trust_floor,
        replaces=current_injection,
        is_same=is_same_prompt
        and current_injection is not None
        and current_injection.variables == form.variables,
        closed=any(not gate.may_override for gate in closed_gates),
        by_reason=bool(closed_gates) and all(gate.may_override for gate in closed_gates),
    )


def _build_gate_rows(checked_gates: Sequence[Gate]) -> list[GateRow]:
    may_use = all(gate.is_open for gate in checked_gates if gate.name == gates.ENTITLEMENT)
    gate_rows = []
    for gate in checked_gates:
        answer = (
            "yes" if gate.is_open else "no, but you can override it" if gate.may_override else "no"
        )
        if gate.name == gates.CONTRACT and not may_use:
            answer = "not checked yet"
        gate_rows.append(GateRow(question=QUESTIONS[gate.name], answer=answer, gate=gate))
    return gate_rows


def _inject(
    prompt: Prompt, assistant: Assistant, form: InjectionForm, *, caller: Caller, now: datetime
) -> Injection:
    return SymbolicPromptTokenMarketplace().inject(
        caller=caller,
        prompt=prompt,
        assistant=assistant,
        slot=form.slot,
        variables=form.variables,
        override_reason=form.override_reason,
        now=now,
    )


def _parse_form(data: QueryDict, prompt: Prompt) -> InjectionForm:
    """The form as it was sent; a variable left empty is for the assistant to fill in."""
    return InjectionForm(
        assistant=query_params.parse_integer(data, "assistant"),
        slot=data.get("slot", "").strip() or injections.DEFAULT_SLOT,
        variables={
            name: value
            for name in prompt.variables
            if (value := data.get(_VARIABLE_PREFIX + name, ""))
        },
        override_reason=data.get("override_reason", "").strip(),
        confirmed_fingerprint=data.get("seen", ""),
    )


def _list_operated_assistants(caller: Caller) -> list[Assistant]:
    """The caller's assistants whose context he may change."""
    rows = assistants.list_own(caller=caller).select_related("team").order_by("name")
    return [
        assistant for assistant in rows if caller.has_role(Role.OPERATOR, team_id=assistant.team_id)
    ]


def _list_slots(operated_assistants: Sequence[Assistant]) -> list[str]:
    """The slots that these assistants have in use, to choose from while typing one."""
    active_injections = Injection.objects.filter(
        assistant__in=operated_assistants, ended_at__isnull=True
    )
    names = set(active_injections.values_list("slot", flat=True)[:100]) | {injections.DEFAULT_SLOT}
    return sorted(names)
