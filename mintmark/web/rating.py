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
from mintmark.core import errors, kinds
from mintmark.evidence.models import Event
from mintmark.market import listings, ratings
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.trust import judges

from . import doors

STARS = ((5, "excellent"), (4, "good"), (3, "fair"), (2, "poor"), (1, "useless"))
USUAL_TAGS = (
    "@clarity+",
    "@clarity-",
    "@accuracy+",
    "@accuracy-",
    "@length+",
    "@length-",
    "@tone+",
    "@tone-",
)
NOTE_LENGTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was sent; `key` makes the same press twice one rating."""

    stars: int
    tags: tuple[str, ...]
    more_tags: str
    note: str
    key: str

    @property
    def all_tags(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.tags, *self.more_tags.replace(",", " ").split())))


@doors.form
def page(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/rate`."""
    prompt = prompts.named(reference=str(prompt_id))
    caller, now = doors.caller(request), timezone.now()
    typed, problem = _typed(request), ""
    if request.method == "POST":
        try:
            _rate(prompt, typed, caller=caller, now=now)
        except errors.Refusal as refusal:
            problem = refusal.message
        else:
            messages.success(
                request,
                f"Your {typed.stars} stars are recorded. They count by how well your ratings of other prompts agreed "
                "with what was measured.",
            )
            return redirect("reputation", prompt.pk)
    context = read(prompt, caller=caller) | {"typed": typed, "problem": problem}
    return render(request, "web/rate.html", context, status=422 if problem else 200)


def read(prompt: Prompt, *, caller: Caller) -> dict[str, Any]:
    """What the page says of a prompt and of whoever is about to rate it."""
    before = (
        Event.objects.filter(
            prompt=prompt, actor=caller.principal, kind=kinds.Kind.RATING, assistant__isnull=True
        )
        .order_by("-id")
        .first()
    )
    return {
        "prompt": prompt,
        "why_not": ratings.why_not(caller=caller, prompt=prompt),
        "wrote_it": judges.wrote_lineage(caller=caller, prompt_id=prompt.pk),
        "may_use": prompts.may_read_text(caller=caller, prompt=prompt),
        "listing": listings.standing(prompt=prompt),
        "assistants": assistants.of_teams(caller=caller).order_by("name")[:20],
        "before": before,
        "before_stars": round(before.score * 4) + 1 if before is not None else None,
        "stars": STARS,
        "usual_tags": USUAL_TAGS,
        "key": uuid.uuid4().hex,
    }


def _rate(prompt: Prompt, typed: Typed, *, caller: Caller, now: datetime) -> None:
    SymbolicPromptTokenMarketplace().rate(
        caller=caller,
        prompt=prompt,
        stars=typed.stars,
        tags=typed.all_tags,
        note=typed.note,
        key=typed.key,
        now=now,
    )


def _typed(request: HttpRequest) -> Typed:
    """The form as it was sent; no stars where none were chosen, which is refused as such."""
    stars = request.POST.get("stars", "")
    return Typed(
        stars=int(stars) if stars in {"1", "2", "3", "4", "5"} else 0,
        tags=tuple(request.POST.getlist("tag")),
        more_tags=request.POST.get("more_tags", ""),
        note=request.POST.get("note", "").replace("\r\n", "\n").strip(),
        key=request.POST.get("key", ""),
    )
