"""Vaults: bundles as they are kept, signed here or elsewhere; who may see them, and whether they still hold."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Team
from mintmark.core import bundles, canonical_json, dsse, errors, trust_roots
from mintmark.core.bundles import Bundle, Opened
from mintmark.core.canonical_json import Limits
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Prompt
from mintmark.tokens.models import Transfer

from . import keys
from .models import BundleSignature, PromptMarketplaceVault


class VaultAltered(errors.Refusal):
    """What is kept of a bundle is not what was signed: somebody got past the triggers."""

    code = "vault_altered"


class UnknownSigner(errors.Refusal):
    """Nobody whose signatures count here signed it."""

    code = "unknown_signer"


def keep(
    *,
    bundle: Bundle,
    team: Team,
    purpose: str,
    made_by: Principal | None,
    owner_assistant: Assistant | None,
    prompts: Sequence[Prompt],
    receipt_of: Transfer | None,
    now: datetime,
) -> PromptMarketplaceVault:
    """Sign a bundle and keep it; the same bundle for the same team again returns what is there.

    A receipt is signed by the installation alone, all else by the team's key as well, if it has one. What is signed is
    read back as any reader would, so what nobody could read is refused (`bundles.BadBundle`,
    `canonical_json.BadJson`) and not kept.
    """
    signs = team if purpose != PromptMarketplaceVault.Purpose.RECEIPT else None
    while True:
        envelope = bundles.sealed(bundle, keys=keys.signing(team=signs, now=now))
        opened = bundles.opened(envelope.to_bytes(), limits=limits())
        with transaction.atomic():
            # A key that was revoked while it signed is not looked at again: the next one signs.
            if keys.lock_to_sign(key_ids=opened.key_ids, now=now):
                return _kept(
                    opened,
                    team=team,
                    purpose=purpose,
                    made_by=made_by,
                    owner_assistant=owner_assistant,
                    prompts=prompts,
                    receipt_of=receipt_of,
                    now=now,
                )


def keep_imported(
    *,
    opened: Opened,
    team: Team,
    made_by: Principal | None,
    prompts: Sequence[Prompt],
    now: datetime,
    owner_assistant: Assistant | None = None,
) -> PromptMarketplaceVault:
    """Keep a bundle that came from elsewhere, as it was signed there, with the prompts that it is here."""
    return _kept(
        opened,
        team=team,
        purpose=PromptMarketplaceVault.Purpose.IMPORT,
        made_by=made_by,
        owner_assistant=owner_assistant,
        prompts=prompts,
        receipt_of=None,
        now=now,
    )


def limits() -> Limits:
    """How much of a bundle is taken here, and given out."""
    return replace(bundles.LIMITS, size=settings.VAULT_MAX_BYTES)


def visible_to(*, caller: Caller) -> QuerySet[PromptMarketplaceVault]:
    """The vaults that a caller may see, newest first: those of his teams; all of them, to an admin."""
    rows = PromptMarketplaceVault.objects.select_related("team", "made_by", "owner_assistant")
    if not caller.is_admin:
        rows = rows.filter(team__in=caller.team_ids)
    return rows.order_by("-id")


def named(*, caller: Caller, pk: int) -> PromptMarketplaceVault:
    """The vault with this id, if the caller may see it."""
    found = visible_to(caller=caller).filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(f"There is no vault {pk}, or it is another team's.")
    return found


def file_of(vault: PromptMarketplaceVault) -> bytes:
    """The file of a vault, exactly as it was signed. Whether the caller may have it says `handed_out`."""
    return vault.symbolic_signature.encode()


def opened(vault: PromptMarketplaceVault) -> Opened:
    """What a vault's file says, its signatures checked, however large a file may be that comes in now; `VaultAltered`
    where the row says something else."""
    raw = file_of(vault)
    found = bundles.opened(raw, limits=replace(bundles.LIMITS, size=len(raw)))
    if found.statement != vault.exported_json or hashlib.sha256(raw).hexdigest() != vault.digest:
        raise VaultAltered(f"vault {vault.pk}: what is kept of it is not what its file says")
    return found


def handed_out(*, caller: Caller, vault: PromptMarketplaceVault) -> bytes:
    """The file for a caller: while each of its texts is still served to the vault's team, and no longer."""
    named(caller=caller, pk=vault.pk)
    served = entitlements.served_to(team_ids={vault.team_id})
    gone = vault.prompt_set.exclude(pk__in=Prompt.objects.filter(served).values("pk"))
    first = gone.order_by("id").first()
    if first is not None and not caller.is_admin:
        raise errors.Forbidden(
            f"Team {vault.team} may no longer use {first.reference}, whose text is in it."
        )
    return file_of(vault)


def countersign(
    *,
    caller: Caller,
    vault_or_raw: PromptMarketplaceVault | bytes,
    team: Team | None,
    now: datetime,
) -> bytes:
    """The file of a bundle with the signatures of a team (None: of the installation) added: they vouch for it.

    It takes a keeper of these keys, and a bundle that is already signed by whom it takes here.
    """
    if caller.is_assistant:
        raise errors.Forbidden("To vouch for a bundle takes a person.")
    keys.require_keeper(caller, team)
    if isinstance(vault_or_raw, PromptMarketplaceVault):
        raw = handed_out(caller=caller, vault=vault_or_raw)
    else:
        raw = vault_or_raw
    opened = bundles.opened(raw, limits=limits())
    with transaction.atomic():
        # Whoever revokes one of these keys, or a key that signed it, waits until they have vouched for it.
        keys.lock_to_trust()
        require_trusted(key_ids=opened.key_ids, now=now)
        envelope = opened.envelope
        for key in keys.signing(team=team, now=now):
            envelope = dsse.countersigned(envelope, key=key)
        countersigned = envelope.to_bytes()
        bundles.opened(countersigned, limits=limits())
    return countersigned


def require_trusted(
    *, key_ids: frozenset[str], now: datetime, threshold: int | None = None
) -> trust_roots.Verdict:
    """Refuse what was not signed by as many trusted keys as it takes (`threshold`; else: as the settings say):
    `UnknownSigner`, and what `trust_roots.judge` refuses."""
    verdict = trust_roots.judge(
        key_ids=key_ids,
        roots=keys.roots(),
        threshold=settings.VAULT_THRESHOLD if threshold is None else threshold,
        now=now,
    )
    if not verdict.is_known:
        raise UnknownSigner(
            f"Nobody who is trusted here signed it, but {', '.join(f'{key[:16]}…' for key in verdict.unknown)}: "
            "an admin may trust that key, once he knows whose it is."
        )
    return verdict


def verify(vault: PromptMarketplaceVault) -> frozenset[str]:
    """Who signed what `exported_json` says, by the signatures of its own envelope; `VaultAltered` where they do not
    hold over it, or the row is not the file's."""
    raw = file_of(vault)
    if hashlib.sha256(raw).hexdigest() != vault.digest:
        raise VaultAltered(f"vault {vault.pk}: the digest is not that of its file")
    try:
        envelope = dsse.opened(raw, most_bytes=len(raw))
        payload = canonical_json.dumps(vault.exported_json)
        if envelope.payload_type != bundles.PAYLOAD_TYPE:
            raise VaultAltered(f"vault {vault.pk}: its envelope holds no bundle")
        return dsse.verified(replace(envelope, payload=payload))
    except (canonical_json.BadJson, dsse.BadEnvelope, ValueError) as wrong:
        raise VaultAltered(
            f"vault {vault.pk}: its signature does not hold over its exported_json: {wrong}"
        ) from wrong


def _kept(
    opened: Opened,
    *,
    team: Team,
    purpose: str,
    made_by: Principal | None,
    owner_assistant: Assistant | None,
    prompts: Sequence[Prompt],
    receipt_of: Transfer | None,
    now: datetime,
) -> PromptMarketplaceVault:
    raw = opened.envelope.to_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    there = PromptMarketplaceVault.objects.filter(team=team)
    found = there.filter(digest=digest).first()
    if found is not None:
        return found
    row = PromptMarketplaceVault(
        owner_assistant=owner_assistant,
        symbolic_signature=raw.decode("ascii"),
        exported_json=opened.statement,
        created_at=now,
        team=team,
        made_by=made_by,
        purpose=purpose,
        name=opened.bundle.prompt_set.name,
        digest=digest,
        receipt_of=receipt_of,
    )
    try:
        with transaction.atomic():
            # Raw: `created_at` would be the machine's time, and the caller has said which time it is.
            row.save_base(raw=True, force_insert=True)
            row.prompt_set.add(*prompts)
            BundleSignature.objects.bulk_create(
                BundleSignature(vault=row, key_id=key_id) for key_id in sorted(opened.key_ids)
            )
    except IntegrityError:  # somebody else kept it just now
        same = there.filter(digest=digest).first()
        if same is None and receipt_of is not None:
            same = there.filter(receipt_of=receipt_of).first()
        if same is None:
            raise
        return same
    return row
