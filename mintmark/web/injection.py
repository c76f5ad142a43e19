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
from mintmark.core import errors
from mintmark.market import gates, injections, listings, mandates
from mintmark.market.gates import Gate
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import Injection
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation.answers import Estimate
from mintmark.trust.tracker import AssistantTrustTracker

from . import doors, parameters

_VARIABLE = "var."
QUESTIONS = {
    gates.ENTITLEMENT: "May its team use it?",
    gates.CONTRACT: "Does the text keep the rules?",
    gates.TRUST: "Is it trusted enough?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was sent. `seen` is for which assistant and slot the button was made that was pressed."""

    assistant: int | None
    slot: str
    variables: Mapping[str, str]
    override_reason: str
    seen: str

    def says(self, assistant: Assistant) -> str:
        """What a button must have been made for, for this injection to be meant."""
        return f"{assistant.pk} {self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A gate as the page puts it: the question, its answer in a word or two."""

    question: str
    answer: str
    gate: Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an injection would meet and do. `replaces` stands in the slot now; `is_same` says that it is this prompt
    with these variables; `by_reason` that closed gates can be passed with a reason, `closed` that they can't."""

    assistant: Assistant
    gates: Sequence[Shown]
    trust: Estimate
    trust_floor: float
    replaces: Injection | None
    is_same: bool
    closed: bool
    by_reason: bool


@doors.form
def page(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/inject`, what stands between as a fragment while one chooses, and the injection itself."""
    prompt = prompts.named(reference=str(prompt_id))
    caller, now = doors.caller(request), timezone.now()
    mine = _operated(caller)
    is_post = request.method == "POST"
    typed = _typed(request.POST if is_post else request.GET, prompt)
    assistant = next((one for one in mine if one.pk == typed.assistant), mine[0] if mine else None)
    problem = ""
    if is_post and request.POST.get("do") == "inject" and assistant is not None:
        if typed.seen == typed.says(assistant):
            try:
                made = _inject(prompt, assistant, typed, caller=caller, now=now)
            except errors.Refusal as refusal:
                problem = refusal.message
            else:
                messages.success(
                    request,
                    f"{prompt.reference} is at work in {assistant}, slot {made.slot}: it is served from the next "
                    "request on.",
                )
                return redirect("context", assistant.pk)
        else:
            problem = (
                "Something else was chosen since the button was made. Look again, then press it."
            )
    context = {
        "prompt": prompt,
        "typed": typed,
        "says": typed.says(assistant) if assistant is not None else "",
        "look": _look(prompt, assistant, typed, now=now) if assistant is not None else None,
        "may_read": prompts.may_read_text(caller=caller, prompt=prompt),
        "listing": listings.standing(prompt=prompt),
        "problem": problem,
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/inject.html#look", context)
    context |= {
        "mine": mine,
        "variables": [(name, typed.variables.get(name, "")) for name in prompt.variables],
        "slots": _slots(mine),
    }
    return render(request, "web/inject.html", context, status=422 if problem else 200)


def address(*, like: Injection) -> str:
    """The desk with the choices of an earlier injection."""
    chosen: dict[str, str | int] = {"assistant": like.assistant_id, "slot": like.slot}
    chosen |= {_VARIABLE + name: value for name, value in like.variables.items()}
    return f"{reverse('inject', args=[like.prompt_id])}?{urlencode(chosen)}"


def _look(prompt: Prompt, assistant: Assistant, typed: Typed, *, now: datetime) -> Look:
    found = gates.of(prompt=prompt, assistant=assistant, now=now, variables=typed.variables)
    trust = AssistantTrustTracker().estimates(assistant=assistant, prompts=[prompt], now=now)
    standing = (
        Injection.objects.filter(assistant=assistant, slot=typed.slot, ended_at__isnull=True)
        .select_related("prompt", "injected_by")
        .first()
    )
    same = standing is not None and standing.prompt_id == prompt.pk
    closed = [gate for gate in found if not gate.is_open]
    return Look(
        assistant=assistant,
        gates=_shown(found),
        trust=trust[prompt.pk],
        trust_floor=mandates.of(assistant=assistant).trust_floor,
        replaces=standing,
        is_same=same and standing is not None and standing.variables == typed.variables,
        closed=any(not gate.may_override for gate in closed),
        by_reason=bool(closed) and all(gate.may_override for gate in closed),
    )


def _shown(found: Sequence[Gate]) -> list[Shown]:
    may_use = all(gate.is_open for gate in found if gate.name == gates.ENTITLEMENT)
    shown = []
    for gate in found:
        answer = (
            "yes" if gate.is_open else "no, but it may be overridden" if gate.may_override else "no"
        )
        if gate.name == gates.CONTRACT and not may_use:
            answer = "not read yet"
        shown.append(Shown(question=QUESTIONS[gate.name], answer=answer, gate=gate))
    return shown


def _inject(
    prompt: Prompt, assistant: Assistant, typed: Typed, *, caller: Caller, now: datetime
) -> Injection:
    return SymbolicPromptTokenMarketplace().inject(
        caller=caller,
        prompt=prompt,
        assistant=assistant,
        slot=typed.slot,
        variables=typed.variables,
        override_reason=typed.override_reason,
        now=now,
    )


def _typed(given: QueryDict, prompt: Prompt) -> Typed:
    """The form as it was sent; a variable left empty is for the assistant to fill in."""
    return Typed(
        assistant=parameters.whole(given, "assistant"),
        slot=given.get("slot", "").strip() or injections.DEFAULT_SLOT,
        variables={
            name: value for name in prompt.variables if (value := given.get(_VARIABLE + name, ""))
        },
        override_reason=given.get("override_reason", "").strip(),
        seen=given.get("seen", ""),
    )


def _operated(caller: Caller) -> list[Assistant]:
    """The caller's assistants whose context he may change."""
    rows = assistants.of_teams(caller=caller).select_related("team").order_by("name")
    return [one for one in rows if caller.has_role(Role.OPERATOR, team_id=one.team_id)]


def _slots(mine: Sequence[Assistant]) -> list[str]:
    """The slots that these assistants have in use, to choose from while typing one."""
    used = Injection.objects.filter(assistant__in=mine, ended_at__isnull=True)
    names = set(used.values_list("slot", flat=True)[:100]) | {injections.DEFAULT_SLOT}
    return sorted(names)
