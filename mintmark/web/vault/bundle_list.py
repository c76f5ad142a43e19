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
from mintmark.common import errors
from mintmark.signing.key_policy import TrustRoot
from mintmark.vault import bundle_store, folder_export, keys, quarantine
from mintmark.vault.models import BundleImport, PromptMarketplaceVault

from .. import decorators, query_params
from . import signer_display
from .signer_display import BundleSigner

VAULTS_PER_PAGE = 20
REFUSED_SHOWN = 5
WAITING_SHOWN = 20
KINDS = ("skill", "dotprompt")
INSTALLATION = "house"
_PURPOSES = PromptMarketplaceVault.Purpose.values


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRow:
    """A vault in the list, with who signed it and how large its file is, in bytes."""

    vault: PromptMarketplaceVault
    signers: list[BundleSigner]
    size: int
    prompts: int


@decorators.get_view
def list_vaults(request: HttpRequest) -> HttpResponseBase:
    """`/vaults`."""
    caller, now = decorators.get_caller(request), timezone.now()
    purpose = query_params.parse_choice(
        request.GET, "purpose", allowed=("", *_PURPOSES), default=""
    )
    before = query_params.parse_integer(request.GET, "before")
    context = {
        **_build_vault_rows(caller, purpose=purpose, before=before, now=now),
        **_build_imports(caller),
        "purpose": purpose,
        "purposes": PromptMarketplaceVault.Purpose.choices,
        "before": before,
        "may_export": bool(list_teams_with_role(caller, Role.AUTHOR, Role.OPERATOR)),
        "may_bring": bool(list_teams_with_role(caller, Role.AUTHOR)),
    }
    return render(request, "web/vaults.html", context)


@decorators.form_view
def download_file(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>/file`: the bundle, to the byte as it was signed."""
    caller = decorators.get_caller(request)
    vault = bundle_store.get_vault(caller=caller, pk=vault_id)
    raw = bundle_store.get_downloadable_file(caller=caller, vault=vault)
    return build_download(raw, name=f"{get_file_stem(vault)}.json", content_type="application/json")


@decorators.form_view
def download_folder(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>/folder`: the bundle as files that other tools read, signed once more as a whole, in a zip."""
    caller, now = decorators.get_caller(request), timezone.now()
    kind = query_params.parse_choice(request.GET, "kind", allowed=KINDS, default=KINDS[0])
    vault = bundle_store.get_vault(caller=caller, pk=vault_id)
    archive = folder_export.export_folder(
        caller=caller, vault=vault, kind="dotprompt" if kind == "dotprompt" else "skill", now=now
    )
    return build_download(
        archive, name=f"{get_file_stem(vault)}-{kind}.zip", content_type="application/zip"
    )


def build_download(content: bytes, *, name: str, content_type: str) -> HttpResponse:
    """A file to download."""
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def get_file_stem(vault: PromptMarketplaceVault) -> str:
    """What the files of a vault are called, before the dot."""
    slug = re.sub(r"[^a-z0-9]+", "-", vault.name.lower())[:60].strip("-")
    return f"{slug or 'bundle'}-{vault.digest[:8]}"


def list_teams_with_role(caller: Caller, *roles: Role) -> list[Team]:
    """The teams in which a caller has one of these roles, by name."""
    return [t for t in Team.objects.order_by("name") if caller.has_role(*roles, team_id=t.pk)]


def parse_signing_team(text: str) -> Team | None:
    """For whom a form says that a key signs: a team by its id, None for the installation (`HOUSE`)."""
    if text == INSTALLATION:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    team = Team.objects.filter(pk=int(text)).first() if is_number else None
    if team is None:
        raise errors.NotFound("Choose who signs: a team, or the installation.")
    return team


def get_trusted_roots() -> dict[str, TrustRoot]:
    """Every key whose signatures are judged here, by its id."""
    return {root.key_id: root for root in keys.list_trust_roots()}


def _build_vault_rows(
    caller: Caller, *, purpose: str, before: int | None, now: datetime
) -> dict[str, Any]:
    rows = bundle_store.visible_to(caller=caller).defer("symbolic_signature", "exported_json")
    if purpose:
        rows = rows.filter(purpose=purpose)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    rows = rows.annotate(size=Length("symbolic_signature")).prefetch_related("signatures")
    fetched_rows = list(rows[: VAULTS_PER_PAGE + 1])
    shown_rows, trusted_roots = fetched_rows[:VAULTS_PER_PAGE], get_trusted_roots()
    prompt_counts = dict(
        PromptMarketplaceVault.objects.filter(pk__in=[row.pk for row in shown_rows])
        .annotate(prompts=Count("prompt_set"))
        .values_list("pk", "prompts")
    )
    return {
        "kept": [
            VaultRow(
                vault=row,
                signers=signer_display.build_signers(
                    key_ids=[signature.key_id for signature in row.signatures.all()],
                    roots=trusted_roots,
                    now=now,
                ),
                size=row.size,
                prompts=prompt_counts[row.pk],
            )
            for row in shown_rows
        ],
        "more": shown_rows[-1].pk if len(fetched_rows) > VAULTS_PER_PAGE else None,
    }


def _build_imports(caller: Caller) -> dict[str, Any]:
    """What waits for a decision, and what was refused lately."""
    rows = quarantine.visible_to(caller=caller).defer("envelope")
    waiting = rows.filter(state=BundleImport.State.WAITING)
    return {
        "waiting": waiting[:WAITING_SHOWN],
        "waiting_in_all": waiting.count(),
        "refused": rows.filter(state=BundleImport.State.REFUSED)[:REFUSED_SHOWN],
    }
