"""Bundles of what was traded: export what one may tell, give a buyer his receipt, withdraw what others withdrew."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import bundles as core_bundles
from mintmark.core import canonical_json, errors
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Prompt
from mintmark.tokens.models import Transfer
from mintmark.vault import imports, telling, vaults, withdrawals
from mintmark.vault.models import (
    BundleImport,
    PromptMarketplaceVault,
    RevocationList,
)
from mintmark.vault.telling import InvalidExport

from . import disclosure, foreign, injections, lineage, listings, receipts, warranties
from .models import PromptSet, Purchase

_DUE_WITHIN = timedelta(days=1)
_PURPOSE = PromptMarketplaceVault.Purpose


def export(
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

    It takes a person who is author or operator in the team. Told again without change, it is the same vault. Raises
    `Forbidden`, `LicenceForbids`, `InvalidExport`.
    """
    _require_teller(caller, team=team, owner_assistant=owner_assistant)
    if prompt_set is not None:
        items = prompt_set.items.select_related("prompt__team").order_by("position")
        prompts = [*prompts, *(item.prompt for item in items)]
        name, title = name or prompt_set.name, title or prompt_set.title
        description = description or prompt_set.description
    wanted = list({prompt.pk: prompt for prompt in prompts}.values())
    telling.check_number(len(wanted))
    rights = disclosure.rights(prompts=wanted, team=team)
    bundle = telling.told(
        prompts=wanted,
        terms=disclosure.terms(prompts=wanted, team=team, rights=rights),
        team=team,
        purpose="export",
        name=name or (wanted[0].name if len(wanted) == 1 else f"{len(wanted)} prompts"),
        title=title,
        description=description,
        with_events=with_events,
        receipt=None,
        licences_of_ancestors=lambda ancestors: lineage.licences_of(prompts=ancestors),
    )
    return vaults.keep(
        bundle=bundle,
        team=team,
        purpose=_PURPOSE.EXPORT,
        made_by=caller.principal,
        owner_assistant=owner_assistant,
        prompts=wanted,
        receipt_of=None,
        now=now,
    )


def receipt(
    *, caller: Caller | None, transfer: int, now: datetime
) -> PromptMarketplaceVault | None:
    """The bundle of what was bought in one transfer, for the team that bought (`caller` None: for the worker).

    Made the first time that it is asked for, of what the team may still use then; None where that is nothing.
    """
    bought = list(
        receipts.lines(transfer=transfer).select_related("prompt__team", "buyer__assistant")
    )
    if not bought or (caller is not None and not _may_have(caller, bought[0])):
        raise errors.NotFound(f"There is no purchase {transfer}, or it is another team's.")
    made = PromptMarketplaceVault.objects.filter(receipt_of=transfer).first()
    if made is not None:
        return made
    first, told = bought[0], [purchase.prompt for purchase in bought if _is_served(purchase)]
    if not told:
        return None
    sold = first.prompt_set
    title = sold.title if sold is not None else first.prompt.title or first.prompt.name
    bundle = telling.told(
        prompts=told,
        terms=disclosure.terms(
            prompts=told,
            team=first.team,
            rights=disclosure.rights_of_buyer(prompts=told, team=first.team),
        ),
        team=None,
        purpose="receipt",
        name=f"receipt-{transfer}",
        title=title,
        description=sold.description[:4_000] if sold is not None else "",
        with_events=False,
        receipt=core_bundles.Receipt(
            transfer=transfer,
            buyer=first.buyer.name,
            team=first.team.name,
            price_micro=sum(purchase.price_micro for purchase in bought),
            bought_at=telling.moment(first.bought_at),
        ),
        licences_of_ancestors=lambda ancestors: lineage.licences_of(prompts=ancestors),
    )
    return vaults.keep(
        bundle=bundle,
        team=first.team,
        purpose=_PURPOSE.RECEIPT,
        made_by=caller.principal if caller is not None else None,
        owner_assistant=getattr(first.buyer, "assistant", None),
        prompts=told,
        receipt_of=Transfer.objects.get(pk=transfer),
        now=now,
    )


def issue_due(*, now: datetime, at_most: int = 20) -> int:
    """Make the receipts of sets bought within a day that have none yet, `at_most` of them; how many were made.

    What fits no bundle is left to whoever asks for it, who is then told why.
    """
    due = (
        Purchase.objects.filter(
            bought_at__gt=now - _DUE_WITHIN,
            prompt_set__isnull=False,
            entitlement__ended_at__isnull=True,
            prompt__tombstone__isnull=True,
            transfer__vault__isnull=True,
        )
        .order_by("transfer")
        .values_list("transfer", flat=True)
        .distinct()
    )
    made = 0
    for transfer in due[: 10 * at_most]:
        with suppress(InvalidExport, core_bundles.BadBundle, canonical_json.BadJson):
            made += receipt(caller=None, transfer=transfer, now=now) is not None
        if made == at_most:
            break
    return made


def accept(
    *,
    caller: Caller,
    one: BundleImport,
    now: datetime,
    reason: str = "",
    runs: int | None = None,
    namespace: str | None = None,
) -> BundleImport:
    """Take in a bundle that waits (`vault.imports.accept`), with what sales of its prompts owe where it came from; all
    of it or nothing. The row that is returned says `refused` where the file no longer stands."""
    with transaction.atomic():
        taken = imports.accept(
            caller=caller, one=one, reason=reason, runs=runs, namespace=namespace, now=now
        )
        if taken.vault is not None:
            foreign.agree(vault=taken.vault, now=now)
    return taken


def take_withdrawals(*, caller: Caller, raw: bytes, now: datetime) -> RevocationList:
    """Take in the signed list of what another installation withdrew, and let it act at once: off the market, out of
    every context, away from every reader but its team, and open warranties refunded."""
    with transaction.atomic():
        taken = withdrawals.take(caller=caller, raw=raw, now=now)
        gone = withdrawals.withdrawn_by(taken)
        for prompt in gone:
            reason = f"withdrawn for good: {prompt.tombstone.reason}"[: entitlements.REASON_LENGTH]
            listings.end(prompt=prompt, reason=reason, now=now)
            injections.end_all(prompt=prompt, by=caller.principal, reason=reason, now=now)
    # Each in a transaction of its own: together they would hold accounts that sales take in another order.
    for prompt in gone:
        warranties.refund_open(prompt=prompt, actor=caller.principal, now=now)
    return taken


def what_stands_in_the_way(*, prompts: Sequence[Prompt], team: Team) -> dict[int, str]:
    """Why a team may not tell some of these prompts elsewhere, by their ids; nothing of those that it may tell."""
    try:
        disclosure.rights(prompts=prompts, team=team)
    except errors.Refusal as refusal:
        return {prompts[row["row"]].pk: row["message"] for row in refusal.rows}
    return {}


def _require_teller(caller: Caller, *, team: Team, owner_assistant: Assistant | None) -> None:
    caller.require_scope("market")
    if caller.is_assistant:
        raise errors.Forbidden("To export texts takes a person.")
    if not caller.has_role(Role.AUTHOR, Role.OPERATOR, team_id=team.pk):
        raise errors.Forbidden(f"Exporting for team {team} takes its role 'author' or 'operator'.")
    if owner_assistant is not None and owner_assistant.team_id != team.pk:
        raise errors.Forbidden(f"{owner_assistant.name} is no assistant of team {team}.")


def _may_have(caller: Caller, purchase: Purchase) -> bool:
    return caller.is_admin or purchase.team_id in caller.team_ids


def _is_served(purchase: Purchase) -> bool:
    return purchase.entitlement.ended_at is None and not hasattr(purchase.prompt, "tombstone")
