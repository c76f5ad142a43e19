"""Withdrawals: the signed list of what was withdrawn here, and those of other installations, which act here."""

import itertools
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from mintmark.accounts.callers import Caller
from mintmark.core import errors, revocations
from mintmark.core.canonical_json import Limits
from mintmark.core.revocations import Opened, Revocations
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt, Tombstone

from . import identity, keys, telling, vaults
from .models import (
    BundleSignature,
    ForeignPrompt,
    PromptMarketplaceVault,
    RevocationList,
    SigningKey,
    TrustedKey,
)

ENOUGH = 1
"""Trusted keys that a list takes, however many a bundle takes: it lets nothing in, and what it takes away is its
issuer's alone. A stolen key can thus withdraw, which is on record; it can't keep its owner from withdrawing."""

_Purpose = PromptMarketplaceVault.Purpose


class StaleList(errors.Refusal):
    """A list that is older than the one known of its issuer, or another one with the same number."""

    code = "stale_list"


class AnothersKey(errors.Refusal):
    """A key that speaks for another installation signed the list."""

    code = "anothers_key"


def issued(*, now: datetime) -> bytes:
    """This installation's list, signed by its key: every prompt that it told and then withdrew for good, every key of
    its own that it revoked. The same content gives the same bytes, while the key is the same."""
    withdrawn = [
        revocations.Revoked(
            digest=one.prompt.digest,
            name=one.prompt.reference,
            reason=one.reason,
            at=telling.moment(one.set_at),
        )
        for one in told().select_related("prompt")
    ]
    gone = [
        revocations.RevokedKey(
            key_id=key.key_id,
            reason=key.revocation_reason,
            at=telling.moment(key.revoked_at),
        )
        for key in SigningKey.objects.filter(revoked_at__isnull=False)
        if key.revoked_at is not None
    ]
    listed = revocations.listed(
        issuer=revocations.Issuer(
            installation=identity.installation(), name=settings.INSTALLATION_NAME
        ),
        revoked=withdrawn,
        revoked_keys=gone,
    )
    return revocations.sealed(listed, keys=keys.signing(team=None, now=now)).to_bytes()


def told() -> QuerySet[Tombstone]:
    """What was told elsewhere from here and then withdrawn for good."""
    purposes = [_Purpose.EXPORT, _Purpose.RECEIPT]
    return Tombstone.objects.filter(prompt__vaults__purpose__in=purposes).distinct()


def take(*, caller: Caller, raw: bytes, now: datetime) -> RevocationList:
    """Take in another installation's list, and let it act at once: each prompt registered here through that issuer's
    bundles is withdrawn for good, each of its keys that it revoked counts no more. The newest list again acts again.

    It takes an admin. What stands on the market is for `market.bundles.take_withdrawals`, which calls this. Raises
    what `revocations.opened` and `vaults.require_trusted` raise, `AnothersKey`, `StaleList`.
    """
    caller.require_scope("admin")
    if not caller.is_admin:
        raise errors.Forbidden("What others withdrew is for an admin to take in.")
    opened = revocations.opened(raw)
    verdict = vaults.require_trusted(key_ids=opened.key_ids, now=now, threshold=ENOUGH)
    issuer = opened.revocations.issuer
    signers = [
        root.key_id
        for root in verdict.trusted
        if _speaks_for(root.key_id, issuer=issuer.installation)
    ]
    if not signers:
        raise AnothersKey(
            f"The list says that it is of {issuer.name} ({issuer.installation[:8]}…), and the keys that signed it are "
            "known here for bundles of another installation alone."
        )
    with transaction.atomic():
        identity.hold_imports()
        known = _known(opened)
        applied = _act(opened.revocations, caller=caller, now=now)
        if known is not None:
            return known
        made, _ = RevocationList.objects.get_or_create(
            issuer=issuer.installation,
            sequence=opened.revocations.sequence,
            defaults={
                "envelope": raw.decode("ascii"),
                "key_id": signers[0],
                "brought_by": caller.principal,
                "brought_at": now,
                "applied": applied,
            },
        )
        return made


def withdrawn_by(taken: RevocationList) -> list[Prompt]:
    """The prompts of here that a list withdraws and that are withdrawn."""
    return [prompt for prompt in _theirs(read(taken)) if hasattr(prompt, "tombstone")]


def still_here(taken: RevocationList) -> list[Prompt]:
    """The prompts that had come here when a list was taken in, that it withdraws, and that are not withdrawn: none."""
    came = _theirs(read(taken), before=taken.brought_at)
    return [prompt for prompt in came if not hasattr(prompt, "tombstone")]


def withdrawn(*, issuer: str) -> dict[str, str]:
    """What an installation withdrew, as the newest list of it that is known here says: its reasons by digest."""
    newest = _newest(issuer)
    if newest is None:
        return {}
    return {one.digest: one.reason for one in read(newest).revoked}


def read(taken: RevocationList) -> Revocations:
    """What a list that was taken in says."""
    raw = taken.envelope.encode()
    return revocations.opened(raw, limits=_whole(raw)).revocations


def _whole(raw: bytes) -> Limits:
    return Limits(size=len(raw), depth=revocations.LIMITS.depth, values=len(raw))


def _known(opened: Opened) -> RevocationList | None:
    """The row of this list, if it is the newest of its issuer; `StaleList` if a newer or another one is known."""
    said = opened.revocations
    newest = _newest(said.issuer.installation)
    if newest is None or newest.sequence < said.sequence:
        return None
    if newest.sequence > said.sequence:
        raise StaleList(
            f"It is list {said.sequence} of {said.issuer.name}, and list {newest.sequence} is known here: fetch the "
            "newest."
        )
    if read(newest) != said:
        raise StaleList(
            f"It is another list {said.sequence} of {said.issuer.name} than the one that is known here: ask them why."
        )
    return newest


def _newest(issuer: str) -> RevocationList | None:
    return RevocationList.objects.filter(issuer=issuer).order_by("-sequence").first()


def _act(said: Revocations, *, caller: Caller, now: datetime) -> int:
    """Withdraw what a list withdraws; how many prompts were not withdrawn before."""
    reasons = {one.digest: one.reason for one in said.revoked}
    for key in said.revoked_keys:
        trusted = TrustedKey.objects.filter(key_id=key.key_id, revoked_at__isnull=True).first()
        if trusted is not None and _speaks_for(trusted.key_id, issuer=said.issuer.installation):
            reason = _reason(f"revoked by {said.issuer.name}: {key.reason}")
            keys.distrust(caller=caller, key=trusted, reason=reason, now=now)
    living = [prompt for prompt in _theirs(said) if not hasattr(prompt, "tombstone")]
    for prompt in living:
        reason = _reason(f"withdrawn by {said.issuer.name}: {reasons[prompt.digest]}")
        entitlements.entomb(caller=caller, prompt=prompt, reason=reason, now=now)
    return len(living)


def _theirs(said: Revocations, *, before: datetime | None = None) -> list[Prompt]:
    """The prompts that came here (`before` a time) with that issuer's bundles and that it withdrew, oldest first."""
    digests = {one.digest for one in said.revoked}
    came = ForeignPrompt.objects.filter(issuer=said.issuer.installation, registered=True)
    if before is not None:
        came = came.filter(vault__created_at__lt=before)
    rows = Prompt.objects.filter(pk__in=came.values("prompt")).order_by("id")
    wanted = [pk for pk, digest in rows.values_list("pk", "digest") if digest in digests]
    return [
        prompt
        for part in itertools.batched(wanted, 500)
        for prompt in rows.filter(pk__in=part).select_related("tombstone", "team")
    ]


def _speaks_for(key_id: str, *, issuer: str) -> bool:
    """Whether a trusted key may speak for an installation: one that signed its bundles here, or none at all yet."""
    signed = BundleSignature.objects.filter(key_id=key_id, vault__purpose=_Purpose.IMPORT)
    came = ForeignPrompt.objects.filter(vault__in=signed.values("vault"))
    issuers = set(came.values_list("issuer", flat=True).distinct())
    return not issuers or issuer in issuers


def _reason(text: str) -> str:
    """A reason of others, as one of here can be kept."""
    printable = "".join(at if at.isprintable() else " " for at in text)
    return printable[: entitlements.REASON_LENGTH]
