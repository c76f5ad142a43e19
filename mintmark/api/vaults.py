"""`/vaults`: signed bundles of prompts, made here, bought here or taken in here; and their files."""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypedDict

from django.db.models import Count
from django.utils import timezone
from ninja import Query
from pydantic import Field, model_validator

from mintmark.common import errors
from mintmark.market import prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.signing import bundles
from mintmark.signing.folder_manifest import FolderKind
from mintmark.vault import bundle_store, folder_export, inspection
from mintmark.vault.models import PromptMarketplaceVault

from . import pagination, permissions, responses, schemas, vault_keys
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import SignedFileDownload, WriteResult
from .vault_keys import SignerOut

routes = Routes(tag="vaults", handles_files=True)

Purpose = Literal["export", "receipt", "import"]
_NAME_LENGTH = 60


class VaultOut(TypedDict):
    """A bundle that is kept here: made to be carried elsewhere (`export`), what a buyer got (`receipt`; `transfer` is
    what he paid) or from elsewhere (`import`). `digest` is the SHA-256 of its file, `prompts` how many it holds."""

    id: int
    name: str
    purpose: Purpose
    digest: str
    team: str
    made_by: str | None
    owner_assistant: schemas.AssistantRef | None
    transfer: int | None
    prompts: int
    created_at: datetime


class VaultPage(TypedDict):
    items: list[VaultOut]
    next_cursor: str | None


class IssuerOut(TypedDict):
    """The installation that told it, by its id and the name it goes by, and the team there (empty: none)."""

    installation: str
    name: str
    team: str


class VaultPromptOut(TypedDict):
    """A prompt of here that a bundle holds."""

    prompt: schemas.PromptRef
    digest: str


class VaultDetail(VaultOut):
    """A bundle, and who signed it; its signatures were verified for this answer. `as_of` is the time of the newest
    thing that it tells."""

    title: str
    description: str
    issuer: IssuerOut
    as_of: datetime
    signers: list[SignerOut]
    holds: list[VaultPromptOut]


class NewVault(RequestBody):
    """What to tell elsewhere: prompts (by id or reference), a set (by name or id), or both; `with_events` tells each
    piece of evidence as well, pseudonymised. `team` is the one that tells it, the caller's own if not said."""

    prompts: Annotated[list[Id | Reference], Field(max_length=bundles.MAX_PROMPTS)] = []
    prompt_set: Id | Reference | None = None
    team: Reference | None = None
    name: str = ""
    title: str = ""
    description: str = ""
    with_events: bool = False
    owner_assistant: Id | Reference | None = None

    @model_validator(mode="after")
    def _require_content(self) -> Self:
        if not self.prompts and self.prompt_set is None:
            raise ValueError("Name what to export, in `prompts` or in `prompt_set`")
        return self


class Countersignature(RequestBody):
    """Whose signature to add: a team's or (null) the installation's."""

    team: Reference | None


class CountersignedVaultOut(TypedDict):
    """The bundle with the signature added: `file` is its whole text, to be stored as it is, to the byte."""

    file: str
    digest: str
    signers: list[SignerOut]


@routes.get("/vaults", scope="read", response_schema=VaultPage, error_statuses=(400,))
def list_vaults(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    purpose: Annotated[Purpose | None, Query(None, description="those for this alone")],
) -> VaultPage:
    """List the bundles that the caller's teams keep, newest first; an admin sees all."""
    rows = bundle_store.visible_to(caller=request.auth).defer("symbolic_signature", "exported_json")
    if purpose is not None:
        rows = rows.filter(purpose=purpose)
    after = pagination.decode_cursor(cursor, key_types=(0,))
    if after is not None:
        rows = rows.filter(id__lt=after[0])
    vault_rows = list(rows.annotate(n=Count("prompt_set"))[: limit + 1])
    page, next_cursor = pagination.slice_page(vault_rows, limit=limit, key=lambda row: (row.pk,))
    return {
        "items": [_serialize(row, prompt_count=row.n) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/vaults/{int:vault_id}", scope="read", response_schema=VaultDetail)
def get_vault(request: AuthenticatedRequest, vault_id: Id) -> VaultDetail:
    """Show a bundle: what it is, who signed it, which prompts it holds; never a text. To its team and admins."""
    return _serialize_detail(bundle_store.get_vault(caller=request.auth, pk=vault_id))


@routes.get_signed_file("/vaults/{int:vault_id}/file", scope="read")
def download_vault_file(request: AuthenticatedRequest, vault_id: Id) -> SignedFileDownload:
    """Download a bundle's file, byte for byte as it was signed, while its team may use every text in it."""
    row = bundle_store.get_vault(caller=request.auth, pk=vault_id)
    return _build_download(row, bundle_store.get_downloadable_file(caller=request.auth, vault=row))


@routes.get_signed_file("/vaults/{int:vault_id}/folder", scope="read", media_type=responses.ZIP)
def download_vault_folder(
    request: AuthenticatedRequest,
    vault_id: Id,
    kind: Annotated[
        FolderKind, Query("skill", description="how each text is written for other tools")
    ],
) -> SignedFileDownload:
    """Download a bundle as a folder that other tools read (`SKILL.md` or `.prompt` files, and a signature), in a zip.

    Under the conditions of its file. An imported bundle is signed again, which takes the role author.
    """
    row = bundle_store.get_vault(caller=request.auth, pk=vault_id)
    raw = folder_export.export_folder(caller=request.auth, vault=row, kind=kind, now=timezone.now())
    return SignedFileDownload(
        name=f"{_build_file_stem(row)}-{kind}.zip", raw=raw, media_type=responses.ZIP
    )


@routes.query(
    "/vaults/{int:vault_id}/countersign",
    scope="market",
    body=Countersignature,
    response_schema=CountersignedVaultOut,
)
def countersign_vault(
    request: AuthenticatedRequest, vault_id: Id, body: Countersignature
) -> CountersignedVaultOut:
    """Countersign a bundle, to vouch for it. The file is returned and not stored.

    It takes a keeper of the keys (author in the team; for the installation, an admin) and a bundle that is signed by
    whom it takes here.
    """
    now = timezone.now()
    has_team = body.team is not None
    raw = bundle_store.countersign(
        caller=request.auth,
        vault_or_raw=bundle_store.get_vault(caller=request.auth, pk=vault_id),
        team=permissions.resolve_team(request.auth, name=body.team) if has_team else None,
        now=now,
    )
    key_ids = bundles.verify(raw, limits=bundle_store.get_limits()).key_ids
    return {
        "file": raw.decode("ascii"),
        "digest": hashlib.sha256(raw).hexdigest(),
        "signers": vault_keys.serialize_signers(inspection.find_signers(key_ids), now=now),
    }


@routes.post(
    "/vaults", scope="market", body=NewVault, response_schema=VaultDetail, error_statuses=(404,)
)
def create_vault(request: AuthenticatedRequest, body: NewVault) -> WriteResult[VaultDetail]:
    """Sign a bundle of prompts that a team may export: its own, and those whose licence allows it to pass them on.

    All of them or none: `rows` name each that stands in the way. It takes a person who is author or operator in the
    team. The same again, where nothing has changed since, is the same bundle. Whoever gets the file reads every text.
    """
    set_reference, owner_reference = body.prompt_set, body.owner_assistant
    row = SymbolicPromptTokenMarketplace().export_bundle(
        caller=request.auth,
        team=permissions.resolve_team(request.auth, name=body.team),
        prompts=[prompts.resolve(reference=str(reference)) for reference in body.prompts],
        prompt_set=prompt_sets.get_prompt_set(reference=str(set_reference))
        if set_reference is not None
        else None,
        name=body.name,
        title=body.title,
        description=body.description,
        with_events=body.with_events,
        owner_assistant=assistants.resolve(reference=str(owner_reference))
        if owner_reference is not None
        else None,
        now=timezone.now(),
    )
    return WriteResult(body=_serialize_detail(row), location=f"/api/v1/vaults/{row.pk}")


@routes.get_signed_file("/purchases/{int:transfer}/bundle", scope="read")
def download_purchase_bundle(request: AuthenticatedRequest, transfer: Id) -> SignedFileDownload:
    """Download the bundle of what was bought in one transfer, signed by the installation: to the team that bought.

    It is made when it is first asked for, of what the team may then use.
    """
    row = SymbolicPromptTokenMarketplace().get_or_issue_receipt(
        caller=request.auth, transfer=transfer, now=timezone.now()
    )
    if row is None:
        raise errors.NotFound(
            f"Nothing of purchase {transfer} may be used any more, so there is no bundle of it."
        )
    return _build_download(row, bundle_store.get_downloadable_file(caller=request.auth, vault=row))


def _build_download(row: PromptMarketplaceVault, raw: bytes) -> SignedFileDownload:
    return SignedFileDownload(name=f"{_build_file_stem(row)}.json", raw=raw)


def _build_file_stem(row: PromptMarketplaceVault) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", row.name)[:_NAME_LENGTH].strip("-.") or "bundle"
    return f"{name}-{row.digest[:12]}"


def _serialize_detail(row: PromptMarketplaceVault) -> VaultDetail:
    key_ids = bundle_store.verify_vault(row)
    predicate: dict[str, Any] = row.exported_json["predicate"]
    prompt_rows = list(Prompt.objects.filter(vaults=row).defer("text", "wording").order_by("id"))
    issuer = predicate["issuer"]
    return {
        **_serialize(row, prompt_count=len(prompt_rows)),
        "title": predicate["prompt_set"]["title"],
        "description": predicate["prompt_set"]["description"],
        "issuer": {
            "installation": issuer["installation"],
            "name": issuer["name"],
            "team": issuer["team"],
        },
        "as_of": datetime.fromisoformat(predicate["as_of"]),
        "signers": vault_keys.serialize_signers(
            inspection.find_signers(key_ids), now=timezone.now()
        ),
        "holds": [
            {"prompt": schemas.serialize_prompt_ref(prompt), "digest": prompt.digest}
            for prompt in prompt_rows
        ],
    }


def _serialize(row: PromptMarketplaceVault, *, prompt_count: int) -> VaultOut:
    owner = row.owner_assistant
    return {
        "id": row.pk,
        "name": row.name,
        "purpose": row.purpose,  # type: ignore[typeddict-item]  # one of the three
        "digest": row.digest,
        "team": row.team.name,
        "made_by": row.made_by.name if row.made_by is not None else None,
        "owner_assistant": schemas.serialize_assistant_ref(owner) if owner is not None else None,
        "transfer": row.receipt_of_id,
        "prompts": prompt_count,
        "created_at": row.created_at,
    }
