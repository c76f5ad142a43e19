"""The addresses of Mintmark, and the plain views that its reputation endpoint is compared with."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone

from mintmark.config.urls import urlpatterns as own
from mintmark.projection.prompt_models import CurrentPromptScore
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger


@login_not_required
def same_reading(request: HttpRequest, prompt_id: int) -> JsonResponse:
    """The same queries and arithmetic as the endpoint, handed to JsonResponse as they come; no key is asked for."""
    prompt = Prompt.objects.get(pk=prompt_id)
    told = PromptReputationLedger().get_reputation(prompt=prompt, now=timezone.now())
    return JsonResponse(
        {
            "as_of": told.as_of,
            "policy": told.policy,
            "prompt": prompt.reference,
            "home": str(told.home),
            "trust": [told.trust.value, told.trust.low, told.trust.high, told.trust.runs],
            "bound": told.bound,
            "rank": told.rank,
            "ranked": told.ranked,
            "effectiveness": told.effectiveness.value,
            "approval": told.approval.value,
            "contributions": {term.source: term.amount for term in told.contributions},
            "rating": [told.rating.raw, told.rating.weighted, told.rating.count],
            "rating_tags": dict(told.rating_tags),
        }
    )


@login_not_required
def one_row(request: HttpRequest, prompt_id: int) -> JsonResponse:
    """One row by its key and nothing else: the least that any view of a score can do."""
    return JsonResponse(CurrentPromptScore.objects.values().get(pk=prompt_id))


urlpatterns = [
    *own,
    path("plain/same/<int:prompt_id>", same_reading),
    path("plain/row/<int:prompt_id>", one_row),
]
