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
from mintmark.common import errors
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Prompt
from mintmark.signing import bundles, canonical_json, dsse, key_policy
from mintmark.signing.bundles import Bundle, VerifiedBundle
from mintmark.signing.canonical_json import JsonLimits
from mintmark.tokens.models import Transfer

from . import keys
from .models import BundleSignature, PromptMarketplaceVault


class VaultAltered(errors.DomainError):
    """What is kept of a bundle is not what was signed: somebody got past the triggers."""

    code = "vault_altered"


class UnknownSigner(errors.DomainError):
    """Nobody whose signatures count here signed it."""

    code = "unknown_signer"


def sign_and_store(
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
    signing_team = team if purpose != PromptMarketplaceVault.Purpose.RECEIPT else None
    while True:
        envelope = bundles.sign(bundle, keys=keys.get_signing_keys(team=signing_team, now=now))
        opened = bundles.verify(envelope.to_bytes(), limits=get_limits())
        with transaction.atomic():
            # A key that was revoked while it signed is not looked at again: the next one signs.
            if keys.lock_to_sign(key_ids=opened.key_ids, now=now):
                return _store(
                    opened,
                    team=team,
                    purpose=purpose,
                    made_by=made_by,
                    owner_assistant=owner_assistant,
                    prompts=prompts,
                    receipt_of=receipt_of,
                    now=now,
                )


def store_imported(
    *,
    verified: VerifiedBundle,
    team: Team,
    made_by: Principal | None,
    prompts: Sequence[Prompt],
    now: datetime,
    owner_assistant: Assistant | None = None,
) -> PromptMarketplaceVault:
    """Keep a bundle that came from elsewhere, as it was signed there, with the prompts that it is here."""
    return _store(
        verified,
        team=team,
        purpose=PromptMarketplaceVault.Purpose.IMPORT,
        made_by=made_by,
        owner_assistant=owner_assistant,
        prompts=prompts,
        receipt_of=None,
        now=now,
    )


def get_limits() -> JsonLimits:
    """How much of a bundle is taken here, and given out."""
    return replace(bundles.LIMITS, size=settings.VAULT_MAX_BYTES)


def visible_to(*, caller: Caller) -> QuerySet[PromptMarketplaceVault]:
    """The vaults that a caller may see, newest first: those of their teams; all of them, to an admin."""
    rows = PromptMarketplaceVault.objects.select_related("team", "made_by", "owner_assistant")
    if not caller.is_admin:
        rows = rows.filter(team__in=caller.team_ids)
    return rows.order_by("-id")


def get_vault(*, caller: Caller, pk: int) -> PromptMarketplaceVault:
    """The vault with this id, if the caller may see it."""
    vault = visible_to(caller=caller).filter(pk=pk).first()
    if vault is None:
        raise errors.NotFound(f"There is no vault {pk}, or it is another team's.")
    return vault


def get_raw_file(vault: PromptMarketplaceVault) -> bytes:
    """The file of a vault, exactly as it was signed. Whether the caller may have it says `handed_out`."""
    return vault.symbolic_signature.encode()


def load_verified(vault: PromptMarketplaceVault) -> VerifiedBundle:
    """What a vault's file says, its signatures checked, however large a file may be that comes in now; `VaultAltered`
    where the row says something else."""
    raw = get_raw_file(vault)
    verified = bundles.verify(raw, limits=replace(bundles.LIMITS, size=len(raw)))
    if verified.statement != vault.exported_json or hashlib.sha256(raw).hexdigest() != vault.digest:
        raise VaultAltered(f"vault {vault.pk}: what is kept of it is not what its file says")
    return verified


def get_downloadable_file(*, caller: Caller, vault: PromptMarketplaceVault) -> bytes:
    """The file for a caller: while each of its texts is still served to the vault's team, and no longer."""
    get_vault(caller=caller, pk=vault.pk)
    usable = entitlements.build_usable_q(team_ids={vault.team_id})
    unusable = vault.prompt_set.exclude(pk__in=Prompt.objects.filter(usable).values("pk"))
    first = unusable.order_by("id").first()
    if first is not None and not caller.is_admin:
        raise errors.Forbidden(
            f"Team {vault.team} may no longer use {first.reference}, whose text is in it."
        )
    return get_raw_file(vault)


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
        raw = get_downloadable_file(caller=caller, vault=vault_or_raw)
    else:
        raw = vault_or_raw
    verified = bundles.verify(raw, limits=get_limits())
    with transaction.atomic():
        # Whoever revokes one of these keys, or a key that signed it, waits until they have vouched for it.
        keys.lock_to_trust()
        require_trusted(key_ids=verified.key_ids, now=now)
        envelope = verified.envelope
        for key in keys.get_signing_keys(team=team, now=now):
            envelope = dsse.add_signature(envelope, key=key)
        countersigned = envelope.to_bytes()
        bundles.verify(countersigned, limits=get_limits())
    return countersigned


def require_trusted(
    *, key_ids: frozenset[str], now: datetime, threshold: int | None = None
) -> key_policy.SignerVerdict:
    """Refuse what was not signed by as many trusted keys as it takes (`threshold`; else: as the settings say):
    `UnknownSigner`, and what `trust_roots.judge` refuses."""
    verdict = key_policy.evaluate_signers(
        key_ids=key_ids,
        roots=keys.list_trust_roots(),
        threshold=settings.VAULT_THRESHOLD if threshold is None else threshold,
        now=now,
    )
    if not verdict.is_known:
        raise UnknownSigner(
            f"Nobody who is trusted here signed it, but {', '.join(f'{key[:16]}…' for key in verdict.unknown)}: "
            "an admin may trust that key, once they know whose it is."
        )
    return verdict


def verify_vault(vault: PromptMarketplaceVault) -> frozenset[str]:
    """Who signed what `exported_json` says, by the signatures of its own envelope; `VaultAltered` where they do not
    hold over it, or the row is not the file's."""
    raw = get_raw_file(vault)
    if hashlib.sha256(raw).hexdigest() != vault.digest:
        raise VaultAltered(f"vault {vault.pk}: the digest is not that of its file")
    try:
        envelope = dsse.parse(raw, max_bytes=len(raw))
        payload = canonical_json.dumps(vault.exported_json)
        if envelope.payload_type != bundles.PAYLOAD_TYPE:
            raise VaultAltered(f"vault {vault.pk}: its envelope holds no bundle")
        return dsse.verify(replace(envelope, payload=payload))
    except (canonical_json.InvalidCanonicalJson, dsse.InvalidEnvelope, ValueError) as error:
        raise VaultAltered(
            f"vault {vault.pk}: its signature does not hold over its exported_json: {error}"
        ) from error


def _store(
    verified: VerifiedBundle,
    *,
    team: Team,
    purpose: str,
    made_by: Principal | None,
    owner_assistant: Assistant | None,
    prompts: Sequence[Prompt],
    receipt_of: Transfer | None,
    now: datetime,
) -> PromptMarketplaceVault:
    raw = verified.envelope.to_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    team_vaults = PromptMarketplaceVault.objects.filter(team=team)
    existing = team_vaults.filter(digest=digest).first()
    if existing is not None:
        return existing
    row = PromptMarketplaceVault(
        owner_assistant=owner_assistant,
        symbolic_signature=raw.decode("ascii"),
        exported_json=verified.statement,
        created_at=now,
        team=team,
        made_by=made_by,
        purpose=purpose,
        name=verified.bundle.prompt_set.name,
        digest=digest,
        receipt_of=receipt_of,
    )
    try:
        with transaction.atomic():
            # Raw: `created_at` would be the machine's time, and the caller has said which time it is.
            row.save_base(raw=True, force_insert=True)
            row.prompt_set.add(*prompts)
            BundleSignature.objects.bulk_create(
                BundleSignature(vault=row, key_id=key_id) for key_id in sorted(verified.key_ids)
            )
    except IntegrityError:  # somebody else kept it just now
        same = team_vaults.filter(digest=digest).first()
        if same is None and receipt_of is not None:
            same = team_vaults.filter(receipt_of=receipt_of).first()
        if same is None:
            raise
        return same
    return row
