"""What is owed to other installations: royalties of prompts that came from other installations, kept at each sale,
paid outside."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from mintmark.accounts import principals
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role
from mintmark.common import errors
from mintmark.registry.models import Prompt
from mintmark.signing import bundles
from mintmark.tokens import book, wallets
from mintmark.tokens.book import Posting
from mintmark.vault import bundle_store
from mintmark.vault.models import PromptMarketplaceVault, PromptProvenance

from . import forks, lineage
from .models import ForeignHolder, ForeignRoyalty


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignBalance:
    """What the wallet of somebody of another installation holds, in micro-credits."""

    holder: ForeignHolder
    balance_micro: int


def record_foreign_royalties(
    *, vault: PromptMarketplaceVault, now: datetime
) -> list[ForeignRoyalty]:
    """Keep what sales of the prompts that came with a bundle owe, as it tells; in the transaction that takes it in.

    What a sale owes for a parent that is here too is not kept twice. A prompt that came as a fork of another team's of
    here owes that team what its forks owe. Doing it again changes nothing.
    """
    bundle = bundle_store.load_verified(vault).bundle
    bundled_prompts = {prompt.name: prompt for prompt in bundle.prompts}
    imported = PromptProvenance.objects.filter(vault=vault, registered=True)
    created = []
    for provenance in imported.select_related("prompt__parent", "prompt__team").order_by("prompt"):
        forks.record_royalty_terms(provenance.prompt, now=now)
        if not provenance.prompt.foreign_royalties.exists():
            created += _store_royalties(
                provenance.prompt,
                bundled_prompts[provenance.name].royalties,
                issuer=bundle.issuer,
                now=now,
            )
    return created


def get_or_create_holder(*, issuer: bundles.BundleIssuer, name: str, now: datetime) -> Principal:
    """The principal of somebody of another installation, with a wallet; made when they are first owed something."""
    matching = ForeignHolder.objects.filter(installation=issuer.installation, holder=name)
    foreign_holder = matching.select_related("principal").first()
    if foreign_holder is None:
        try:
            with transaction.atomic():
                display_name = f"{name} @ {issuer.name} ({issuer.installation[:8]})"
                principal = principals.create_foreign(name=display_name)
                foreign_holder = ForeignHolder.objects.create(
                    principal=principal,
                    installation=issuer.installation,
                    holder=name,
                    issuer_name=issuer.name,
                )
        except IntegrityError:  # another process made it just now
            foreign_holder = matching.select_related("principal").get()
        wallets.get_or_open(principal=foreign_holder.principal, now=now)
    return foreign_holder.principal


def list_foreign_balances(*, caller: Caller) -> list[ForeignBalance]:
    """Whoever of another installation is owed something here, the largest sum first. It takes a treasurer or an
    auditor."""
    if not caller.has_role(Role.TREASURER, Role.AUDITOR, team_id=None):
        raise errors.Forbidden(
            "What is owed to other installations is for a treasurer or an auditor of the installation to see."
        )
    holders = {
        foreign_holder.pk: foreign_holder
        for foreign_holder in ForeignHolder.objects.select_related("principal")
    }
    balance_by_holder = book.get_balances(list(holders))
    foreign_balances = [
        ForeignBalance(holder=holders[pk], balance_micro=balance_micro)
        for pk, balance_micro in balance_by_holder.items()
        if balance_micro
    ]
    return sorted(foreign_balances, key=lambda balance: (-balance.balance_micro, balance.holder.pk))


def record_foreign_payment(
    *,
    caller: Caller,
    holder: Principal,
    amount_micro: int,
    reason: str,
    idempotency_key: str,
    now: datetime,
) -> Posting:
    """Keep that somebody of another installation was paid outside: so many credits leave their wallet and circulation.

    It takes a treasurer; the same key again answers as it did. Raises `book.InsufficientFunds` beyond what is owed,
    `errors.KeyReused`, `errors.NotFound` for one of another installation who is owed nothing.
    """
    if not ForeignHolder.objects.filter(principal=holder).exists():
        raise errors.NotFound(f"{holder} is nobody of another installation who is owed something.")
    return wallets.burn(
        caller=caller,
        holder=holder,
        amount_micro=amount_micro,
        reason=reason,
        idempotency_key=idempotency_key,
        now=now,
    )


def _store_royalties(
    prompt: Prompt,
    royalties: Sequence[bundles.BundleRoyalty],
    *,
    issuer: bundles.BundleIssuer,
    now: datetime,
) -> list[ForeignRoyalty]:
    inherited: Counter[tuple[int, str, int]] = Counter()
    if prompt.parent is not None:
        due_royalties = lineage.list_royalties(prompt=prompt.parent)
        inherited.update(
            (due.holder_id, due.reference, due.rate_bp)
            for due in due_royalties
            if due.ancestor is None
        )
    rows: list[ForeignRoyalty] = []
    for royalty in royalties:
        principal = get_or_create_holder(issuer=issuer, name=royalty.holder, now=now)
        key = (principal.pk, royalty.ancestor, royalty.rate_bp)
        if inherited[key]:
            inherited[key] -= 1
            continue
        rows.append(
            ForeignRoyalty(
                prompt=prompt,
                generation=len(rows),
                holder=principal,
                ancestor=royalty.ancestor,
                rate_bp=royalty.rate_bp,
                agreed_at=now,
            )
        )
    return ForeignRoyalty.objects.bulk_create(rows)
