"""Signatures as Standard Webhooks defines them (https://www.standardwebhooks.com), and their secrets, encrypted at rest
as the vault's keys are."""

import base64
import hashlib
import hmac
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from mintmark.common import errors

PREFIX = "whsec_"
_SECRET_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"mintmark webhooks v1"


class UnreadableSecret(errors.DomainError):
    """The secret of a webhook can't be decrypted with the current vault key."""

    code = "unreadable_secret"


def generate_secret() -> str:
    """A new secret of 256 random bits, in the format that receivers' libraries expect."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(*, secret: str, message: str, timestamp: int, body: bytes) -> str:
    """The signature: `v1,` and the HMAC-SHA256 of message id, timestamp and body, in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed_payload = b".".join((message.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed_payload, hashlib.sha256)).decode()


def encrypt(secret: str) -> bytes:
    """Encrypt a secret for storage."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_derive_key()).encrypt(nonce, secret.encode(), _PURPOSE)


def decrypt(encrypted: bytes) -> str:
    """Decrypt a stored secret. Raises `UnreadableSecret` if it was encrypted under another key."""
    try:
        raw = AESGCM(_derive_key()).decrypt(
            encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], _PURPOSE
        )
    except InvalidTag:
        raise UnreadableSecret(
            "The secret was encrypted under another vault key: set MINTMARK_VAULT_KEY (or, where that was not set, "
            "MINTMARK_SECRET_KEY) to what it was, or rotate the secret."
        ) from None
    return raw.decode()


def _derive_key() -> bytes:
    secret = settings.VAULT_KEY or settings.SECRET_KEY
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE)
    return derive.derive(secret.encode())
