"""`/bundle-imports`: files from elsewhere, checked, in quarantine, taken in or refused."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.core import bundles, errors
from mintmark.core.unicode import Place
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.vault import imports
from mintmark.vault.inspection import Inspection, Seen
from mintmark.vault.models import BundleImport

from . import paging, permissions, refusals, shapes, vault_keys
from .answers import Created
from .bodies import MAX_ID, Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .shapes import Score
from .vault_keys import KeyId, SignerShape
from .vaults import IssuerShape

routes = Routes(tag="bundle_imports", handles_files=True)

State = Literal["waiting", "accepted", "refused"]
TeamName = Annotated[
    str | None,
    Query(None, max_length=64, description="whom it is for; the caller's own team if not said"),
]


class FindingShape(TypedDict):
    """Something to look at before a bundle is taken in: its `kind`, what it `says`, and of a text which and where."""

    kind: str
    says: str
    prompt: NotRequired[str]
    line: NotRequired[int]
    column: NotRequired[int]
    code_point: NotRequired[int]
    key_id: NotRequired[KeyId]


class ImportShape(TypedDict):
    """A file that somebody brought. Of one that was refused nothing is left but this: `code` and `reason` say why.
    `vault` is the bundle that an accepted one became, `runs` as how many its reputation counts."""

    id: int
    team: str
    digest: str
    size: int
    state: State
    code: str
    reason: str
    brought_by: str
    brought_at: datetime
    findings: list[FindingShape]
    vault: int | None
    runs: int | None
    decided_by: str | None
    decided_at: datetime | None


class ImportPage(TypedDict):
    items: list[ImportShape]
    next_cursor: str | None


class HiddenShape(TypedDict):
    """A character that a reader does not see and a model does."""

    code_point: int
    name: str
    line: int
    column: int


class MarkShape(TypedDict):
    """A spot that looks like a secret, or like words that seize a model. What stands there is not repeated."""

    kind: str
    name: str
    line: int
    column: int


class ForeignReputationShape(TypedDict):
    """How a prompt did at its issuer, as that says: nothing of it was measured here. `average` is what an average
    prompt scored there on the task."""

    trust: Score
    low: Score
    high: Score
    average: Score
    task: str
    outcomes: int
    replays: int
    approvals: int
    ratings: int


class OwedShape(TypedDict):
    """What a sale would owe to a holder at the issuer, in hundredths of a percent."""

    ancestor: str
    holder: str
    rate_bp: int


class ToldShape(TypedDict):
    """A text as a bundle tells it; in `text` each hidden character is replaced by its code point, as ⟨U+200B⟩.

    `known` is the prompt of here with these very bytes with which it is merged, `elsewhere` others with them,
    `descends` the prompt of here to which its lineage leads; `withdrawn` says why these bytes were withdrawn here, if
    they were.
    """

    name: str
    digest: str
    title: str
    author: str
    licence: str
    rights: Literal["author", "passed_on", "bought"]
    parent: str | None
    derivation: Literal["root", "revision", "fork"]
    mutation_note: str
    variables: list[str]
    tags: list[str]
    royalties: list[OwedShape]
    reputation: ForeignReputationShape
    events: int | None
    text: str
    hidden: list[HiddenShape]
    marks: list[MarkShape]
    known: shapes.PromptNamed | None
    elsewhere: list[shapes.PromptNamed]
    descends: shapes.PromptNamed | None
    withdrawn: str


class PaidShape(TypedDict):
    """What was paid at the issuer, in its micro-tokens."""

    transfer: int
    buyer: str
    team: str
    price_micro: int
    bought_at: datetime


class InspectionShape(TypedDict):
    """What a bundle says, and who signed it. `is_known`: somebody did whose signatures count here; `worthless` says why
    they count no more. `needs_admin`: an admin alone may pass over what was found. `prompts` is a page of `total`."""

    name: str
    title: str
    description: str
    purpose: Literal["export", "receipt"]
    issuer: IssuerShape
    version: str
    as_of: datetime
    evidence_seal: str
    receipt: PaidShape | None
    signers: list[SignerShape]
    is_known: bool
    worthless: str
    needs_admin: bool
    total: int
    prompts: list[ToldShape]


class ImportDetail(ImportShape):
    """An import and, for those who may decide on it, what the bundle holds (null for others, and once refused).
    `next_cursor` leads to its next prompts."""

    bundle: InspectionShape | None
    next_cursor: str | None


class Acceptance(Body):
    """Why a bundle is taken in (may be empty where nothing in it needs an admin); as how many runs its reputation
    counts at most (null: as this installation is set, 0 of unknown signers); a namespace to put its lines under."""

    reason: str
    runs: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    namespace: Reference | None = None


class Rejection(Body):
    """Why a bundle is not taken in; the reason is all that is kept of it."""

    reason: str


@routes.upload("/bundle-imports", scope="market", answer=ImportShape)
def brought(request: Request, raw: bytes, team: TeamName) -> Created[ImportShape]:
    """Bring a bundle's file, as its bytes: it is checked and waits in quarantine, and nothing of it is used yet.

    A file that is refused is a problem with the code of what is wrong, and `bundle_import`, which keeps the refusal. A
    file that waits or was taken in before is that import again. It takes a person with the role author in the team.
    """
    now = timezone.now()
    row = imports.receive(
        caller=request.auth,
        team=permissions.team_of(request.auth, name=team),
        raw=raw,
        now=now,
    )
    _require_not_refused(row)
    return Created(
        body=_shape(row),
        location=f"/api/v1/bundle-imports/{row.pk}",
        is_replay=row.brought_at != now,
    )


@routes.get("/bundle-imports", scope="read", answer=ImportPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    state: Annotated[State | None, Query(None, description="those that stand so alone")],
) -> ImportPage:
    """List the files that were brought for the caller's teams, newest first; admins and auditors see all."""
    rows = imports.visible_to(caller=request.auth).defer(
        "envelope", "vault__symbolic_signature", "vault__exported_json"
    )
    if state is not None:
        rows = rows.filter(state=state)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.get("/bundle-imports/{int:import_id}", scope="read", answer=ImportDetail, refuses=(400,))
def shown(
    request: Request, import_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> ImportDetail:
    """Show a file that was brought and, to authors of its team and admins, what it holds, prompt by prompt."""
    row = imports.named(caller=request.auth, pk=import_id)
    after = paging.read(cursor, like=(0,))
    start = int(after[0]) + 1 if after is not None else 0
    if row.state == BundleImport.State.REFUSED or not _may_inspect(request, row):
        return {**_shape(row), "bundle": None, "next_cursor": None}
    now = timezone.now()
    seen = imports.inspected(row, now=now)
    numbered = list(enumerate(seen.prompts))[max(0, start) :][: limit + 1]
    page, following = paging.cut(numbered, limit=limit, key=lambda pair: (pair[0],))
    told = [_told(one) for _, one in page]
    return {
        **_shape(row),
        "bundle": _inspection(seen, told=told, now=now),
        "next_cursor": following,
    }


@routes.act(
    "/bundle-imports/{int:import_id}/accept",
    scope="market",
    body=Acceptance,
    answer=ImportShape,
    refuses=(400, 409),
)
def accepted(request: Request, import_id: Id, body: Acceptance) -> ImportShape:
    """Take in what waits: its texts become the team's prompts, its reputation a prior, what it owes is kept.

    The file is checked anew; where it no longer stands it is refused for good, as when it was brought. All of it or
    nothing; the same again changes nothing. It takes the role author in the team; an admin, with a reason, where nobody
    known signed it or a text hides characters, and for a higher weight than this installation is set to.
    """
    row = SymbolicPromptTokenMarketplace().accept(
        caller=request.auth,
        one=imports.named(caller=request.auth, pk=import_id),
        reason=body.reason,
        runs=body.runs,
        namespace=body.namespace,
        now=timezone.now(),
    )
    _require_not_refused(row)
    return _shape(row)


@routes.post(
    "/bundle-imports/{int:import_id}/refuse",
    scope="market",
    body=Rejection,
    answer=ImportShape,
    status=200,
)
def refused(request: Request, import_id: Id, body: Rejection) -> Created[ImportShape]:
    """Refuse what waits; nothing of it is kept but the reason. It takes the role author in its team."""
    row = imports.refuse(
        caller=request.auth,
        one=imports.named(caller=request.auth, pk=import_id),
        reason=body.reason,
        now=timezone.now(),
    )
    return Created(body=_shape(row), location="")


def _require_not_refused(row: BundleImport) -> None:
    if row.state == BundleImport.State.REFUSED:
        raise refusals.FileRefused(row.code, row.reason, bundle_import=row.pk)


def _may_inspect(request: Request, row: BundleImport) -> bool:
    try:
        imports.require_may_inspect(caller=request.auth, one=row)
    except errors.Forbidden:
        return False
    return True


def _shape(row: BundleImport) -> ImportShape:
    return {
        "id": row.pk,
        "team": row.team.name,
        "digest": row.digest,
        "size": row.size,
        "state": row.state,  # type: ignore[typeddict-item]  # one of the three
        "code": row.code,
        "reason": row.reason,
        "brought_by": row.brought_by.name,
        "brought_at": row.brought_at,
        "findings": row.findings,
        "vault": row.vault_id,
        "runs": row.runs,
        "decided_by": row.decided_by.name if row.decided_by is not None else None,
        "decided_at": row.decided_at,
    }


def _inspection(seen: Inspection, *, told: list[ToldShape], now: datetime) -> InspectionShape:
    bundle = seen.bundle
    return {
        "name": bundle.prompt_set.name,
        "title": bundle.prompt_set.title,
        "description": bundle.prompt_set.description,
        "purpose": bundle.purpose,
        "issuer": {
            "installation": bundle.issuer.installation,
            "name": bundle.issuer.name,
            "team": bundle.issuer.team,
        },
        "version": bundle.version,
        "as_of": datetime.fromisoformat(bundle.as_of),
        "evidence_seal": bundle.evidence_seal,
        "receipt": _receipt(bundle.receipt),
        "signers": vault_keys.signers(seen.signers, now=now),
        "is_known": seen.verdict is not None and seen.verdict.is_known,
        "worthless": seen.refusal,
        "needs_admin": seen.needs_admin,
        "total": len(seen.prompts),
        "prompts": told,
    }


def _receipt(paid: bundles.Receipt | None) -> PaidShape | None:
    if paid is None:
        return None
    return {
        "transfer": paid.transfer,
        "buyer": paid.buyer,
        "team": paid.team,
        "price_micro": paid.price_micro,
        "bought_at": datetime.fromisoformat(paid.bought_at),
    }


def _told(one: Seen) -> ToldShape:
    told = one.told
    return {
        "name": told.name,
        "digest": told.digest,
        "title": told.title,
        "author": told.author,
        "licence": told.licence,
        "rights": told.rights,
        "parent": told.parent,
        "derivation": told.derivation,
        "mutation_note": told.mutation_note,
        "variables": list(told.variables),
        "tags": list(told.tags),
        "royalties": [
            {"ancestor": owed.ancestor, "holder": owed.holder, "rate_bp": owed.rate_bp}
            for owed in told.royalties
        ],
        "reputation": _reputation(told.reputation),
        "events": len(told.events) if told.events is not None else None,
        "text": one.visible_text,
        "hidden": [_place(place) for place in one.hidden],
        "marks": [
            {"kind": mark.kind, "name": mark.name, "line": mark.line, "column": mark.column}
            for mark in one.marks
        ],
        "known": shapes.prompt(one.known) if one.known is not None else None,
        "elsewhere": [shapes.prompt(prompt) for prompt in one.elsewhere],
        "descends": shapes.prompt(one.parent) if one.parent is not None else None,
        "withdrawn": one.withdrawn,
    }


def _place(place: Place) -> HiddenShape:
    return {
        "code_point": place.code_point,
        "name": place.name,
        "line": place.line,
        "column": place.column,
    }


def _reputation(told: bundles.Reputation) -> ForeignReputationShape:
    return {
        "trust": told.trust_ppm / bundles.MILLION,
        "low": told.low_ppm / bundles.MILLION,
        "high": told.high_ppm / bundles.MILLION,
        "average": told.average_ppm / bundles.MILLION,
        "task": told.task,
        "outcomes": told.outcomes,
        "replays": told.replays,
        "approvals": told.approvals,
        "ratings": told.ratings,
    }
