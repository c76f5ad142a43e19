"""The audit of the vault: every bundle still holds, and what it is said to be it is."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from mintmark.core import errors
from mintmark.database import findings
from mintmark.database.findings import Finding
from mintmark.registry.models import Prompt
from mintmark.tokens.models import Transfer

from . import vaults, withdrawals
from .models import BundleImport, PromptMarketplaceVault, RevocationList

APPEND_ONLY = (
    "vault_identity", "vault_promptmarketplacevault", "vault_promptmarketplacevault_prompt_set",
    "vault_bundlesignature", "vault_foreignprompt", "vault_revocationlist", "vault_trustedkey", "vault_signingkey",
    "vault_bundleimport",
)  # fmt: skip

_AT_ONCE = 20
_EVERY = 1_000
_Purpose = PromptMarketplaceVault.Purpose
_State = BundleImport.State


def audit(*, progress: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Check every invariant of the vault; reads everything and changes nothing."""
    found = []
    for check in (
        _signed_stays,
        lambda: _signatures_hold(progress),
        _prompts_are_told,
        _imports_keep_what_they_may,
        _receipts_are_of_purchases,
        _withdrawn_is_withdrawn,
    ):
        finding = check()
        progress(finding.says)
        found.append(finding)
    return found


def _signed_stays() -> Finding:
    return findings.append_only(
        APPEND_ONLY,
        code="vault_append_only",
        says="triggers refuse to change what was signed and decided",
    )


def _signatures_hold(progress: Callable[[str], None]) -> Finding:
    """Each row's envelope verifies over its own `exported_json`, and its digest and name are those of its file."""
    total = PromptMarketplaceVault.objects.count()

    def broken() -> Iterator[str]:
        for n, vault in enumerate(_vaults(), start=1):
            try:
                signed = vaults.verify(vault)
            except vaults.VaultAltered as altered:
                yield str(altered)
            else:
                if signed != set(vault.signatures.values_list("key_id", flat=True)):
                    yield f"vault {vault.pk}: the keys noted as its signers are not those that signed it"
            said = _said(vault, "prompt_set", "name")
            if said != vault.name:
                yield f"vault {vault.pk} is called {vault.name!r}, and its bundle {said!r}"
            if n % _EVERY == 0:
                progress(f"{n:,} of {total:,} bundles verified")

    return Finding(
        code="vault_signatures",
        says="every bundle's signatures hold over what is kept of it",
        checked=total,
        broken=findings.first(broken()),
    )


def _prompts_are_told() -> Finding:
    """The prompts of a vault are those that its bundle tells, by digest; what was made here also by name."""
    through = PromptMarketplaceVault.prompt_set.through

    def broken() -> Iterator[str]:
        for vault in _vaults():
            told = _told(vault)
            rows = Prompt.objects.filter(vaults=vault).defer("text", "wording")
            kept = [(prompt.reference, prompt.digest) for prompt in rows]
            if vault.purpose == _Purpose.IMPORT:
                holds = {digest for _, digest in kept} == {digest for _, digest in told}
            else:
                holds = sorted(kept) == sorted(told)
            if not holds:
                yield f"vault {vault.pk}: its prompts are not those that its bundle tells"

    return Finding(
        code="vault_prompts",
        says="every bundle's prompts are those that it tells, each with its digest",
        checked=through.objects.count(),
        broken=findings.first(broken()),
    )


def _imports_keep_what_they_may() -> Finding:
    """What was taken in has its bundle, with the digest of the file that was brought; what waits is that file; what was
    refused holds nothing of it."""
    rows = BundleImport.objects.select_related("vault")

    def broken() -> Iterator[str]:
        for one in rows.iterator(chunk_size=_AT_ONCE):
            if one.state == _State.REFUSED:
                if one.envelope or one.findings or one.vault_id is not None:
                    yield f"import {one.pk} was refused, and something of it was kept"
            elif one.state == _State.WAITING:
                raw = one.envelope.encode()
                if hashlib.sha256(raw).hexdigest() != one.digest or len(raw) != one.size:
                    yield f"import {one.pk} waits, and is not the file that was brought"
            elif one.vault is None or one.vault.digest != one.digest:
                yield f"import {one.pk} was taken in, and its bundle is not the file that was brought"
            elif one.vault.team_id != one.team_id:
                yield f"import {one.pk} was taken in, and its bundle is another team's"
        lost = PromptMarketplaceVault.objects.filter(purpose=_Purpose.IMPORT, imports=None)
        for pk in lost.values_list("pk", flat=True):
            yield f"vault {pk} came from elsewhere, and nobody brought it"

    return Finding(
        code="vault_imports",
        says="every import is the file that was brought, or its refusal and nothing else",
        checked=rows.count(),
        broken=findings.first(broken()),
    )


def _receipts_are_of_purchases() -> Finding:
    """A receipt is of a purchase in the token book, and says which."""
    receipts = PromptMarketplaceVault.objects.filter(purpose=_Purpose.RECEIPT)

    def broken() -> Iterator[str]:
        bought = Transfer.objects.filter(cause=Transfer.Cause.PURCHASE)
        astray = receipts.exclude(receipt_of__in=bought.values("pk"))
        for pk, transfer in astray.values_list("pk", "receipt_of"):
            yield f"vault {pk} is a receipt of transfer {transfer}, and there is no such purchase"
        for vault in receipts.order_by("pk").iterator(chunk_size=_AT_ONCE):
            if _said(vault, "receipt", "transfer") != vault.receipt_of_id:
                yield f"vault {vault.pk} is kept as a receipt of another transfer than it says"

    return Finding(
        code="vault_receipts",
        says="every receipt is of a purchase that the token book has",
        checked=receipts.count(),
        broken=findings.first(broken()),
    )


def _withdrawn_is_withdrawn() -> Finding:
    """What a list of another installation withdrew, of what had come from it by then, is withdrawn here."""
    lists = RevocationList.objects.order_by("pk")

    def broken() -> Iterator[str]:
        for taken in lists.iterator(chunk_size=_AT_ONCE):
            try:
                living = withdrawals.still_here(taken)
            except errors.Refusal as altered:
                yield f"list {taken.sequence} of {taken.issuer} is not what was signed: {altered}"
            else:
                yield from (
                    f"{prompt.reference} was withdrawn by list {taken.sequence} of {taken.issuer}, and lives"
                    for prompt in living
                )

    return Finding(
        code="vault_withdrawals",
        says="what other installations withdrew is withdrawn here",
        checked=lists.count(),
        broken=findings.first(broken()),
    )


def _vaults() -> Iterator[PromptMarketplaceVault]:
    return PromptMarketplaceVault.objects.order_by("pk").iterator(chunk_size=_AT_ONCE)


def _told(vault: PromptMarketplaceVault) -> list[tuple[str, str]]:
    """Names and digests of the prompts that a bundle tells; nothing where it was tampered with."""
    prompts = _said(vault, "prompts")
    if not isinstance(prompts, list):
        return []
    return [(str(one.get("name")), str(one.get("digest"))) for one in prompts]


def _said(vault: PromptMarketplaceVault, *path: str) -> Any:
    """What the predicate says there; None where it says nothing."""
    at = vault.exported_json
    for name in ("predicate", *path):
        at = at.get(name) if isinstance(at, dict) else None
    return at
