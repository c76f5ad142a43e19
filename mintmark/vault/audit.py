"""The audit of the vault: every bundle still holds, and what it is said to be it is."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from mintmark.common import errors
from mintmark.registry.models import Prompt
from mintmark.storage import audit_results
from mintmark.storage.audit_results import InvariantResult
from mintmark.tokens.models import Transfer

from . import bundle_store, revocation_lists
from .models import BundleImport, PromptMarketplaceVault, RevocationList

APPEND_ONLY = (
    "vault_identity", "vault_promptmarketplacevault", "vault_promptmarketplacevault_prompt_set",
    "vault_bundlesignature", "vault_foreignprompt", "vault_revocationlist", "vault_trustedkey", "vault_signingkey",
    "vault_bundleimport",
)  # fmt: skip

_BATCH_SIZE = 20
_PROGRESS_EVERY = 1_000
_Purpose = PromptMarketplaceVault.Purpose
_State = BundleImport.State


def audit(*, progress: Callable[[str], None] = lambda _: None) -> list[InvariantResult]:
    """Check every invariant of the vault; reads everything and changes nothing."""
    results = []
    for check in (
        _check_append_only,
        lambda: _check_signatures(progress),
        _check_bundled_prompts,
        _check_imports,
        _check_receipts,
        _check_withdrawals,
    ):
        result = check()
        progress(result.description)
        results.append(result)
    return results


def _check_append_only() -> InvariantResult:
    return audit_results.check_append_only(
        APPEND_ONLY,
        code="vault_append_only",
        description="triggers refuse to change what was signed and decided",
    )


def _check_signatures(progress: Callable[[str], None]) -> InvariantResult:
    """Each row's envelope verifies over its own `exported_json`, and its digest and name are those of its file."""
    total = PromptMarketplaceVault.objects.count()

    def find_violations() -> Iterator[str]:
        for n, vault in enumerate(_iterate_vaults(), start=1):
            try:
                signer_ids = bundle_store.verify_vault(vault)
            except bundle_store.VaultAltered as error:
                yield str(error)
            else:
                if signer_ids != set(vault.signatures.values_list("key_id", flat=True)):
                    yield f"vault {vault.pk}: the keys noted as its signers are not those that signed it"
            bundle_name = _read_predicate(vault, "prompt_set", "name")
            if bundle_name != vault.name:
                yield f"vault {vault.pk} is called {vault.name!r}, and its bundle {bundle_name!r}"
            if n % _PROGRESS_EVERY == 0:
                progress(f"{n:,} of {total:,} bundles verified")

    return InvariantResult(
        code="vault_signatures",
        description="every bundle's signatures hold over what is kept of it",
        checked=total,
        broken=audit_results.take_first(find_violations()),
    )


def _check_bundled_prompts() -> InvariantResult:
    """The prompts of a vault are those that its bundle tells, by digest; what was made here also by name."""
    through = PromptMarketplaceVault.prompt_set.through

    def find_violations() -> Iterator[str]:
        for vault in _iterate_vaults():
            bundled = _list_bundled_prompts(vault)
            rows = Prompt.objects.filter(vaults=vault).defer("text", "wording")
            stored = [(prompt.reference, prompt.digest) for prompt in rows]
            if vault.purpose == _Purpose.IMPORT:
                matches = {digest for _, digest in stored} == {digest for _, digest in bundled}
            else:
                matches = sorted(stored) == sorted(bundled)
            if not matches:
                yield f"vault {vault.pk}: its prompts are not those that its bundle tells"

    return InvariantResult(
        code="vault_prompts",
        description="every bundle's prompts are those that it tells, each with its digest",
        checked=through.objects.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_imports() -> InvariantResult:
    """What was taken in has its bundle, with the digest of the file that was brought; what waits is that file; what was
    refused holds nothing of it."""
    rows = BundleImport.objects.select_related("vault")

    def find_violations() -> Iterator[str]:
        for bundle_import in rows.iterator(chunk_size=_BATCH_SIZE):
            if bundle_import.state == _State.REFUSED:
                if (
                    bundle_import.envelope
                    or bundle_import.findings
                    or bundle_import.vault_id is not None
                ):
                    yield f"import {bundle_import.pk} was refused, and something of it was kept"
            elif bundle_import.state == _State.WAITING:
                raw = bundle_import.envelope.encode()
                if (
                    hashlib.sha256(raw).hexdigest() != bundle_import.digest
                    or len(raw) != bundle_import.size
                ):
                    yield f"import {bundle_import.pk} waits, and is not the file that was brought"
            elif bundle_import.vault is None or bundle_import.vault.digest != bundle_import.digest:
                yield f"import {bundle_import.pk} was taken in, and its bundle is not the file that was brought"
            elif bundle_import.vault.team_id != bundle_import.team_id:
                yield f"import {bundle_import.pk} was taken in, and its bundle is another team's"
        without_import = PromptMarketplaceVault.objects.filter(
            purpose=_Purpose.IMPORT, imports=None
        )
        for pk in without_import.values_list("pk", flat=True):
            yield f"vault {pk} came from elsewhere, and nobody brought it"

    return InvariantResult(
        code="vault_imports",
        description="every import is the file that was brought, or its refusal and nothing else",
        checked=rows.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_receipts() -> InvariantResult:
    """A receipt is of a purchase in the token book, and says which."""
    receipts = PromptMarketplaceVault.objects.filter(purpose=_Purpose.RECEIPT)

    def find_violations() -> Iterator[str]:
        purchase_transfers = Transfer.objects.filter(cause=Transfer.Cause.PURCHASE)
        mismatched = receipts.exclude(receipt_of__in=purchase_transfers.values("pk"))
        for pk, transfer in mismatched.values_list("pk", "receipt_of"):
            yield f"vault {pk} is a receipt of transfer {transfer}, and there is no such purchase"
        for vault in receipts.order_by("pk").iterator(chunk_size=_BATCH_SIZE):
            if _read_predicate(vault, "receipt", "transfer") != vault.receipt_of_id:
                yield f"vault {vault.pk} is kept as a receipt of another transfer than it says"

    return InvariantResult(
        code="vault_receipts",
        description="every receipt is of a purchase that the token book has",
        checked=receipts.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _check_withdrawals() -> InvariantResult:
    """What a list of another installation withdrew, of what had come from it by then, is withdrawn here."""
    lists = RevocationList.objects.order_by("pk")

    def find_violations() -> Iterator[str]:
        for revocation_list in lists.iterator(chunk_size=_BATCH_SIZE):
            try:
                not_withdrawn = revocation_lists.list_not_yet_withdrawn(revocation_list)
            except errors.DomainError as error:
                yield f"list {revocation_list.sequence} of {revocation_list.issuer} is not what was signed: {error}"
            else:
                yield from (
                    f"{prompt.reference} was withdrawn by list {revocation_list.sequence} of {revocation_list.issuer}, "
                    "and lives"
                    for prompt in not_withdrawn
                )

    return InvariantResult(
        code="vault_withdrawals",
        description="what other installations withdrew is withdrawn here",
        checked=lists.count(),
        broken=audit_results.take_first(find_violations()),
    )


def _iterate_vaults() -> Iterator[PromptMarketplaceVault]:
    return PromptMarketplaceVault.objects.order_by("pk").iterator(chunk_size=_BATCH_SIZE)


def _list_bundled_prompts(vault: PromptMarketplaceVault) -> list[tuple[str, str]]:
    """Names and digests of the prompts that a bundle tells; nothing where it was tampered with."""
    prompts = _read_predicate(vault, "prompts")
    if not isinstance(prompts, list):
        return []
    return [(str(prompt.get("name")), str(prompt.get("digest"))) for prompt in prompts]


def _read_predicate(vault: PromptMarketplaceVault, *path: str) -> Any:
    """What the predicate says there; None where it says nothing."""
    value = vault.exported_json
    for name in ("predicate", *path):
        value = value.get(name) if isinstance(value, dict) else None
    return value
