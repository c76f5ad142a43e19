"""`/ranking`: the prompts that may be put to work in an assistant for a task, by how far it can trust them."""

from typing import Annotated, Literal, TypedDict

from ninja import Query

from mintmark.deployments import ranking
from mintmark.registry import assistants, prompts, rituals

from . import read_time, schemas, views
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Reference
from .schemas import AsOf, EstimateOut, Policy

routes = Routes(tag="ranking")

RankingOrder = Literal["trust_low", "trust", "trust_high"]


class RankedPromptOut(TypedDict):
    """A prompt, its task, and how far the assistant can trust it there; `runs` 0: it never tried it."""

    prompt: schemas.PromptRef
    ritual: schemas.RitualRef
    trust: EstimateOut


class ExcludedCountsOut(TypedDict):
    """Prompts that the assistant's gates keep from it: `trust`, whose lower bound is under its floor; `contract`, in
    which a blocking clause finds something, counted as far as the last item."""

    trust: int
    contract: int


class RankingOut(TypedDict):
    """The first of `total` prompts that both the assistant and the caller may use and that pass the assistant's gates;
    `left_out` counts those that don't."""

    as_of: AsOf
    policy: Policy
    assistant: schemas.AssistantRef
    total: int
    left_out: ExcludedCountsOut
    items: list[RankedPromptOut]


@routes.get("/ranking", scope="read", response_schema=RankingOut, error_statuses=(404,))
def rank_prompts(
    request: AuthenticatedRequest,
    assistant: Reference,
    task: Annotated[str, Query(min_length=1, max_length=300, description="a ritual or its tag")],
    order: Annotated[RankingOrder, Query("trust_low")],
    limit: Annotated[int, Query(20, ge=1, le=200)],
    view: views.View,
) -> RankingOut:
    """Rank the prompts that an assistant may use for a task, tried or not.

    `task` is a tag (`task:summarise`) or a ritual by name, `name@version` or id; `assistant` a name or an id. It has
    the prompts whose text both the assistant's team and the caller may use, that were not withdrawn, and that the
    assistant could put to work by itself: its floor of trust and the blocking clauses that bind it are kept, as at an
    injection, on the text with no variable filled in. `trust_low` puts first what is surest to be good, `trust_high`
    what may yet be the best. With `view=mine` they are ranked as the assistant's team sees them; the floor goes by
    public trust all the same.
    """
    assistant_row = assistants.resolve(reference=assistant)
    ranked = ranking.rank_for_task(
        assistant=assistant_row,
        tasks=rituals.find_by_task(reference=task),
        usable=prompts.usable_by(caller=request.auth, team_id=assistant_row.team_id),
        now=read_time.get_read_time(),
        order=order,
        limit=limit,
        own_team=views.get_assistants_team(request.auth, assistant_row, view),
    )
    return {
        "as_of": ranked.as_of,
        "policy": ranked.policy,
        "assistant": schemas.serialize_assistant_ref(assistant_row),
        "total": ranked.total,
        "left_out": {"trust": ranked.left_out.trust, "contract": ranked.left_out.contract},
        "items": [
            {
                "prompt": schemas.serialize_prompt_ref(ranked.prompt),
                "ritual": {
                    "id": ranked.ritual.pk,
                    "name": ranked.ritual.name,
                    "version": ranked.ritual.version,
                },
                "trust": schemas.serialize_estimate(ranked.trust),
            }
            for ranked in ranked.rows
        ],
    }
