"""Why an assistant trusts a prompt as it does: a page of its own, or the inside of a dialog."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.models import Role
from mintmark.registry import assistants, prompts
from mintmark.trust.tracker import AssistantTrustTracker

from .. import decorators


@decorators.get_view
def explain_pair(request: HttpRequest, assistant_id: int, prompt_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust/<prompt>`."""
    assistant = assistants.resolve(reference=str(assistant_id))
    prompt = prompts.resolve(reference=str(prompt_id))
    tracker = AssistantTrustTracker()
    explanation = tracker.explain(assistant=assistant, prompt=prompt, now=timezone.now())
    caller = decorators.get_caller(request)
    affinity = tracker.measure_affinity(caller=caller, assistant=assistant, prompt=prompt)
    fragment = "#reasons" if request.headers.get("HX-Request") == "true" else ""
    context = {
        "assistant": assistant,
        "prompt": prompt,
        "told": explanation,
        "row": explanation.row,
        "affinity": affinity,
        "is_mine": caller.is_admin or assistant.team_id in caller.team_ids,
        "may_run": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
    }
    return render(request, f"web/pair.html{fragment}", context)
