"""Why an assistant trusts a prompt as it does: a page of its own, or the inside of a dialog."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.models import Role
from mintmark.registry import assistants, prompts, rituals
from mintmark.trust.tracker import AssistantTrustTracker

from .. import decorators, query_params
from . import own_view


@decorators.get_view
def explain_pair(request: HttpRequest, assistant_id: int, prompt_id: int) -> HttpResponseBase:
    """`/assistants/<id>/trust/<prompt>`: on the task that is asked for, or else on the prompt's home."""
    assistant = assistants.resolve(reference=str(assistant_id))
    prompt = prompts.resolve(reference=str(prompt_id))
    task = query_params.parse_integer(request.GET, "task")
    ritual = rituals.resolve(reference=str(task)) if task is not None else None
    caller = decorators.get_caller(request)
    shown = own_view.choose_assistant_view(request, caller=caller, assistant=assistant)
    now = timezone.now()
    tracker = AssistantTrustTracker(own_team=shown.own_team)
    explanation = tracker.explain(assistant=assistant, prompt=prompt, ritual=ritual, now=now)
    public_trust = None
    if shown.own_team is not None:
        estimates = AssistantTrustTracker().get_estimates(
            assistant=assistant, prompts=[prompt], ritual=ritual, now=now
        )
        public_trust = estimates[prompt.pk]
    affinity = tracker.measure_affinity(caller=caller, assistant=assistant, prompt=prompt)
    fragment = "#reasons" if request.headers.get("HX-Request") == "true" else ""
    context = {
        "assistant": assistant,
        "prompt": prompt,
        "told": explanation,
        "row": explanation.row,
        "asked_task": task,
        "shown": shown,
        "public_trust": public_trust,
        "affinity": affinity,
        "is_mine": caller.is_admin or assistant.team_id in caller.team_ids,
        "may_run": caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
    }
    return render(request, f"web/pair.html{fragment}", context)
