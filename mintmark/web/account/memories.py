"""The page of what an assistant remembers, which rituals cite: read by its team, changed by those who operate it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.registry import assistants, memories
from mintmark.registry.models import Assistant

from .. import decorators, query_params

ROWS_PER_PAGE = 25
_ACTIONS = ("keep", "forget")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryForm:
    """An entry as it was typed, or as it stands."""

    key: str = ""
    text: str = ""


@decorators.form_view
def manage_memory(request: HttpRequest, assistant_id: int) -> HttpResponseBase:
    """`/assistants/<id>/memory`; its form keeps a text under a key, or forgets what stands there."""
    assistant = assistants.resolve(reference=str(assistant_id))
    caller = decorators.get_caller(request)
    memories.require_may_read(caller=caller, assistant=assistant)
    form, error_message = _load_entry(request, assistant, caller=caller), ""
    if request.method == "POST":
        form = MemoryForm(
            key=request.POST.get("key", "").strip(),
            text=request.POST.get("text", "").replace("\r\n", "\n"),
        )
        try:
            message = _apply_action(request, assistant, form, caller=caller)
        except memories.InvalidMemory as error:
            error_message = error.message
        else:
            messages.success(request, message)
            return redirect("memory", assistant.pk)
    context = build_context(request, assistant, caller=caller) | {
        "typed": form,
        "problem": error_message,
    }
    return render(request, "web/memory.html", context, status=422 if error_message else 200)


def build_context(request: HttpRequest, assistant: Assistant, *, caller: Caller) -> dict[str, Any]:
    """What is remembered, by key, from a place on."""
    rows = memories.list_memories(caller=caller, assistant=assistant)
    total = rows.count()
    after = query_params.parse_text(request.GET, "after", max_length=memories.MAX_KEY_LENGTH)
    if after:
        rows = rows.filter(key__gt=after)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    return {
        "assistant": assistant,
        "entries": fetched_rows[:ROWS_PER_PAGE],
        "in_all": total,
        "more": fetched_rows[ROWS_PER_PAGE - 1].key if len(fetched_rows) > ROWS_PER_PAGE else None,
        "after": after,
        "may_change": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        "longest_key": memories.MAX_KEY_LENGTH,
        "longest_text": memories.MAX_TEXT_LENGTH,
    }


def _load_entry(request: HttpRequest, assistant: Assistant, *, caller: Caller) -> MemoryForm:
    """The entry that the address asks to change."""
    key = query_params.parse_text(request.GET, "key", max_length=memories.MAX_KEY_LENGTH)
    if not key:
        return MemoryForm()
    entry = memories.list_memories(caller=caller, assistant=assistant).filter(key=key).first()
    if entry is None:
        raise errors.NotFound(f"The memory of {assistant} has no entry {key!r}.")
    return MemoryForm(key=entry.key, text=entry.text)


def _apply_action(
    request: HttpRequest, assistant: Assistant, form: MemoryForm, *, caller: Caller
) -> str:
    action = query_params.parse_choice(request.POST, "do", allowed=_ACTIONS, default=_ACTIONS[0])
    if action == "forget":
        if memories.delete(caller=caller, assistant=assistant, memory_key=form.key):
            return f"“{form.key}” was deleted from the memory of {assistant}. Earlier measurements do not change."
        return f"The memory of {assistant} has no entry “{form.key}”. Nothing was changed."
    memories.store(caller=caller, assistant=assistant, memory_key=form.key, text=form.text)
    return f"“{form.key}” was saved in the memory of {assistant}."
