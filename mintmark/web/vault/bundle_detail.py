"""The page of one bundle: what it says, who signed it, whether it still holds, and what one can do with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Prompt
from mintmark.scoring.estimate import Estimate
from mintmark.signing import bundles
from mintmark.vault import bundle_store, installation
from mintmark.vault.models import PromptMarketplaceVault, PromptProvenance

from .. import decorators, query_params
from ..market import licences
from . import bundle_list as shelf
from . import signer_display

PROMPTS_PER_PAGE = 25
ANCESTORS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledPromptRow:
    """A prompt as a bundle tells it, with the prompt that it is here (None where it is not known), how it did where it
    was told, and what its licence allows."""

    prompt: bundles.BundledPrompt
    local_prompt: Prompt | None
    trust: Estimate
    average: float
    allowed: str

    @property
    def runs(self) -> int:
        return self.prompt.reputation.outcomes + self.prompt.reputation.replays


@decorators.get_view
def show_vault(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>`."""
    caller, now = decorators.get_caller(request), timezone.now()
    vault = bundle_store.get_vault(caller=caller, pk=vault_id)
    start = (
        query_params.parse_integer(request.GET, "from", minimum=1, maximum=bundles.MAX_PROMPTS) or 1
    )
    context = {
        "vault": vault,
        "size": len(vault.symbolic_signature),
        **_describe_contents(vault, start=start, now=now),
        **_describe_actions(vault, caller=caller),
    }
    return render(request, "web/vault.html", context)


@decorators.post_view
def countersign(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>/countersign`: the file with one's own signature beside those that are there."""
    caller, now = decorators.get_caller(request), timezone.now()
    vault = bundle_store.get_vault(caller=caller, pk=vault_id)
    raw = bundle_store.countersign(
        caller=caller,
        vault_or_raw=vault,
        team=shelf.parse_signing_team(request.POST.get("as", "")),
        now=now,
    )
    name = f"{shelf.get_file_stem(vault)}-countersigned.json"
    return shelf.build_download(raw, name=name, content_type="application/json")


@decorators.post_view
def create_receipt_bundle(request: HttpRequest, transfer_id: int) -> HttpResponseBase:
    """`/market/receipts/<transfer>/bundle`: the signed bundle of what was bought, made when it is first asked for."""
    vault = SymbolicPromptTokenMarketplace().get_or_issue_receipt(
        caller=decorators.get_caller(request), transfer=transfer_id, now=timezone.now()
    )
    if vault is None:
        raise errors.NotFound(
            f"No prompt that was bought in transfer {transfer_id} can still be used, so it has no bundle."
        )
    return redirect("vault", vault.pk)


def build_prompt_rows(
    prompts: Sequence[bundles.BundledPrompt], *, local_prompts: dict[str, Prompt]
) -> list[BundledPromptRow]:
    """Prompts of a bundle as a page shows them; `here` are those that they are here, by their names in the bundle."""
    return [
        BundledPromptRow(
            prompt=prompt,
            local_prompt=local_prompts.get(prompt.name),
            trust=build_estimate(prompt.reputation),
            average=prompt.reputation.average_ppm / bundles.MILLION,
            allowed=licences.describe_permissions(prompt.licence),
        )
        for prompt in prompts
    ]


def build_estimate(reputation: bundles.BundleReputation) -> Estimate:
    """A score as a bundle tells it, with its interval and the runs measured there."""
    return Estimate(
        value=reputation.trust_ppm / bundles.MILLION,
        low=reputation.low_ppm / bundles.MILLION,
        high=reputation.high_ppm / bundles.MILLION,
        runs=float(reputation.outcomes + reputation.replays),
    )


def _describe_contents(
    vault: PromptMarketplaceVault, *, start: int, now: datetime
) -> dict[str, Any]:
    """What the file says, read as any reader would, and what its signatures are worth now; `altered` says why it does
    not hold any more."""
    try:
        verified = bundle_store.load_verified(vault)
    except errors.DomainError as error:
        return {"altered": error.message}
    bundle = verified.bundle
    try:
        bundle_store.require_trusted(key_ids=verified.key_ids, now=now)
        signature_problem = ""
    except errors.DomainError as error:
        signature_problem = error.message
    page_prompts = bundle.prompts[start - 1 : start - 1 + PROMPTS_PER_PAGE]
    next_start = start + PROMPTS_PER_PAGE
    return {
        "bundle": bundle,
        "as_of": datetime.fromisoformat(bundle.as_of),
        "is_ours": bundle.issuer.installation == installation.get_installation_id(),
        "signers": signer_display.build_signers(
            key_ids=verified.key_ids, roots=shelf.get_trusted_roots(), now=now
        ),
        "worthless": signature_problem,
        "told": build_prompt_rows(
            page_prompts, local_prompts=_match_local_prompts(vault, page_prompts)
        ),
        "ancestors": bundle.ancestors[:ANCESTORS_SHOWN],
        "events": sum(len(prompt.events or ()) for prompt in bundle.prompts),
        "tells_events": any(prompt.events is not None for prompt in bundle.prompts),
        "start": start,
        "last": start - 1 + len(page_prompts),
        "newer": max(1, start - PROMPTS_PER_PAGE) if start > 1 else None,
        "older": next_start if next_start <= len(bundle.prompts) else None,
    }


def _match_local_prompts(
    vault: PromptMarketplaceVault, page_prompts: Sequence[bundles.BundledPrompt]
) -> dict[str, Prompt]:
    """Which prompt of here each told one is."""
    imported_prompts = PromptProvenance.objects.filter(
        vault=vault, name__in=[bundled_prompt.name for bundled_prompt in page_prompts]
    )
    by_name = {
        bundled_prompt.name: bundled_prompt.prompt
        for bundled_prompt in imported_prompts.select_related("prompt")
    }
    vault_prompts = vault.prompt_set.filter(
        digest__in=[bundled_prompt.digest for bundled_prompt in page_prompts]
    )
    by_digest = {prompt.digest: prompt for prompt in vault_prompts.defer("text", "wording")}
    return {
        bundled_prompt.name: local_prompt
        for bundled_prompt in page_prompts
        if (
            local_prompt := by_name.get(bundled_prompt.name) or by_digest.get(bundled_prompt.digest)
        )
        is not None
    }


def _describe_actions(vault: PromptMarketplaceVault, *, caller: Caller) -> dict[str, Any]:
    """What the caller may do with a vault: have its file (else why not), have it as a folder, vouch for it as whom."""
    try:
        bundle_store.get_downloadable_file(caller=caller, vault=vault)
        download_obstacle = ""
    except errors.Forbidden as error:
        download_obstacle = error.message
    is_import = vault.purpose == PromptMarketplaceVault.Purpose.IMPORT
    return {
        "kept_back": download_obstacle,
        "may_fold": not is_import or caller.has_role(Role.AUTHOR, team_id=vault.team_id),
        "vouches": _list_countersigners(caller),
    }


def _list_countersigners(caller: Caller) -> list[tuple[str, str]]:
    """As whom a caller may countersign: his teams, and the installation."""
    team_choices = [
        (str(team.pk), f"team {team.name}")
        for team in shelf.list_teams_with_role(caller, Role.AUTHOR)
    ]
    installation_choice = (
        [(shelf.INSTALLATION, "this installation")]
        if caller.has_role(Role.AUTHOR, team_id=None)
        else []
    )
    return [*team_choices, *installation_choice]
