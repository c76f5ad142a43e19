"""`/vaults`: signed bundles of prompts, made here, bought here or taken in here; and their files."""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypedDict

from django.db.models import Count
from django.utils import timezone
from ninja import Query
from pydantic import Field, model_validator

from mintmark.core import bundles, errors
from mintmark.core.folders import Kind
from mintmark.market import prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Prompt
from mintmark.vault import folders, inspection, vaults
from mintmark.vault.models import PromptMarketplaceVault

from . import answers, paging, permissions, shapes, vault_keys
from .answers import Created, Envelope
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .vault_keys import SignerShape

routes = Routes(tag="vaults", handles_files=True)

Purpose = Literal["export", "receipt", "import"]
_NAME_LENGTH = 60


class VaultShape(TypedDict):
    """A bundle that is kept here: made to be carried elsewhere (`export`), what a buyer got (`receipt`; `transfer` is
    what he paid) or from elsewhere (`import`). `digest` is the SHA-256 of its file, `prompts` how many it holds."""

    id: int
    name: str
    purpose: Purpose
    digest: str
    team: str
    made_by: str | None
    owner_assistant: shapes.Named | None
    transfer: int | None
    prompts: int
    created_at: datetime


class VaultPage(TypedDict):
    items: list[VaultShape]
    next_cursor: str | None


class IssuerShape(TypedDict):
    """The installation that told it, by its id and the name it goes by, and the team there (empty: none)."""

    installation: str
    name: str
    team: str


class HeldShape(TypedDict):
    """A prompt of here that a bundle holds."""

    prompt: shapes.PromptNamed
    digest: str


class VaultDetail(VaultShape):
    """A bundle, and who signed it; its signatures were verified for this answer. `as_of` is the time of the newest
    thing that it tells."""

    title: str
    description: str
    issuer: IssuerShape
    as_of: datetime
    signers: list[SignerShape]
    holds: list[HeldShape]


class NewVault(Body):
    """What to tell elsewhere: prompts (by id or reference), a set (by name or id), or both; `with_events` tells each
    piece of evidence as well, pseudonymised. `team` is the one that tells it, the caller's own if not said."""

    prompts: Annotated[list[Id | Reference], Field(max_length=bundles.MOST_PROMPTS)] = []
    prompt_set: Id | Reference | None = None
    team: Reference | None = None
    name: str = ""
    title: str = ""
    description: str = ""
    with_events: bool = False
    owner_assistant: Id | Reference | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.prompts and self.prompt_set is None:
            raise ValueError("Name what to export, in `prompts` or in `prompt_set`")
        return self


class Countersignature(Body):
    """Whose signature to add: a team's or (null) the installation's."""

    team: Reference | None


class CountersignedShape(TypedDict):
    """The bundle with the signature added: `file` is its whole text, to be stored as it is, to the byte."""

    file: str
    digest: str
    signers: list[SignerShape]


@routes.get("/vaults", scope="read", answer=VaultPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    purpose: Annotated[Purpose | None, Query(None, description="those for this alone")],
) -> VaultPage:
    """List the bundles that the caller's teams keep, newest first; an admin sees all."""
    rows = vaults.visible_to(caller=request.auth).defer("symbolic_signature", "exported_json")
    if purpose is not None:
        rows = rows.filter(purpose=purpose)
    after = paging.read(cursor, like=(0,))
    if after is not None:
        rows = rows.filter(id__lt=after[0])
    found = list(rows.annotate(n=Count("prompt_set"))[: limit + 1])
    page, following = paging.cut(found, limit=limit, key=lambda row: (row.pk,))
    return {"items": [_shape(row, n=row.n) for row in page], "next_cursor": following}


@routes.get("/vaults/{int:vault_id}", scope="read", answer=VaultDetail)
def shown(request: Request, vault_id: Id) -> VaultDetail:
    """Show a bundle: what it is, who signed it, which prompts it holds; never a text. To its team and admins."""
    return _detail(vaults.named(caller=request.auth, pk=vault_id))


@routes.envelope("/vaults/{int:vault_id}/file", scope="read")
def file(request: Request, vault_id: Id) -> Envelope:
    """Download a bundle's file, byte for byte as it was signed, while its team may use every text in it."""
    row = vaults.named(caller=request.auth, pk=vault_id)
    return _envelope(row, vaults.handed_out(caller=request.auth, vault=row))


@routes.envelope("/vaults/{int:vault_id}/folder", scope="read", media=answers.ZIP)
def folder(
    request: Request,
    vault_id: Id,
    kind: Annotated[Kind, Query("skill", description="how each text is written for other tools")],
) -> Envelope:
    """Download a bundle as a folder that other tools read (`SKILL.md` or `.prompt` files, and a signature), in a zip.

    Under the conditions of its file. What came from elsewhere is signed anew, which takes the role author.
    """
    row = vaults.named(caller=request.auth, pk=vault_id)
    raw = folders.handed_out(caller=request.auth, vault=row, kind=kind, now=timezone.now())
    return Envelope(name=f"{_stem(row)}-{kind}.zip", raw=raw, media=answers.ZIP)


@routes.ask(
    "/vaults/{int:vault_id}/countersign",
    scope="market",
    body=Countersignature,
    answer=CountersignedShape,
)
def countersigned(request: Request, vault_id: Id, body: Countersignature) -> CountersignedShape:
    """Sign a bundle beside those who signed it: to vouch for it. The file is handed out and not kept.

    It takes a keeper of the keys (author in the team; for the installation, an admin) and a bundle that is signed by
    whom it takes here.
    """
    now = timezone.now()
    named = body.team is not None
    raw = vaults.countersign(
        caller=request.auth,
        vault_or_raw=vaults.named(caller=request.auth, pk=vault_id),
        team=permissions.team_of(request.auth, name=body.team) if named else None,
        now=now,
    )
    key_ids = bundles.opened(raw, limits=vaults.limits()).key_ids
    return {
        "file": raw.decode("ascii"),
        "digest": hashlib.sha256(raw).hexdigest(),
        "signers": vault_keys.signers(inspection.signers(key_ids), now=now),
    }


@routes.post("/vaults", scope="market", body=NewVault, answer=VaultDetail, refuses=(404,))
def exported(request: Request, body: NewVault) -> Created[VaultDetail]:
    """Sign a bundle of prompts that a team may tell elsewhere: its own, and those whose licence lets it pass them on.

    All of them or none: `rows` name each that stands in the way. It takes a person who is author or operator in the
    team. The same again, where nothing has changed since, is the same bundle. Whoever gets the file reads every text.
    """
    wanted, owner = body.prompt_set, body.owner_assistant
    row = SymbolicPromptTokenMarketplace().export(
        caller=request.auth,
        team=permissions.team_of(request.auth, name=body.team),
        prompts=[prompts.named(reference=str(reference)) for reference in body.prompts],
        prompt_set=prompt_sets.named(reference=str(wanted)) if wanted is not None else None,
        name=body.name,
        title=body.title,
        description=body.description,
        with_events=body.with_events,
        owner_assistant=assistants.named(reference=str(owner)) if owner is not None else None,
        now=timezone.now(),
    )
    return Created(body=_detail(row), location=f"/api/v1/vaults/{row.pk}")


@routes.envelope("/purchases/{int:transfer}/bundle", scope="read")
def receipt(request: Request, transfer: Id) -> Envelope:
    """Download the bundle of what was bought in one transfer, signed by the installation: to the team that bought.

    It is made when it is first asked for, of what the team may then use.
    """
    row = SymbolicPromptTokenMarketplace().receipt(
        caller=request.auth, transfer=transfer, now=timezone.now()
    )
    if row is None:
        raise errors.NotFound(
            f"Nothing of purchase {transfer} may be used any more, so there is no bundle of it."
        )
    return _envelope(row, vaults.handed_out(caller=request.auth, vault=row))


def _envelope(row: PromptMarketplaceVault, raw: bytes) -> Envelope:
    return Envelope(name=f"{_stem(row)}.json", raw=raw)


def _stem(row: PromptMarketplaceVault) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", row.name)[:_NAME_LENGTH].strip("-.") or "bundle"
    return f"{name}-{row.digest[:12]}"


def _detail(row: PromptMarketplaceVault) -> VaultDetail:
    key_ids = vaults.verify(row)
    told: dict[str, Any] = row.exported_json["predicate"]
    held = list(Prompt.objects.filter(vaults=row).defer("text", "wording").order_by("id"))
    issuer = told["issuer"]
    return {
        **_shape(row, n=len(held)),
        "title": told["prompt_set"]["title"],
        "description": told["prompt_set"]["description"],
        "issuer": {
            "installation": issuer["installation"],
            "name": issuer["name"],
            "team": issuer["team"],
        },
        "as_of": datetime.fromisoformat(told["as_of"]),
        "signers": vault_keys.signers(inspection.signers(key_ids), now=timezone.now()),
        "holds": [{"prompt": shapes.prompt(prompt), "digest": prompt.digest} for prompt in held],
    }


def _shape(row: PromptMarketplaceVault, *, n: int) -> VaultShape:
    owner = row.owner_assistant
    return {
        "id": row.pk,
        "name": row.name,
        "purpose": row.purpose,  # type: ignore[typeddict-item]  # one of the three
        "digest": row.digest,
        "team": row.team.name,
        "made_by": row.made_by.name if row.made_by is not None else None,
        "owner_assistant": shapes.assistant(owner) if owner is not None else None,
        "transfer": row.receipt_of_id,
        "prompts": n,
        "created_at": row.created_at,
    }
