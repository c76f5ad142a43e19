"""The page of vaults: bundles that one's teams keep, what waits in quarantine, and the files themselves."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors
from mintmark.core.trust_roots import Root
from mintmark.vault import folders, imports, keys, vaults
from mintmark.vault.models import BundleImport, PromptMarketplaceVault

from . import doors, parameters, signers
from .signers import Signer

VAULTS_A_PAGE = 20
REFUSED_SHOWN = 5
WAITING_SHOWN = 20
KINDS = ("skill", "dotprompt")
HOUSE = "house"
_PURPOSES = PromptMarketplaceVault.Purpose.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A vault in the list, with who signed it and how large its file is, in bytes."""

    vault: PromptMarketplaceVault
    signers: list[Signer]
    size: int
    prompts: int


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/vaults`."""
    caller, now = doors.caller(request), timezone.now()
    purpose = parameters.choice(request.GET, "purpose", allowed=("", *_PURPOSES), default="")
    before = parameters.whole(request.GET, "before")
    context = {
        **_kept(caller, purpose=purpose, before=before, now=now),
        **_brought(caller),
        "purpose": purpose,
        "purposes": PromptMarketplaceVault.Purpose.choices,
        "before": before,
        "may_export": bool(teams_of(caller, Role.AUTHOR, Role.OPERATOR)),
        "may_bring": bool(teams_of(caller, Role.AUTHOR)),
    }
    return render(request, "web/vaults.html", context)


@doors.form
def file(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>/file`: the bundle, to the byte as it was signed."""
    caller = doors.caller(request)
    vault = vaults.named(caller=caller, pk=vault_id)
    raw = vaults.handed_out(caller=caller, vault=vault)
    return attached(raw, name=f"{stem(vault)}.json", kind="application/json")


@doors.form
def folder(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>/folder`: the bundle as files that other tools read, signed once more as a whole, in a zip."""
    caller, now = doors.caller(request), timezone.now()
    kind = parameters.choice(request.GET, "kind", allowed=KINDS, default=KINDS[0])
    vault = vaults.named(caller=caller, pk=vault_id)
    archive = folders.handed_out(
        caller=caller, vault=vault, kind="dotprompt" if kind == "dotprompt" else "skill", now=now
    )
    return attached(archive, name=f"{stem(vault)}-{kind}.zip", kind="application/zip")


def attached(content: bytes, *, name: str, kind: str) -> HttpResponse:
    """A file to download."""
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def stem(vault: PromptMarketplaceVault) -> str:
    """What the files of a vault are called, before the dot."""
    words = re.sub(r"[^a-z0-9]+", "-", vault.name.lower())[:60].strip("-")
    return f"{words or 'bundle'}-{vault.digest[:8]}"


def teams_of(caller: Caller, *roles: Role) -> list[Team]:
    """The teams in which a caller has one of these roles, by name."""
    return [t for t in Team.objects.order_by("name") if caller.has_role(*roles, team_id=t.pk)]


def signing_for(given: str) -> Team | None:
    """For whom a form says that a key signs: a team by its id, None for the installation (`HOUSE`)."""
    if given == HOUSE:
        return None
    is_number = given.isascii() and given.isdigit() and len(given) < 19
    found = Team.objects.filter(pk=int(given)).first() if is_number else None
    if found is None:
        raise errors.NotFound("Say for whom to sign: a team, or the installation.")
    return found


def roots() -> dict[str, Root]:
    """Every key whose signatures are judged here, by its id."""
    return {root.key_id: root for root in keys.roots()}


def _kept(caller: Caller, *, purpose: str, before: int | None, now: datetime) -> dict[str, Any]:
    rows = vaults.visible_to(caller=caller).defer("symbolic_signature", "exported_json")
    if purpose:
        rows = rows.filter(purpose=purpose)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    rows = rows.annotate(size=Length("symbolic_signature")).prefetch_related("signatures")
    found = list(rows[: VAULTS_A_PAGE + 1])
    shown, known = found[:VAULTS_A_PAGE], roots()
    counted = dict(
        PromptMarketplaceVault.objects.filter(pk__in=[row.pk for row in shown])
        .annotate(prompts=Count("prompt_set"))
        .values_list("pk", "prompts")
    )
    return {
        "kept": [
            Kept(
                vault=row,
                signers=signers.told(
                    key_ids=[one.key_id for one in row.signatures.all()], roots=known, now=now
                ),
                size=row.size,
                prompts=counted[row.pk],
            )
            for row in shown
        ],
        "more": shown[-1].pk if len(found) > VAULTS_A_PAGE else None,
    }


def _brought(caller: Caller) -> dict[str, Any]:
    """What waits for a decision, and what was refused lately."""
    rows = imports.visible_to(caller=caller).defer("envelope")
    waiting = rows.filter(state=BundleImport.State.WAITING)
    return {
        "waiting": waiting[:WAITING_SHOWN],
        "waiting_in_all": waiting.count(),
        "refused": rows.filter(state=BundleImport.State.REFUSED)[:REFUSED_SHOWN],
    }
