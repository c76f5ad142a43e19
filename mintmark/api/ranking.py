"""`/ranking`: the prompts that may be put to work in an assistant for a task, by how far it can trust them."""

from typing import Annotated, Literal, TypedDict

from ninja import Query

from mintmark.market import candidates
from mintmark.registry import assistants, prompts, rituals

from . import clock, shapes
from .bodies import Reference
from .credentials import Request
from .routes import Routes
from .shapes import AsOf, EstimateShape, Policy

routes = Routes(tag="ranking")

Order = Literal["trust_low", "trust", "trust_high"]


class RankedShape(TypedDict):
    """A prompt, its task, and how far the assistant can trust it there; `runs` 0: it never tried it."""

    prompt: shapes.PromptNamed
    ritual: shapes.RitualNamed
    trust: EstimateShape


class LeftOutShape(TypedDict):
    """Prompts that the assistant's gates keep from it: `trust`, whose lower bound is under its floor; `contract`, in
    which a blocking clause finds something, counted as far as the last item."""

    trust: int
    contract: int


class RankingShape(TypedDict):
    """The first of `total` prompts that both the assistant and the caller may use and that pass the assistant's gates;
    `left_out` counts those that don't."""

    as_of: AsOf
    policy: Policy
    assistant: shapes.Named
    total: int
    left_out: LeftOutShape
    items: list[RankedShape]


@routes.get("/ranking", scope="read", answer=RankingShape, refuses=(404,))
def shown(
    request: Request,
    assistant: Reference,
    task: Annotated[str, Query(min_length=1, max_length=300, description="a ritual or its tag")],
    order: Annotated[Order, Query("trust_low")],
    limit: Annotated[int, Query(20, ge=1, le=200)],
) -> RankingShape:
    """Rank the prompts that an assistant may use for a task, tried or not.

    `task` is a tag (`task:summarise`) or a ritual by name, `name@version` or id; `assistant` a name or an id. It has
    the prompts whose text both the assistant's team and the caller may use, that were not withdrawn, and that the
    assistant could put to work by itself: its floor of trust and the blocking clauses that bind it are kept, as at an
    injection, on the text with no variable filled in. `trust_low` puts first what is surest to be good, `trust_high`
    what may yet be the best.
    """
    whose = assistants.named(reference=assistant)
    told = candidates.ranked(
        assistant=whose,
        tasks=rituals.of_task(reference=task),
        usable=prompts.usable(caller=request.auth, team_id=whose.team_id),
        now=clock.reading(),
        order=order,
        limit=limit,
    )
    return {
        "as_of": told.as_of,
        "policy": told.policy,
        "assistant": shapes.assistant(whose),
        "total": told.total,
        "left_out": {"trust": told.left_out.trust, "contract": told.left_out.contract},
        "items": [
            {
                "prompt": shapes.prompt(row.prompt),
                "ritual": {
                    "id": row.ritual.pk,
                    "name": row.ritual.name,
                    "version": row.ritual.version,
                },
                "trust": shapes.estimate(row.trust),
            }
            for row in told.rows
        ],
    }
