"""`/prompts/{id}/forks`: a changed text of one's own, with what it owes; and what was changed."""

from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.market import forks, lineage
from mintmark.market.forks import ForkDraft
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Prompt

from . import api_errors, get_or_404, permissions, prompts, request_body, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .listings import BasisPoints
from .prompts import PromptOut
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="forks")


class RoyaltyOut(TypedDict):
    """What a sale owes to `holder` for `ancestor`, of what the fee and nearer generations leave; of an ancestor that is
    another installation's, `reference` alone is known."""

    ancestor: schemas.PromptRef | None
    reference: str
    holder: str
    rate_bp: BasisPoints


class ForkOut(PromptOut):
    """A fork; `owes` is what its sales will owe, nearest generation first, frozen for ever."""

    owes: list[RoyaltyOut]


class DiffLineOut(TypedDict):
    """A line that both have (" "), that one alone has ("-" before, "+" after), or a gap ("@")."""

    kind: Literal[" ", "-", "+", "@"]
    text: str


class DiffOut(TypedDict):
    """What was changed from one text to the other."""

    before: schemas.PromptRef
    after: schemas.PromptRef
    lines: list[DiffLineOut]


class NewFork(RequestBody):
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


@routes.post(
    "/prompts/{int:prompt_id}/forks", scope="market", body=NewFork, response_schema=ForkOut
)
def fork_prompt(
    request: AuthenticatedRequest, prompt_id: Id, body: NewFork
) -> WriteResult[ForkOut]:
    """Register a changed text as one's team's own, and freeze what its sales owe.

    It takes the role author in the team, a parent whose text the caller may read, and a licence that allows it.
    """
    caller = request.auth
    row = SymbolicPromptTokenMarketplace().fork(
        caller=caller,
        parent=get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id),
        draft=ForkDraft(
            namespace=body.namespace,
            name=body.name,
            text=body.text,
            changes=body.changes,
            title=body.title,
            preview=body.preview,
            tags=body.tags,
            licence=body.licence,
            forked_by=prompts.resolve_forker(caller, body.forked_by),
        ),
        team=permissions.resolve_team(caller, name=body.team),
        now=timezone.now(),
    )
    return WriteResult(
        body={
            **prompts.serialize_prompt(row, caller=caller),
            "owes": [_serialize_royalty(term) for term in lineage.list_royalties(prompt=row)],
        },
        location=f"/api/v1/prompts/{row.pk}",
    )


@routes.get("/prompts/{int:prompt_id}/diff", scope="read", response_schema=DiffOut)
def get_prompt_diff(
    request: AuthenticatedRequest,
    prompt_id: Id,
    against: Annotated[
        int | None, Query(None, ge=1, le=MAX_ID, description="the text before; none: its parent")
    ],
) -> DiffOut:
    """Show what was changed from a prompt's parent (or another prompt) to it: to those who may read both texts."""
    after = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    before = after.parent
    if against is not None:
        before = get_or_404.get_by_id(Prompt.objects.all(), pk=against)
    if before is None:
        message = f"{after.reference} has no parent; name the prompt to compare it with."
        raise request_body.build_invalid_request(
            [api_errors.InvalidInput(location="query.against", value=None, message=message)]
        )
    for row in (after, before):
        prompts.require_reader(request.auth, row)
    return {
        "before": schemas.serialize_prompt_ref(before),
        "after": schemas.serialize_prompt_ref(after),
        "lines": [
            {"kind": diff_line.kind, "text": diff_line.text}  # type: ignore[typeddict-item]  # one of the four
            for diff_line in forks.diff(before=before.text, after=after.text)
        ],
    }


def _serialize_royalty(term: lineage.RoyaltyDue) -> RoyaltyOut:
    return {
        "ancestor": schemas.serialize_prompt_ref(term.ancestor)
        if term.ancestor is not None
        else None,
        "reference": term.reference,
        "holder": term.holder.name,
        "rate_bp": term.rate_bp,
    }
