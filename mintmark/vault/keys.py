"""Keys: those that sign here, and those of others whose signatures count here.

A private key is sealed with AES-256-GCM under a key derived (HKDF-SHA256) from `MINTMARK_VAULT_KEY`, else from the
secret key; its id is bound in, so that rows can't be swapped. Or it stays in a file, and only the path is kept.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.registry import entitlements
from mintmark.signing import dsse
from mintmark.signing.key_policy import TrustRoot
from mintmark.storage import locks

from .models import SigningKey, TrustedKey

_NONCE_BYTES = 12
_MAX_LABEL_LENGTH = 200
_PSEUDONYM_DIGITS = 16


class UnreadableKey(errors.DomainError):
    """A private key can't be opened with the vault key in force, or its file can't be read."""

    code = "unreadable_key"


class InvalidKeyTerms(errors.DomainError):
    """A key's name, note or expiry can't be kept."""

    code = "invalid_key_terms"


class SigningKeyKnown(errors.DomainError):
    """This key is known here already."""

    code = "signing_key_known"


def generate_key(
    *,
    caller: Caller,
    team: Team | None,
    now: datetime,
    expires_at: datetime | None = None,
    note: str = "",
) -> SigningKey:
    """A new key that signs from now on for a team (its authors may) or for the installation (an admin)."""
    require_keeper(caller, team)
    _check_terms(note=note, expires_at=expires_at, now=now)
    return _store_encrypted(
        Ed25519PrivateKey.generate(), team=team, note=note, expires_at=expires_at,
        made_by=caller.principal.pk, now=now,
    )  # fmt: skip


def register_key_file(
    *,
    caller: Caller,
    team: Team | None,
    path: str,
    now: datetime,
    expires_at: datetime | None = None,
    note: str = "",
) -> SigningKey:
    """Let a private key in a PEM file on the server sign; only its path is kept. An admin alone may name files."""
    if not caller.is_admin:
        raise errors.Forbidden("Naming a key's file on the server takes an admin.")
    _check_terms(note=note, expires_at=expires_at, now=now)
    key_id = dsse.get_key_id(_read_key_file(path))
    return _store(
        SigningKey(
            key_id=key_id,
            team=team,
            file=path,
            note=note,
            made_by=caller.principal,
            made_at=now,
            expires_at=expires_at,
        )
    )


def rotate_key(*, caller: Caller, key: SigningKey, now: datetime) -> SigningKey:
    """A new key in place of this one, which signs no more; what it signed stays good."""
    require_keeper(caller, key.team)
    with transaction.atomic():
        new_key = generate_key(caller=caller, team=key.team, now=now, note=key.note)
        SigningKey.objects.filter(pk=key.pk, retired_at__isnull=True).update(retired_at=now)
    return new_key


def revoke_key(*, caller: Caller, key: SigningKey, reason: str, now: datetime) -> SigningKey:
    """Let nothing that this key signed count any more, from now on; the first reason stays."""
    require_keeper(caller, key.team)
    entitlements.check_reason(reason)
    SigningKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(
        revoked_at=now, revocation_reason=reason
    )
    key.refresh_from_db()
    return key


def visible_to(*, caller: Caller) -> QuerySet[SigningKey]:
    """The keys that a caller may see: the installation's, and those of their teams."""
    rows = SigningKey.objects.select_related("team", "made_by").order_by("-id")
    if caller.is_admin or caller.has_role(Role.AUDITOR, team_id=None):
        return rows
    return rows.filter(Q(team__isnull=True) | Q(team__in=caller.team_ids))


def get_signing_keys(*, team: Team | None, now: datetime) -> list[Ed25519PrivateKey]:
    """The keys that sign a bundle of a team now: the newest of the team, if it has one, and the newest of the
    installation, which gets one when it first needs it."""
    installation_key = _select_active(now).filter(team__isnull=True).order_by("-id").first()
    if installation_key is None:
        installation_key = _store_encrypted(
            Ed25519PrivateKey.generate(), team=None, note="made when first needed", expires_at=None,
            made_by=None, now=now,
        )  # fmt: skip
    team_key = (
        _select_active(now).filter(team=team).order_by("-id").first() if team is not None else None
    )
    return [_load_private_key(key) for key in (team_key, installation_key) if key is not None]


def trust_key(
    *,
    caller: Caller,
    key_id: str,
    name: str,
    reason: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> TrustedKey:
    """Let a key of others count from now on: an admin's act, with a reason. `KeyKnown` if it was trusted before; what
    was revoked stays revoked."""
    _require_admin(caller)
    dsse.load_public_key(key_id)
    entitlements.check_reason(reason)
    if not name.strip():
        raise InvalidKeyTerms("Say in name whose key it is, such as 'Example Ltd, Mintmark'.")
    _check_terms(note=name, expires_at=expires_at, now=now)
    if SigningKey.objects.filter(key_id=key_id).exists():
        raise SigningKeyKnown(f"{key_id[:16]}… is a key of this installation, which trusts itself.")
    row = TrustedKey(
        key_id=key_id, name=name, reason=reason, trusted_by=caller.principal, trusted_at=now,
        expires_at=expires_at,
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        existing = TrustedKey.objects.get(key_id=key_id)
        state = "was revoked" if existing.revoked_at else f"is trusted as {existing.name!r}"
        raise SigningKeyKnown(f"{key_id[:16]}… {state}.") from None
    return row


def distrust_key(*, caller: Caller, key: TrustedKey, reason: str, now: datetime) -> TrustedKey:
    """Let nothing that this key signs count any more; the first reason stays."""
    _require_admin(caller)
    entitlements.check_reason(reason)
    TrustedKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(
        revoked_at=now, revocation_reason=reason
    )
    key.refresh_from_db()
    return key


def lock_to_trust() -> None:
    """Let no key be revoked until the transaction ends: for whoever adds what rests on signatures."""
    locks.share(TrustedKey, TrustedKey.objects.values_list("pk", flat=True))
    locks.share(SigningKey, SigningKey.objects.values_list("pk", flat=True))


def lock_to_sign(*, key_ids: Iterable[str], now: datetime) -> bool:
    """Let these keys of the installation not be retired or revoked until the transaction ends; False if one was."""
    own = SigningKey.objects.filter(key_id__in=set(key_ids))
    locks.share(SigningKey, own.values_list("pk", flat=True))
    return own.count() == _select_active(now).filter(pk__in=own).count()


def list_trust_roots() -> list[TrustRoot]:
    """Every key whose signatures are judged here: those of others that are trusted, and one's own."""
    trusted_roots = [
        TrustRoot(
            key_id=key.key_id, name=key.name, expires_at=key.expires_at, revoked_at=key.revoked_at
        )
        for key in TrustedKey.objects.order_by("id")
    ]
    own_roots = [
        TrustRoot(
            key_id=key.key_id,
            name=f"this installation ({key.team.name if key.team else 'itself'})",
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )
        for key in SigningKey.objects.select_related("team").order_by("id")
    ]
    return [*trusted_roots, *own_roots]


def build_pseudonymiser(*, digests: Iterable[str]) -> Callable[[int], str]:
    """Names for principals in the bundle of these texts: 16 hex digits, HMAC-SHA256 under a key of the vault key.

    The same texts give the same names; those of another bundle have nothing in common with them.
    """
    bundle_secret = hmac.digest(
        _derive_key(b"mintmark pseudonyms v1"), "\n".join(sorted(digests)).encode(), hashlib.sha256
    )

    def name_principal(principal: int) -> str:
        digest = hmac.digest(bundle_secret, str(principal).encode(), hashlib.sha256)
        return digest.hex()[:_PSEUDONYM_DIGITS]

    return name_principal


def require_keeper(caller: Caller, team: Team | None) -> None:
    """Refuse unless the caller may make, use and revoke the keys of a team (its authors may) or of the installation."""
    caller.require_scope("market")
    if not caller.has_role(Role.AUTHOR, team_id=team.pk if team else None):
        raise errors.Forbidden(
            f"Keys of {'team ' + team.name if team else 'the installation'} take "
            f"{'its role author' if team else 'the role author everywhere, or an admin'}."
        )


def _select_active(now: datetime) -> QuerySet[SigningKey]:
    return SigningKey.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now),
        retired_at__isnull=True,
        revoked_at__isnull=True,
    )


def _store_encrypted(
    private: Ed25519PrivateKey,
    *,
    team: Team | None,
    note: str,
    expires_at: datetime | None,
    made_by: int | None,
    now: datetime,
) -> SigningKey:
    key_id = dsse.get_key_id(private)
    return _store(
        SigningKey(
            key_id=key_id,
            team=team,
            sealed=_encrypt(private, key_id),
            note=note,
            made_by_id=made_by,
            made_at=now,
            expires_at=expires_at,
        )
    )


def _store(row: SigningKey) -> SigningKey:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise SigningKeyKnown(f"{row.key_id[:16]}… signs here already.") from None
    return row


def _load_private_key(key: SigningKey) -> Ed25519PrivateKey:
    private = _read_key_file(key.file) if key.file else _decrypt(key)
    if dsse.get_key_id(private) != key.key_id:
        raise UnreadableKey(f"{key.file} holds another key than {key.key_id[:16]}…: put it back.")
    return private


def _read_key_file(path: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as failed:
        raise UnreadableKey(f"{path} can't be read: {failed.strerror}.") from failed
    except (ValueError, TypeError):
        raise UnreadableKey(f"{path} holds no private key in PEM without a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnreadableKey(f"{path} holds a private key of another kind than Ed25519.")
    return key


def _encrypt(private: Ed25519PrivateKey, key_id: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_derive_vault_key()).encrypt(
        nonce, private.private_bytes_raw(), key_id.encode()
    )


def _decrypt(key: SigningKey) -> Ed25519PrivateKey:
    encrypted = bytes(key.sealed or b"")
    try:
        raw = AESGCM(_derive_vault_key()).decrypt(
            encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], key.key_id.encode()
        )
    except InvalidTag:
        raise UnreadableKey(
            f"The signing key {key.key_id[:16]}… was sealed under another vault key: set MINTMARK_VAULT_KEY (or, "
            "where that was not set, MINTMARK_SECRET_KEY) to what it was, or revoke this key and make a new one."
        ) from None
    return Ed25519PrivateKey.from_private_bytes(raw)


def _derive_vault_key() -> bytes:
    return _derive_key(b"mintmark vault v1")


def _derive_key(purpose: bytes) -> bytes:
    """32 bytes for one purpose, of the vault key (HKDF-SHA256)."""
    secret = settings.VAULT_KEY or settings.SECRET_KEY
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose)
    return derive.derive(secret.encode())


def _require_admin(caller: Caller) -> None:
    caller.require_scope("admin")
    if not caller.is_admin:
        raise errors.Forbidden("Whose signatures count here is for an admin to say.")


def _check_terms(*, note: str, expires_at: datetime | None, now: datetime) -> None:
    if len(note) > _MAX_LABEL_LENGTH or (note and not note.isprintable()):
        raise InvalidKeyTerms(
            f"{note[:60]!r} can't be kept: take up to {_MAX_LABEL_LENGTH} printable characters."
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidKeyTerms(f"It would have expired on {expires_at:%Y-%m-%d}: name a later day.")
