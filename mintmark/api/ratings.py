"""`/prompts/{id}/ratings`: one to five stars from those who used a prompt."""

from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.market import ratings
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Prompt

from . import get_or_404, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody
from .responses import WriteResult

routes = Routes(tag="ratings")


class RatingOut(TypedDict):
    """A rating in the log: `event` is where, `projected` says that scores include it now."""

    event: int
    prompt: schemas.PromptRef
    stars: int
    tags: list[str]
    note: str
    projected: bool


class NewRating(RequestBody):
    """Stars, tags such as `@clarity+` or `tone`, and a note that everybody can read."""

    stars: Annotated[int, Field(ge=1, le=5)]
    tags: Annotated[list[str], Field(max_length=ratings.MAX_TAGS)] = []
    note: Annotated[str, Field(max_length=400)] = ""


@routes.post(
    "/prompts/{int:prompt_id}/ratings",
    scope="market",
    body=NewRating,
    response_schema=RatingOut,
    requires_key=True,
)
def rate_prompt(
    request: AuthenticatedRequest, prompt_id: Id, body: NewRating, key: str
) -> WriteResult[RatingOut]:
    """Rate a prompt that one's team may use and has used; an assistant rates in its own name.

    A new rating takes the place of the rater's last one, which stays in the log. The `Idempotency-Key` is the key of
    the event: unique for each piece of evidence of a caller.
    """
    prompt = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    receipt = SymbolicPromptTokenMarketplace().rate(
        caller=request.auth,
        prompt=prompt,
        stars=body.stars,
        idempotency_key=key,
        tags=body.tags,
        note=body.note,
        now=timezone.now(),
    )
    return WriteResult(
        body={
            "event": receipt.event,
            "prompt": schemas.serialize_prompt_ref(prompt),
            "stars": body.stars,
            "tags": body.tags,
            "note": body.note,
            "projected": receipt.folded,
        },
        location=f"/api/v1/evidence/{receipt.event}",
        is_replay=receipt.repeated > 0,
    )
