"""The page of what an assistant remembers, which rituals cite: read by its team, changed by those who operate it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors
from mintmark.registry import assistants, memories
from mintmark.registry.models import Assistant

from . import doors, parameters

ROWS_A_PAGE = 25
_DEEDS = ("keep", "forget")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """An entry as it was typed, or as it stands."""

    key: str = ""
    text: str = ""


@doors.form
def page(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/memory`; its form keeps a text under a key, or forgets what stands there."""
    assistant = assistants.named(reference=str(assistant_id))
    caller = doors.caller(request)
    memories.require_may_read(caller=caller, assistant=assistant)
    typed, problem = _stands(request, assistant, caller=caller), ""
    if request.method == "POST":
        typed = Typed(
            key=request.POST.get("key", "").strip(),
            text=request.POST.get("text", "").replace("\r\n", "\n"),
        )
        try:
            said = _done(request, assistant, typed, caller=caller)
        except memories.InvalidMemory as refused:
            problem = refused.message
        else:
            messages.success(request, said)
            return redirect("memory", assistant.pk)
    context = read(request, assistant, caller=caller) | {"typed": typed, "problem": problem}
    return render(request, "web/memory.html", context, status=422 if problem else 200)


def read(request: HttpRequest, assistant: Assistant, *, caller: Caller) -> dict[str, Any]:
    """What is remembered, by key, from a place on."""
    rows = memories.of(caller=caller, assistant=assistant)
    in_all = rows.count()
    after = parameters.text(request.GET, "after", longest=memories.LONGEST_KEY)
    if after:
        rows = rows.filter(key__gt=after)
    found = list(rows[: ROWS_A_PAGE + 1])
    return {
        "assistant": assistant,
        "entries": found[:ROWS_A_PAGE],
        "in_all": in_all,
        "more": found[ROWS_A_PAGE - 1].key if len(found) > ROWS_A_PAGE else None,
        "after": after,
        "may_change": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        "longest_key": memories.LONGEST_KEY,
        "longest_text": memories.LONGEST_TEXT,
    }


def _stands(request: HttpRequest, assistant: Assistant, *, caller: Caller) -> Typed:
    """The entry that the address asks to change."""
    key = parameters.text(request.GET, "key", longest=memories.LONGEST_KEY)
    if not key:
        return Typed()
    found = memories.of(caller=caller, assistant=assistant).filter(key=key).first()
    if found is None:
        raise errors.NotFound(f"{assistant} remembers nothing under {key!r}.")
    return Typed(key=found.key, text=found.text)


def _done(request: HttpRequest, assistant: Assistant, typed: Typed, *, caller: Caller) -> str:
    deed = parameters.choice(request.POST, "do", allowed=_DEEDS, default=_DEEDS[0])
    if deed == "forget":
        if memories.forget(caller=caller, assistant=assistant, key=typed.key):
            return f"{assistant} has forgotten “{typed.key}”. What was measured with it stays measured."
        return f"{assistant} remembered nothing under “{typed.key}”: nothing changed."
    memories.keep(caller=caller, assistant=assistant, key=typed.key, text=typed.text)
    return f"{assistant} remembers “{typed.key}”."
