"""Bundles of what was traded: export what one may pass on, give buyers their receipts, withdraw what others
withdrew."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.deployments import injections
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Prompt
from mintmark.signing import bundles as core_bundles
from mintmark.signing import canonical_json
from mintmark.tokens.models import Transfer
from mintmark.vault import bundle_builder, bundle_store, quarantine, revocation_lists
from mintmark.vault.bundle_builder import InvalidExport
from mintmark.vault.models import (
    BundleImport,
    PromptMarketplaceVault,
    RevocationList,
)

from . import export_rights, foreign_royalties, lineage, listings, purchases, warranties
from .models import PromptSet, Purchase

_RECEIPT_WINDOW = timedelta(days=1)
_PURPOSE = PromptMarketplaceVault.Purpose


def export_bundle(
    *,
    caller: Caller,
    prompts: Sequence[Prompt] = (),
    prompt_set: PromptSet | None = None,
    team: Team,
    now: datetime,
    name: str = "",
    title: str = "",
    description: str = "",
    with_events: bool = False,
    owner_assistant: Assistant | None = None,
) -> PromptMarketplaceVault:
    """A signed bundle of prompts (or of a set) that a team may tell elsewhere: its own, and those whose licence lets it
    pass them on. All of them or none: `rows` name each that stands in the way.

    It takes a person who is author or operator in the team. Exported again without change, it is the same vault. Raises
    `Forbidden`, `LicenceForbids`, `InvalidExport`.
    """
    _require_exporter(caller, team=team, owner_assistant=owner_assistant)
    if prompt_set is not None:
        items = prompt_set.items.select_related("prompt__team").order_by("position")
        prompts = [*prompts, *(item.prompt for item in items)]
        name, title = name or prompt_set.name, title or prompt_set.title
        description = description or prompt_set.description
    unique_prompts = list({prompt.pk: prompt for prompt in prompts}.values())
    bundle_builder.check_prompt_count(len(unique_prompts))
    rights = export_rights.resolve_export_rights(prompts=unique_prompts, team=team)
    bundle = bundle_builder.build_bundle(
        prompts=unique_prompts,
        terms=export_rights.build_export_terms(prompts=unique_prompts, team=team, rights=rights),
        team=team,
        purpose="export",
        name=name
        or (
            unique_prompts[0].name if len(unique_prompts) == 1 else f"{len(unique_prompts)} prompts"
        ),
        title=title,
        description=description,
        with_events=with_events,
        receipt=None,
        licences_of_ancestors=lambda ancestors: lineage.get_licences(prompts=ancestors),
    )
    return bundle_store.sign_and_store(
        bundle=bundle,
        team=team,
        purpose=_PURPOSE.EXPORT,
        made_by=caller.principal,
        owner_assistant=owner_assistant,
        prompts=unique_prompts,
        receipt_of=None,
        now=now,
    )


def get_or_issue_receipt(
    *, caller: Caller | None, transfer: int, now: datetime
) -> PromptMarketplaceVault | None:
    """The bundle of what was bought in one transfer, for the team that bought (`caller` None: for the worker).

    Made the first time that it is asked for, of what the team may still use then; None where that is nothing.
    """
    purchase_rows = list(
        purchases.list_transfer_purchases(transfer=transfer).select_related(
            "prompt__team", "buyer__assistant"
        )
    )
    if not purchase_rows or (caller is not None and not _may_download(caller, purchase_rows[0])):
        raise errors.NotFound(f"There is no purchase {transfer}, or it is another team's.")
    existing = PromptMarketplaceVault.objects.filter(receipt_of=transfer).first()
    if existing is not None:
        return existing
    first, usable_prompts = (
        purchase_rows[0],
        [purchase.prompt for purchase in purchase_rows if _is_usable(purchase)],
    )
    if not usable_prompts:
        return None
    prompt_set = first.prompt_set
    title = prompt_set.title if prompt_set is not None else first.prompt.title or first.prompt.name
    bundle = bundle_builder.build_bundle(
        prompts=usable_prompts,
        terms=export_rights.build_export_terms(
            prompts=usable_prompts,
            team=first.team,
            rights=export_rights.resolve_buyer_rights(prompts=usable_prompts, team=first.team),
        ),
        team=None,
        purpose="receipt",
        name=f"receipt-{transfer}",
        title=title,
        description=prompt_set.description[:4_000] if prompt_set is not None else "",
        with_events=False,
        receipt=core_bundles.BundleReceipt(
            transfer=transfer,
            buyer=first.buyer.name,
            team=first.team.name,
            price_micro=sum(purchase.price_micro for purchase in purchase_rows),
            bought_at=bundle_builder.format_time(first.bought_at),
        ),
        licences_of_ancestors=lambda ancestors: lineage.get_licences(prompts=ancestors),
    )
    return bundle_store.sign_and_store(
        bundle=bundle,
        team=first.team,
        purpose=_PURPOSE.RECEIPT,
        made_by=caller.principal if caller is not None else None,
        owner_assistant=getattr(first.buyer, "assistant", None),
        prompts=usable_prompts,
        receipt_of=Transfer.objects.get(pk=transfer),
        now=now,
    )


def issue_due_receipts(*, now: datetime, max_receipts: int = 20) -> int:
    """Make the receipts of sets bought within a day that have none yet, `at_most` of them; how many were made.

    What fits no bundle is left to whoever asks for it, who then gets the reason.
    """
    due = (
        Purchase.objects.filter(
            bought_at__gt=now - _RECEIPT_WINDOW,
            prompt_set__isnull=False,
            entitlement__ended_at__isnull=True,
            prompt__tombstone__isnull=True,
            transfer__vault__isnull=True,
        )
        .order_by("transfer")
        .values_list("transfer", flat=True)
        .distinct()
    )
    issued = 0
    for transfer in due[: 10 * max_receipts]:
        with suppress(
            InvalidExport, core_bundles.InvalidBundle, canonical_json.InvalidCanonicalJson
        ):
            issued += get_or_issue_receipt(caller=None, transfer=transfer, now=now) is not None
        if issued == max_receipts:
            break
    return issued


def accept_bundle(
    *,
    caller: Caller,
    bundle_import: BundleImport,
    now: datetime,
    reason: str = "",
    runs: int | None = None,
    namespace: str | None = None,
) -> BundleImport:
    """Take in a bundle that waits (`vault.imports.accept`), with what sales of its prompts owe where it came from; all
    of it or nothing. The row that is returned says `refused` where the file no longer stands."""
    with transaction.atomic():
        accepted = quarantine.accept_import(
            caller=caller,
            bundle_import=bundle_import,
            reason=reason,
            runs=runs,
            namespace=namespace,
            now=now,
        )
        if accepted.vault is not None:
            foreign_royalties.record_foreign_royalties(vault=accepted.vault, now=now)
    return accepted


def apply_revocation_list(*, caller: Caller, raw: bytes, now: datetime) -> RevocationList:
    """Take in the signed list of what another installation withdrew, and let it act at once: off the market, out of
    every context, away from every reader but its team, and open warranties refunded."""
    with transaction.atomic():
        revocation_list = revocation_lists.apply_revocation_list(caller=caller, raw=raw, now=now)
        withdrawn_prompts = revocation_lists.list_withdrawn_prompts(revocation_list)
        for prompt in withdrawn_prompts:
            reason = f"withdrawn for good: {prompt.tombstone.reason}"[
                : entitlements.MAX_REASON_LENGTH
            ]
            listings.end_listing(prompt=prompt, reason=reason, now=now)
            injections.end_injections(
                prompt=prompt, ended_by=caller.principal, reason=reason, now=now
            )
    # Each in a transaction of its own: together they would hold accounts that sales take in another order.
    for prompt in withdrawn_prompts:
        warranties.refund_open(prompt=prompt, actor=caller.principal, now=now)
    return revocation_list


def list_export_obstacles(*, prompts: Sequence[Prompt], team: Team) -> dict[int, str]:
    """Why a team may not tell some of these prompts elsewhere, by their ids; nothing of those that it may tell."""
    try:
        export_rights.resolve_export_rights(prompts=prompts, team=team)
    except errors.DomainError as error:
        return {prompts[row["row"]].pk: row["message"] for row in error.rows}
    return {}


def _require_exporter(caller: Caller, *, team: Team, owner_assistant: Assistant | None) -> None:
    caller.require_scope("market")
    if caller.is_assistant:
        raise errors.Forbidden("To export texts takes a person.")
    if not caller.has_role(Role.AUTHOR, Role.OPERATOR, team_id=team.pk):
        raise errors.Forbidden(f"Exporting for team {team} takes its role 'author' or 'operator'.")
    if owner_assistant is not None and owner_assistant.team_id != team.pk:
        raise errors.Forbidden(f"{owner_assistant.name} is no assistant of team {team}.")


def _may_download(caller: Caller, purchase: Purchase) -> bool:
    return caller.is_admin or purchase.team_id in caller.team_ids


def _is_usable(purchase: Purchase) -> bool:
    return purchase.entitlement.ended_at is None and not hasattr(purchase.prompt, "tombstone")
