"""`/prompts/{id}/forks`: a changed text of one's own, with what it owes; and what was changed."""

from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.market import forks, lineage
from mintmark.market.forks import ForkDraft
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Prompt

from . import bodies, lookups, permissions, prompts, refusals, shapes
from .answers import Created
from .bodies import MAX_ID, Body, Id, Reference
from .credentials import Request
from .listings import BasisPoints
from .prompts import PromptShape
from .routes import Routes

routes = Routes(tag="forks")


class RoyaltyShape(TypedDict):
    """What a sale owes to `holder` for `ancestor`, of what the fee and nearer generations leave; of an ancestor that is
    another installation's, `reference` alone is known."""

    ancestor: shapes.PromptNamed | None
    reference: str
    holder: str
    rate_bp: BasisPoints


class ForkShape(PromptShape):
    """A fork; `owes` is what its sales will owe, nearest generation first, frozen for ever."""

    owes: list[RoyaltyShape]


class DiffLineShape(TypedDict):
    """A line that both have (" "), that one alone has ("-" before, "+" after), or a gap ("@")."""

    kind: Literal[" ", "-", "+", "@"]
    text: str


class DiffShape(TypedDict):
    """What was changed from one text to the other."""

    before: shapes.PromptNamed
    after: shapes.PromptNamed
    lines: list[DiffLineShape]


class NewFork(Body):
    """A changed text to register as one's team's. `changes` say what was changed, each such as `@tone-shift` or
    `@clarity+`; without `tags` and `licence` it takes over the parent's."""

    namespace: str
    name: str
    text: str
    changes: Annotated[list[str], Field(max_length=50)]
    team: str | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    preview: Annotated[str, Field(max_length=400)] = ""
    tags: Annotated[list[str], Field(max_length=50)] | None = None
    licence: Annotated[str, Field(max_length=64)] = ""
    forked_by: Id | Reference | None = None


@routes.post("/prompts/{int:prompt_id}/forks", scope="market", body=NewFork, answer=ForkShape)
def forked(request: Request, prompt_id: Id, body: NewFork) -> Created[ForkShape]:
    """Register a changed text as one's team's own, and freeze what its sales owe.

    It takes the role author in the team, a parent whose text the caller may read, and a licence that allows it.
    """
    caller = request.auth
    row = SymbolicPromptTokenMarketplace().fork(
        caller=caller,
        parent=lookups.by_id(Prompt.objects.all(), pk=prompt_id),
        draft=ForkDraft(
            namespace=body.namespace,
            name=body.name,
            text=body.text,
            changes=body.changes,
            title=body.title,
            preview=body.preview,
            tags=body.tags,
            licence=body.licence,
            forked_by=prompts.forker(caller, body.forked_by),
        ),
        team=permissions.team_of(caller, name=body.team),
        now=timezone.now(),
    )
    return Created(
        body={
            **prompts.shape(row, caller=caller),
            "owes": [_royalty(term) for term in lineage.royalties_of(prompt=row)],
        },
        location=f"/api/v1/prompts/{row.pk}",
    )


@routes.get("/prompts/{int:prompt_id}/diff", scope="read", answer=DiffShape)
def diff(
    request: Request,
    prompt_id: Id,
    against: Annotated[
        int | None, Query(None, ge=1, le=MAX_ID, description="the text before; none: its parent")
    ],
) -> DiffShape:
    """Show what was changed from a prompt's parent (or another prompt) to it: to those who may read both texts."""
    after = lookups.by_id(Prompt.objects.all(), pk=prompt_id)
    before = after.parent
    if against is not None:
        before = lookups.by_id(Prompt.objects.all(), pk=against)
    if before is None:
        message = f"{after.reference} has no parent; name the prompt to compare it with."
        raise bodies.of_places([refusals.Place(place="query.against", value=None, message=message)])
    for row in (after, before):
        prompts.require_reader(request.auth, row)
    return {
        "before": shapes.prompt(before),
        "after": shapes.prompt(after),
        "lines": [
            {"kind": line.kind, "text": line.text}  # type: ignore[typeddict-item]  # one of the four
            for line in forks.diff(before=before.text, after=after.text)
        ],
    }


def _royalty(term: lineage.Owed) -> RoyaltyShape:
    return {
        "ancestor": shapes.prompt(term.ancestor) if term.ancestor is not None else None,
        "reference": term.reference,
        "holder": term.holder.name,
        "rate_bp": term.rate_bp,
    }
