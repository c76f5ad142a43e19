"""Why an assistant trusts a prompt as it does: a page of its own, or the inside of a dialog."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.models import Role
from mintmark.registry import assistants, prompts
from mintmark.trust.tracker import AssistantTrustTracker

from . import doors


@doors.page
def page(request: HttpRequest, assistant_id: int, prompt_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust/<prompt>`."""
    assistant = assistants.named(reference=str(assistant_id))
    prompt = prompts.named(reference=str(prompt_id))
    tracker = AssistantTrustTracker()
    told = tracker.explain(assistant=assistant, prompt=prompt, now=timezone.now())
    caller = doors.caller(request)
    affinity = tracker.affinity(caller=caller, assistant=assistant, prompt=prompt)
    part = "#reasons" if request.headers.get("HX-Request") == "true" else ""
    context = {
        "assistant": assistant,
        "prompt": prompt,
        "told": told,
        "row": told.row,
        "affinity": affinity,
        "is_mine": caller.is_admin or assistant.team_id in caller.team_ids,
        "may_run": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
    }
    return render(request, f"web/pair.html{part}", context)
