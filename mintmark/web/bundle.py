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
from mintmark.core import bundles, errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry.models import Prompt
from mintmark.reputation.answers import Estimate
from mintmark.vault import identity, vaults
from mintmark.vault.models import ForeignPrompt, PromptMarketplaceVault

from . import doors, licences, parameters, signers
from . import vaults as shelf

PROMPTS_A_PAGE = 25
ANCESTORS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A prompt as a bundle tells it, with the prompt that it is here (None where it is not known), how it did where it
    was told, and what its licence allows."""

    prompt: bundles.Prompt
    here: Prompt | None
    trust: Estimate
    average: float
    allowed: str

    @property
    def runs(self) -> int:
        return self.prompt.reputation.outcomes + self.prompt.reputation.replays


@doors.page
def page(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>`."""
    caller, now = doors.caller(request), timezone.now()
    vault = vaults.named(caller=caller, pk=vault_id)
    start = parameters.whole(request.GET, "from", lowest=1, highest=bundles.MOST_PROMPTS) or 1
    context = {
        "vault": vault,
        "size": len(vault.symbolic_signature),
        **_checked(vault, start=start, now=now),
        **_ways(vault, caller=caller),
    }
    return render(request, "web/vault.html", context)


@doors.action
def countersign(request: HttpRequest, vault_id: int) -> HttpResponseBase:
    """`/vaults/<id>/countersign`: the file with one's own signature beside those that are there."""
    caller, now = doors.caller(request), timezone.now()
    vault = vaults.named(caller=caller, pk=vault_id)
    raw = vaults.countersign(
        caller=caller,
        vault_or_raw=vault,
        team=shelf.signing_for(request.POST.get("as", "")),
        now=now,
    )
    name = f"{shelf.stem(vault)}-countersigned.json"
    return shelf.attached(raw, name=name, kind="application/json")


@doors.action
def of_receipt(request: HttpRequest, transfer_id: int) -> HttpResponseBase:
    """`/market/receipts/<transfer>/bundle`: the signed bundle of what was bought, made when it is first asked for."""
    made = SymbolicPromptTokenMarketplace().receipt(
        caller=doors.caller(request), transfer=transfer_id, now=timezone.now()
    )
    if made is None:
        raise errors.NotFound(
            f"Nothing that was bought in transfer {transfer_id} may still be used, so there is no bundle of it."
        )
    return redirect("vault", made.pk)


def told(prompts: Sequence[bundles.Prompt], *, here: dict[str, Prompt]) -> list[Told]:
    """Prompts of a bundle as a page shows them; `here` are those that they are here, by their names in the bundle."""
    return [
        Told(
            prompt=one,
            here=here.get(one.name),
            trust=estimate(one.reputation),
            average=one.reputation.average_ppm / bundles.MILLION,
            allowed=licences.allowed_by(one.licence),
        )
        for one in prompts
    ]


def estimate(reputation: bundles.Reputation) -> Estimate:
    """A score as a bundle tells it, with its interval and the runs measured there."""
    return Estimate(
        value=reputation.trust_ppm / bundles.MILLION,
        low=reputation.low_ppm / bundles.MILLION,
        high=reputation.high_ppm / bundles.MILLION,
        runs=float(reputation.outcomes + reputation.replays),
    )


def _checked(vault: PromptMarketplaceVault, *, start: int, now: datetime) -> dict[str, Any]:
    """What the file says, read as any reader would, and what its signatures are worth now; `altered` says why it does
    not hold any more."""
    try:
        opened = vaults.opened(vault)
    except errors.Refusal as refusal:
        return {"altered": refusal.message}
    bundle = opened.bundle
    try:
        vaults.require_trusted(key_ids=opened.key_ids, now=now)
        worthless = ""
    except errors.Refusal as refusal:
        worthless = refusal.message
    part = bundle.prompts[start - 1 : start - 1 + PROMPTS_A_PAGE]
    after = start + PROMPTS_A_PAGE
    return {
        "bundle": bundle,
        "as_of": datetime.fromisoformat(bundle.as_of),
        "is_ours": bundle.issuer.installation == identity.installation(),
        "signers": signers.told(key_ids=opened.key_ids, roots=shelf.roots(), now=now),
        "worthless": worthless,
        "told": told(part, here=_here(vault, part)),
        "ancestors": bundle.ancestors[:ANCESTORS_SHOWN],
        "events": sum(len(prompt.events or ()) for prompt in bundle.prompts),
        "tells_events": any(prompt.events is not None for prompt in bundle.prompts),
        "start": start,
        "last": start - 1 + len(part),
        "newer": max(1, start - PROMPTS_A_PAGE) if start > 1 else None,
        "older": after if after <= len(bundle.prompts) else None,
    }


def _here(vault: PromptMarketplaceVault, part: Sequence[bundles.Prompt]) -> dict[str, Prompt]:
    """Which prompt of here each told one is."""
    came = ForeignPrompt.objects.filter(vault=vault, name__in=[one.name for one in part])
    named = {one.name: one.prompt for one in came.select_related("prompt")}
    kept = vault.prompt_set.filter(digest__in=[one.digest for one in part])
    by_digest = {prompt.digest: prompt for prompt in kept.defer("text", "wording")}
    return {
        one.name: found
        for one in part
        if (found := named.get(one.name) or by_digest.get(one.digest)) is not None
    }


def _ways(vault: PromptMarketplaceVault, *, caller: Caller) -> dict[str, Any]:
    """What the caller may do with a vault: have its file (else why not), have it as a folder, vouch for it as whom."""
    try:
        vaults.handed_out(caller=caller, vault=vault)
        kept_back = ""
    except errors.Forbidden as refusal:
        kept_back = refusal.message
    is_import = vault.purpose == PromptMarketplaceVault.Purpose.IMPORT
    return {
        "kept_back": kept_back,
        "may_fold": not is_import or caller.has_role(Role.AUTHOR, team_id=vault.team_id),
        "vouches": _vouchers(caller),
    }


def _vouchers(caller: Caller) -> list[tuple[str, str]]:
    """As whom a caller may countersign: his teams, and the installation."""
    own = [(str(team.pk), f"team {team.name}") for team in shelf.teams_of(caller, Role.AUTHOR)]
    house = (
        [(shelf.HOUSE, "this installation")] if caller.has_role(Role.AUTHOR, team_id=None) else []
    )
    return [*own, *house]
