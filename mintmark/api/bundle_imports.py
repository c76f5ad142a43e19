"""`/bundle-imports`: files from elsewhere, checked, in quarantine, taken in or refused."""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.signing import bundles
from mintmark.textchecks.hidden_characters import HiddenCharacter
from mintmark.vault import quarantine
from mintmark.vault.inspection import InspectedPrompt, Inspection
from mintmark.vault.models import BundleImport

from . import api_errors, pagination, permissions, schemas, vault_keys
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult
from .schemas import Score
from .vault_keys import KeyId, SignerOut
from .vaults import IssuerOut

routes = Routes(tag="bundle_imports", handles_files=True)

ImportState = Literal["waiting", "accepted", "refused"]
TeamName = Annotated[
    str | None,
    Query(None, max_length=64, description="whom it is for; the caller's own team if not said"),
]


class ImportWarningOut(TypedDict):
    """Something to look at before a bundle is taken in: its `kind` and `message`; for a text, which
    prompt and where."""

    kind: str
    message: str
    prompt: NotRequired[str]
    line: NotRequired[int]
    column: NotRequired[int]
    code_point: NotRequired[int]
    key_id: NotRequired[KeyId]


class BundleImportOut(TypedDict):
    """A file that somebody brought. Of one that was refused nothing is left but this: `code` and `reason` say why.
    `vault` is the bundle that an accepted one became, `runs` as how many its reputation counts."""

    id: int
    team: str
    digest: str
    size: int
    state: ImportState
    code: str
    reason: str
    brought_by: str
    brought_at: datetime
    findings: list[ImportWarningOut]
    vault: int | None
    runs: int | None
    decided_by: str | None
    decided_at: datetime | None


class BundleImportPage(TypedDict):
    items: list[BundleImportOut]
    next_cursor: str | None


class HiddenCharacterOut(TypedDict):
    """A character that a reader does not see and a model does."""

    code_point: int
    name: str
    line: int
    column: int


class ScanHitOut(TypedDict):
    """A spot that looks like a secret, or like words that seize a model. What stands there is not repeated."""

    kind: str
    name: str
    line: int
    column: int


class ImportedReputationOut(TypedDict):
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


class RoyaltyDueOut(TypedDict):
    """What a sale would owe to a holder at the issuer, in hundredths of a percent."""

    ancestor: str
    holder: str
    rate_bp: int


class BundledPromptOut(TypedDict):
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
    royalties: list[RoyaltyDueOut]
    reputation: ImportedReputationOut
    events: int | None
    text: str
    hidden: list[HiddenCharacterOut]
    marks: list[ScanHitOut]
    known: schemas.PromptRef | None
    elsewhere: list[schemas.PromptRef]
    descends: schemas.PromptRef | None
    withdrawn: str


class IssuerPurchaseOut(TypedDict):
    """What was paid at the issuer, in its micro-tokens."""

    transfer: int
    buyer: str
    team: str
    price_micro: int
    bought_at: datetime


class BundleInspectionOut(TypedDict):
    """What a bundle says, and who signed it. `is_known`: somebody did whose signatures count here; `worthless` says why
    they count no more. `needs_admin`: an admin alone may pass over what was found. `prompts` is a page of `total`."""

    name: str
    title: str
    description: str
    purpose: Literal["export", "receipt"]
    issuer: IssuerOut
    version: str
    as_of: datetime
    evidence_seal: str
    receipt: IssuerPurchaseOut | None
    signers: list[SignerOut]
    is_known: bool
    worthless: str
    needs_admin: bool
    total: int
    prompts: list[BundledPromptOut]


class BundleImportDetail(BundleImportOut):
    """An import and, for those who may decide on it, what the bundle holds (null for others, and once refused).
    `next_cursor` leads to its next prompts."""

    bundle: BundleInspectionOut | None
    next_cursor: str | None


class ImportAcceptance(RequestBody):
    """Why a bundle is taken in (may be empty where nothing in it needs an admin); as how many runs its reputation
    counts at most (null: as this installation is set, 0 of unknown signers); a namespace to put its lines under."""

    reason: str
    runs: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    namespace: Reference | None = None


class ImportRejection(RequestBody):
    """Why a bundle is not taken in; the reason is all that is kept of it."""

    reason: str


@routes.upload("/bundle-imports", scope="market", response_schema=BundleImportOut)
def upload_bundle(
    request: AuthenticatedRequest, raw: bytes, team: TeamName
) -> WriteResult[BundleImportOut]:
    """Upload a bundle's file, as its bytes: it is checked and waits in quarantine, and nothing of it is used yet.

    A file that is refused is a problem with the code of what is wrong, and `bundle_import`, which keeps the refusal. A
    file that waits or was taken in before is that import again. It takes a person with the role author in the team.
    """
    now = timezone.now()
    row = quarantine.receive_bundle(
        caller=request.auth,
        team=permissions.resolve_team(request.auth, name=team),
        raw=raw,
        now=now,
    )
    _require_not_refused(row)
    return WriteResult(
        body=_serialize(row),
        location=f"/api/v1/bundle-imports/{row.pk}",
        is_replay=row.brought_at != now,
    )


@routes.get(
    "/bundle-imports", scope="read", response_schema=BundleImportPage, error_statuses=(400,)
)
def list_bundle_imports(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    state: Annotated[ImportState | None, Query(None, description="those that stand so alone")],
) -> BundleImportPage:
    """List the files that were brought for the caller's teams, newest first; admins and auditors see all."""
    rows = quarantine.visible_to(caller=request.auth).defer(
        "envelope", "vault__symbolic_signature", "vault__exported_json"
    )
    if state is not None:
        rows = rows.filter(state=state)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.get(
    "/bundle-imports/{int:import_id}",
    scope="read",
    response_schema=BundleImportDetail,
    error_statuses=(400,),
)
def get_bundle_import(
    request: AuthenticatedRequest, import_id: Id, limit: pagination.Limit, cursor: pagination.Cursor
) -> BundleImportDetail:
    """Show a file that was brought and, to authors of its team and admins, what it holds, prompt by prompt."""
    row = quarantine.get_import(caller=request.auth, pk=import_id)
    after = pagination.decode_cursor(cursor, key_types=(0,))
    start = int(after[0]) + 1 if after is not None else 0
    if row.state == BundleImport.State.REFUSED or not _may_inspect(request, row):
        return {**_serialize(row), "bundle": None, "next_cursor": None}
    now = timezone.now()
    inspection = quarantine.inspect_import(row, now=now)
    numbered_prompts = list(enumerate(inspection.prompts))[max(0, start) :][: limit + 1]
    page, next_cursor = pagination.slice_page(
        numbered_prompts, limit=limit, key=lambda pair: (pair[0],)
    )
    prompts = [_serialize_prompt(inspected) for _, inspected in page]
    return {
        **_serialize(row),
        "bundle": _serialize_inspection(inspection, prompts=prompts, now=now),
        "next_cursor": next_cursor,
    }


@routes.idempotent_post(
    "/bundle-imports/{int:import_id}/accept",
    scope="market",
    body=ImportAcceptance,
    response_schema=BundleImportOut,
    error_statuses=(400, 409),
)
def accept_bundle_import(
    request: AuthenticatedRequest, import_id: Id, body: ImportAcceptance
) -> BundleImportOut:
    """Accept a waiting file: its texts become the team's prompts, its reputation a prior, and its royalties are
    recorded.

    The file is checked anew; where it no longer stands it is refused for good, as when it was brought. All of it or
    nothing; the same again changes nothing. It takes the role author in the team; an admin, with a reason, where nobody
    known signed it or a text hides characters, and for a higher weight than this installation is set to.
    """
    row = SymbolicPromptTokenMarketplace().accept_bundle(
        caller=request.auth,
        bundle_import=quarantine.get_import(caller=request.auth, pk=import_id),
        reason=body.reason,
        runs=body.runs,
        namespace=body.namespace,
        now=timezone.now(),
    )
    _require_not_refused(row)
    return _serialize(row)


@routes.post(
    "/bundle-imports/{int:import_id}/refuse",
    scope="market",
    body=ImportRejection,
    response_schema=BundleImportOut,
    status=200,
)
def refuse_bundle_import(
    request: AuthenticatedRequest, import_id: Id, body: ImportRejection
) -> WriteResult[BundleImportOut]:
    """Refuse a waiting file; only the reason is stored. It takes the role author in its team."""
    row = quarantine.refuse_import(
        caller=request.auth,
        bundle_import=quarantine.get_import(caller=request.auth, pk=import_id),
        reason=body.reason,
        now=timezone.now(),
    )
    return WriteResult(body=_serialize(row), location="")


def _require_not_refused(row: BundleImport) -> None:
    if row.state == BundleImport.State.REFUSED:
        raise api_errors.FileRefused(row.code, row.reason, bundle_import=row.pk)


def _may_inspect(request: AuthenticatedRequest, row: BundleImport) -> bool:
    try:
        quarantine.require_may_inspect(caller=request.auth, bundle_import=row)
    except errors.Forbidden:
        return False
    return True


def _serialize_warning(finding: dict[str, Any]) -> ImportWarningOut:
    """A stored finding as the API shows it: its sentence is stored as `says`."""
    warning = {name: value for name, value in finding.items() if name != "says"}
    return {**warning, "message": finding["says"]}  # type: ignore[typeddict-item]  # stored with these fields


def _serialize(row: BundleImport) -> BundleImportOut:
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
        "findings": [_serialize_warning(finding) for finding in row.findings],
        "vault": row.vault_id,
        "runs": row.runs,
        "decided_by": row.decided_by.name if row.decided_by is not None else None,
        "decided_at": row.decided_at,
    }


def _serialize_inspection(
    inspection: Inspection, *, prompts: list[BundledPromptOut], now: datetime
) -> BundleInspectionOut:
    bundle = inspection.bundle
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
        "receipt": _serialize_receipt(bundle.receipt),
        "signers": vault_keys.serialize_signers(inspection.signers, now=now),
        "is_known": inspection.verdict is not None and inspection.verdict.is_known,
        "worthless": inspection.refusal,
        "needs_admin": inspection.needs_admin,
        "total": len(inspection.prompts),
        "prompts": prompts,
    }


def _serialize_receipt(receipt: bundles.BundleReceipt | None) -> IssuerPurchaseOut | None:
    if receipt is None:
        return None
    return {
        "transfer": receipt.transfer,
        "buyer": receipt.buyer,
        "team": receipt.team,
        "price_micro": receipt.price_micro,
        "bought_at": datetime.fromisoformat(receipt.bought_at),
    }


def _serialize_prompt(inspected: InspectedPrompt) -> BundledPromptOut:
    bundled = inspected.bundled_prompt
    return {
        "name": bundled.name,
        "digest": bundled.digest,
        "title": bundled.title,
        "author": bundled.author,
        "licence": bundled.licence,
        "rights": bundled.rights,
        "parent": bundled.parent,
        "derivation": bundled.derivation,
        "mutation_note": bundled.mutation_note,
        "variables": list(bundled.variables),
        "tags": list(bundled.tags),
        "royalties": [
            {"ancestor": royalty.ancestor, "holder": royalty.holder, "rate_bp": royalty.rate_bp}
            for royalty in bundled.royalties
        ],
        "reputation": _serialize_reputation(bundled.reputation),
        "events": len(bundled.events) if bundled.events is not None else None,
        "text": inspected.visible_text,
        "hidden": [_serialize_hidden_character(character) for character in inspected.hidden],
        "marks": [
            {"kind": hit.kind, "name": hit.name, "line": hit.line, "column": hit.column}
            for hit in inspected.marks
        ],
        "known": schemas.serialize_prompt_ref(inspected.known)
        if inspected.known is not None
        else None,
        "elsewhere": [schemas.serialize_prompt_ref(prompt) for prompt in inspected.other_matches],
        "descends": schemas.serialize_prompt_ref(inspected.parent)
        if inspected.parent is not None
        else None,
        "withdrawn": inspected.withdrawn,
    }


def _serialize_hidden_character(character: HiddenCharacter) -> HiddenCharacterOut:
    return {
        "code_point": character.code_point,
        "name": character.name,
        "line": character.line,
        "column": character.column,
    }


def _serialize_reputation(reputation: bundles.BundleReputation) -> ImportedReputationOut:
    return {
        "trust": reputation.trust_ppm / bundles.MILLION,
        "low": reputation.low_ppm / bundles.MILLION,
        "high": reputation.high_ppm / bundles.MILLION,
        "average": reputation.average_ppm / bundles.MILLION,
        "task": reputation.task,
        "outcomes": reputation.outcomes,
        "replays": reputation.replays,
        "approvals": reputation.approvals,
        "ratings": reputation.ratings,
    }
