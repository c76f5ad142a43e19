"""The page on which a prompt is rated: one to five stars, tags and a note, or why not yet."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.common import errors, evidence_kinds
from mintmark.evidence.models import Event
from mintmark.market import listings, ratings
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.trust import rating_eligibility

from .. import decorators

STARS = ((5, "excellent"), (4, "good"), (3, "fair"), (2, "poor"), (1, "useless"))
SUGGESTED_TAGS = (
    "@clarity+",
    "@clarity-",
    "@accuracy+",
    "@accuracy-",
    "@length+",
    "@length-",
    "@tone+",
    "@tone-",
)
MAX_NOTE_LENGTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingForm:
    """The form as it was sent; `key` makes the same press twice one rating."""

    stars: int
    tags: tuple[str, ...]
    more_tags: str
    note: str
    idempotency_key: str

    @property
    def all_tags(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.tags, *self.more_tags.replace(",", " ").split())))


@decorators.form_view
def rate_prompt(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/rate`."""
    prompt = prompts.resolve(reference=str(prompt_id))
    caller, now = decorators.get_caller(request), timezone.now()
    form, error_message = _parse_form(request), ""
    if request.method == "POST":
        try:
            _record_rating(prompt, form, caller=caller, now=now)
        except errors.DomainError as error:
            error_message = error.message
        else:
            messages.success(
                request,
                f"Your {form.stars} stars are recorded. Their weight depends on how well your ratings of other "
                "prompts agreed with the measurements.",
            )
            return redirect("reputation", prompt.pk)
    context = build_context(prompt, caller=caller) | {"typed": form, "problem": error_message}
    return render(request, "web/rate.html", context, status=422 if error_message else 200)


def build_context(prompt: Prompt, *, caller: Caller) -> dict[str, Any]:
    """What the page says of a prompt and of whoever is about to rate it."""
    previous_rating = (
        Event.objects.filter(
            prompt=prompt,
            actor=caller.principal,
            kind=evidence_kinds.EvidenceKind.RATING,
            assistant__isnull=True,
        )
        .order_by("-id")
        .first()
    )
    return {
        "prompt": prompt,
        "why_not": ratings.find_rating_obstacle(caller=caller, prompt=prompt),
        "wrote_it": rating_eligibility.has_authored_lineage(caller=caller, prompt_id=prompt.pk),
        "may_use": prompts.may_read_text(caller=caller, prompt=prompt),
        "listing": listings.find_active_listing(prompt=prompt),
        "assistants": assistants.list_own(caller=caller).order_by("name")[:20],
        "before": previous_rating,
        "before_stars": round(previous_rating.score * 4) + 1
        if previous_rating is not None
        else None,
        "stars": STARS,
        "usual_tags": SUGGESTED_TAGS,
        "key": uuid.uuid4().hex,
    }


def _record_rating(prompt: Prompt, form: RatingForm, *, caller: Caller, now: datetime) -> None:
    SymbolicPromptTokenMarketplace().rate(
        caller=caller,
        prompt=prompt,
        stars=form.stars,
        tags=form.all_tags,
        note=form.note,
        idempotency_key=form.idempotency_key,
        now=now,
    )


def _parse_form(request: HttpRequest) -> RatingForm:
    """The form as it was sent; no stars where none were chosen, which is refused as such."""
    stars = request.POST.get("stars", "")
    return RatingForm(
        stars=int(stars) if stars in {"1", "2", "3", "4", "5"} else 0,
        tags=tuple(request.POST.getlist("tag")),
        more_tags=request.POST.get("more_tags", ""),
        note=request.POST.get("note", "").replace("\r\n", "\n").strip(),
        idempotency_key=request.POST.get("key", ""),
    )
