"""What is owed abroad: royalties of prompts that came from other installations, kept at each sale, paid outside."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from mintmark.accounts import principals
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role
from mintmark.core import bundles, errors
from mintmark.registry.models import Prompt
from mintmark.tokens import book, wallets
from mintmark.tokens.book import Posted
from mintmark.vault import vaults
from mintmark.vault.models import ForeignPrompt, PromptMarketplaceVault

from . import forks, lineage
from .models import ForeignHolder, ForeignRoyalty


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What the wallet of somebody of another installation holds, in micro-tokens."""

    holder: ForeignHolder
    balance_micro: int


def agree(*, vault: PromptMarketplaceVault, now: datetime) -> list[ForeignRoyalty]:
    """Keep what sales of the prompts that came with a bundle owe, as it tells; in the transaction that takes it in.

    What a sale owes for a parent that is here too is not kept twice. A prompt that came as a fork of another team's of
    here owes that team what its forks owe. Doing it again changes nothing.
    """
    bundle = vaults.opened(vault).bundle
    told = {prompt.name: prompt for prompt in bundle.prompts}
    came = ForeignPrompt.objects.filter(vault=vault, registered=True)
    made = []
    for one in came.select_related("prompt__parent", "prompt__team").order_by("prompt"):
        forks.freeze(one.prompt, now=now)
        if not one.prompt.foreign_royalties.exists():
            made += _kept(one.prompt, told[one.name].royalties, issuer=bundle.issuer, now=now)
    return made


def holder(*, issuer: bundles.Issuer, name: str, now: datetime) -> Principal:
    """The principal of somebody of another installation, with a wallet; made when he is first owed something."""
    found = ForeignHolder.objects.filter(installation=issuer.installation, holder=name)
    known = found.select_related("principal").first()
    if known is None:
        try:
            with transaction.atomic():
                shown = f"{name} @ {issuer.name} ({issuer.installation[:8]})"
                principal = principals.from_elsewhere(name=shown)
                known = ForeignHolder.objects.create(
                    principal=principal,
                    installation=issuer.installation,
                    holder=name,
                    issuer_name=issuer.name,
                )
        except IntegrityError:  # somebody else made him just now
            known = found.select_related("principal").get()
        wallets.opened(principal=known.principal, now=now)
    return known.principal


def owed_abroad(*, caller: Caller) -> list[Debt]:
    """Whoever of another installation is owed something here, the largest sum first. It takes a treasurer or an
    auditor."""
    if not caller.has_role(Role.TREASURER, Role.AUDITOR, team_id=None):
        raise errors.Forbidden(
            "What is owed abroad is for a treasurer or an auditor of the installation to see."
        )
    holders = {one.pk: one for one in ForeignHolder.objects.select_related("principal")}
    held = book.balances(list(holders))
    debts = [Debt(holder=holders[pk], balance_micro=sum_) for pk, sum_ in held.items() if sum_]
    return sorted(debts, key=lambda debt: (-debt.balance_micro, debt.holder.pk))


def pay_abroad(
    *,
    caller: Caller,
    holder: Principal,
    amount_micro: int,
    reason: str,
    key: str,
    now: datetime,
) -> Posted:
    """Keep that somebody of another installation was paid outside: so many tokens leave his wallet and circulation.

    It takes a treasurer; the same key again answers as it did. Raises `book.InsufficientFunds` beyond what is owed,
    `errors.KeyReused`, `errors.NotFound` for one who is owed nothing abroad.
    """
    if not ForeignHolder.objects.filter(principal=holder).exists():
        raise errors.NotFound(f"{holder} is nobody of another installation who is owed something.")
    return wallets.settle(
        caller=caller, holder=holder, amount_micro=amount_micro, reason=reason, key=key, now=now
    )


def _kept(
    prompt: Prompt,
    told: Sequence[bundles.Royalty],
    *,
    issuer: bundles.Issuer,
    now: datetime,
) -> list[ForeignRoyalty]:
    above: Counter[tuple[int, str, int]] = Counter()
    if prompt.parent is not None:
        owed = lineage.royalties_of(prompt=prompt.parent)
        above.update((o.holder_id, o.reference, o.rate_bp) for o in owed if o.ancestor is None)
    rows: list[ForeignRoyalty] = []
    for royalty in told:
        principal = holder(issuer=issuer, name=royalty.holder, now=now)
        key = (principal.pk, royalty.ancestor, royalty.rate_bp)
        if above[key]:
            above[key] -= 1
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
