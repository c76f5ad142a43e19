"""Withdrawals: the signed list of what was withdrawn here, and those of other installations, which act here."""

import itertools
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt, Tombstone
from mintmark.signing import revocation_list
from mintmark.signing.canonical_json import JsonLimits
from mintmark.signing.revocation_list import RevocationListPayload, VerifiedRevocationList

from . import bundle_builder, bundle_store, installation, keys
from .models import (
    BundleSignature,
    PromptMarketplaceVault,
    PromptProvenance,
    RevocationList,
    SigningKey,
    TrustedKey,
)

REQUIRED_TRUSTED_KEYS = 1
"""Trusted keys that a list takes, however many a bundle takes: it lets nothing in, and what it takes away is its
issuer's alone. A stolen key can thus withdraw, which is on record; it can't keep its owner from withdrawing."""

_Purpose = PromptMarketplaceVault.Purpose


class StaleRevocationList(errors.DomainError):
    """A list that is older than the one known of its issuer, or another one with the same number."""

    code = "stale_revocation_list"


class WrongIssuerKey(errors.DomainError):
    """A key that speaks for another installation signed the list."""

    code = "wrong_issuer_key"


def build_revocation_list(*, now: datetime) -> bytes:
    """This installation's list, signed by its key: every prompt that it exported and then withdrew for good, every key
    of its own that it revoked. The same content gives the same bytes, while the key is the same."""
    revoked_prompts = [
        revocation_list.RevokedPrompt(
            digest=tombstone.prompt.digest,
            name=tombstone.prompt.reference,
            reason=tombstone.reason,
            at=bundle_builder.format_time(tombstone.set_at),
        )
        for tombstone in list_withdrawn_after_export().select_related("prompt")
    ]
    revoked_keys = [
        revocation_list.RevokedKey(
            key_id=key.key_id,
            reason=key.revocation_reason,
            at=bundle_builder.format_time(key.revoked_at),
        )
        for key in SigningKey.objects.filter(revoked_at__isnull=False)
        if key.revoked_at is not None
    ]
    payload = revocation_list.build_list(
        issuer=revocation_list.RevocationIssuer(
            installation=installation.get_installation_id(), name=settings.INSTALLATION_NAME
        ),
        revoked=revoked_prompts,
        revoked_keys=revoked_keys,
    )
    return revocation_list.sign(payload, keys=keys.get_signing_keys(team=None, now=now)).to_bytes()


def list_withdrawn_after_export() -> QuerySet[Tombstone]:
    """What was exported from here and then withdrawn for good."""
    purposes = [_Purpose.EXPORT, _Purpose.RECEIPT]
    return Tombstone.objects.filter(prompt__vaults__purpose__in=purposes).distinct()


def apply_revocation_list(*, caller: Caller, raw: bytes, now: datetime) -> RevocationList:
    """Take in another installation's list, and let it act at once: each prompt registered here through that issuer's
    bundles is withdrawn for good, each of its keys that it revoked counts no more. The newest list again acts again.

    It takes an admin. What stands on the market is for `market.bundles.take_withdrawals`, which calls this. Raises
    what `revocations.opened` and `vaults.require_trusted` raise, `AnothersKey`, `StaleList`.
    """
    caller.require_scope("admin")
    if not caller.is_admin:
        raise errors.Forbidden("What others withdrew is for an admin to take in.")
    verified = revocation_list.verify(raw)
    verdict = bundle_store.require_trusted(
        key_ids=verified.key_ids, now=now, threshold=REQUIRED_TRUSTED_KEYS
    )
    issuer = verified.revocations.issuer
    signers = [
        root.key_id
        for root in verdict.trusted
        if _may_speak_for(root.key_id, issuer=issuer.installation)
    ]
    if not signers:
        raise WrongIssuerKey(
            f"The list says that it is of {issuer.name} ({issuer.installation[:8]}…), and the keys that signed it are "
            "known here for bundles of another installation alone."
        )
    with transaction.atomic():
        installation.hold_imports()
        known_list = _find_known_list(verified)
        applied = _withdraw_listed(verified.revocations, caller=caller, now=now)
        if known_list is not None:
            return known_list
        stored_list, _ = RevocationList.objects.get_or_create(
            issuer=issuer.installation,
            sequence=verified.revocations.sequence,
            defaults={
                "envelope": raw.decode("ascii"),
                "key_id": signers[0],
                "brought_by": caller.principal,
                "brought_at": now,
                "applied": applied,
            },
        )
        return stored_list


def list_withdrawn_prompts(stored_list: RevocationList) -> list[Prompt]:
    """The prompts of here that a list withdraws and that are withdrawn."""
    return [
        prompt
        for prompt in _find_listed_prompts(parse_revocation_list(stored_list))
        if hasattr(prompt, "tombstone")
    ]


def list_not_yet_withdrawn(stored_list: RevocationList) -> list[Prompt]:
    """The prompts that had come here when a list was taken in, that it withdraws, and that are not withdrawn: none."""
    listed_prompts = _find_listed_prompts(
        parse_revocation_list(stored_list), before=stored_list.brought_at
    )
    return [prompt for prompt in listed_prompts if not hasattr(prompt, "tombstone")]


def get_withdrawal_reasons(*, issuer: str) -> dict[str, str]:
    """What an installation withdrew, as the newest list of it that is known here says: its reasons by digest."""
    newest = _find_newest_list(issuer)
    if newest is None:
        return {}
    return {revoked.digest: revoked.reason for revoked in parse_revocation_list(newest).revoked}


def parse_revocation_list(stored_list: RevocationList) -> RevocationListPayload:
    """What a list that was taken in says."""
    raw = stored_list.envelope.encode()
    return revocation_list.verify(raw, limits=_get_full_limits(raw)).revocations


def _get_full_limits(raw: bytes) -> JsonLimits:
    return JsonLimits(size=len(raw), depth=revocation_list.LIMITS.depth, values=len(raw))


def _find_known_list(verified: VerifiedRevocationList) -> RevocationList | None:
    """The row of this list, if it is the newest of its issuer; `StaleList` if a newer or another one is known."""
    payload = verified.revocations
    newest = _find_newest_list(payload.issuer.installation)
    if newest is None or newest.sequence < payload.sequence:
        return None
    if newest.sequence > payload.sequence:
        raise StaleRevocationList(
            f"It is list {payload.sequence} of {payload.issuer.name}, and list {newest.sequence} is known here: fetch "
            "the newest."
        )
    if parse_revocation_list(newest) != payload:
        raise StaleRevocationList(
            f"It is another list {payload.sequence} of {payload.issuer.name} than the one that is known here: ask them "
            "why."
        )
    return newest


def _find_newest_list(issuer: str) -> RevocationList | None:
    return RevocationList.objects.filter(issuer=issuer).order_by("-sequence").first()


def _withdraw_listed(payload: RevocationListPayload, *, caller: Caller, now: datetime) -> int:
    """Withdraw what a list withdraws; how many prompts were not withdrawn before."""
    reasons = {revoked.digest: revoked.reason for revoked in payload.revoked}
    for key in payload.revoked_keys:
        trusted = TrustedKey.objects.filter(key_id=key.key_id, revoked_at__isnull=True).first()
        if trusted is not None and _may_speak_for(
            trusted.key_id, issuer=payload.issuer.installation
        ):
            reason = _clean_reason(f"revoked by {payload.issuer.name}: {key.reason}")
            keys.distrust_key(caller=caller, key=trusted, reason=reason, now=now)
    not_withdrawn = [
        prompt for prompt in _find_listed_prompts(payload) if not hasattr(prompt, "tombstone")
    ]
    for prompt in not_withdrawn:
        reason = _clean_reason(f"withdrawn by {payload.issuer.name}: {reasons[prompt.digest]}")
        entitlements.withdraw_permanently(caller=caller, prompt=prompt, reason=reason, now=now)
    return len(not_withdrawn)


def _find_listed_prompts(
    payload: RevocationListPayload, *, before: datetime | None = None
) -> list[Prompt]:
    """The prompts that came here (`before` a time) with that issuer's bundles and that it withdrew, oldest first."""
    digests = {revoked.digest for revoked in payload.revoked}
    provenance = PromptProvenance.objects.filter(
        issuer=payload.issuer.installation, registered=True
    )
    if before is not None:
        provenance = provenance.filter(vault__created_at__lt=before)
    rows = Prompt.objects.filter(pk__in=provenance.values("prompt")).order_by("id")
    listed_ids = [pk for pk, digest in rows.values_list("pk", "digest") if digest in digests]
    return [
        prompt
        for batch in itertools.batched(listed_ids, 500)
        for prompt in rows.filter(pk__in=batch).select_related("tombstone", "team")
    ]


def _may_speak_for(key_id: str, *, issuer: str) -> bool:
    """Whether a trusted key may speak for an installation: one that signed its bundles here, or none at all yet."""
    signatures = BundleSignature.objects.filter(key_id=key_id, vault__purpose=_Purpose.IMPORT)
    provenance = PromptProvenance.objects.filter(vault__in=signatures.values("vault"))
    issuers = set(provenance.values_list("issuer", flat=True).distinct())
    return not issuers or issuer in issuers


def _clean_reason(text: str) -> str:
    """A reason of others, as one of here can be kept."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[: entitlements.MAX_REASON_LENGTH]
