"""Envelopes: DSSE v1 (github.com/secure-systems-lab/dsse), Ed25519, and keys whose id is the public key itself.

What is signed is `pae(payload_type, payload)`: the type and the exact bytes, each with its length, so that no payload
can pass for one of another type.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mintmark.common import errors
from mintmark.signing import canonical_json
from mintmark.signing.canonical_json import JsonLimits

_SIGNATURE_BYTES = 64
_KEY_ID_DIGITS = 64
_HEAD = b'{"payload":"'
MAX_SIGNATURES = 32
# The size of an envelope with so many signatures, with room for what other tools add.
_DEPTH, _VALUES = 4, 1_000

# The points of small order, in every encoding (the sign apart): anybody can make signatures that verify under them.
_SMALL_ORDER = frozenset(
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


class InvalidEnvelope(errors.CodedError):
    """Bytes that are not an envelope, or one with invalid signatures. `code` says which."""

    codes = frozenset(
        ("not_an_envelope", "invalid_base64", "invalid_key_id", "duplicate_signature", "bad_signature")
    )  # fmt: skip


class InvalidPublicKey(errors.DomainError):
    """A text that is not an Ed25519 key, or a key under which anybody can sign."""

    code = "not_a_signing_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature, and the id of the key that is said to have made it."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload, its type, and the signatures over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """The envelope as DSSE JSON: standard base64, signatures by key id."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode()}
                for signature in sorted(self.signatures, key=lambda signature: signature.key_id)
            ],
        }

    def to_bytes(self) -> bytes:
        """The envelope as a file: canonical JSON."""
        rest = canonical_json.dumps(replace(self, payload=b"").to_json())
        # The payload comes first, is most of it, and needs no escapes.
        return _HEAD + base64.b64encode(self.payload) + rest.removeprefix(_HEAD)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(*, payload_type: str, payload: bytes, keys: Iterable[Ed25519PrivateKey]) -> Envelope:
    """An envelope signed by each of these keys."""
    message = pae(payload_type, payload)
    return Envelope(
        payload_type=payload_type,
        payload=payload,
        signatures=tuple(
            Signature(key_id=get_key_id(key), value=key.sign(message)) for key in keys
        ),
    )


def add_signature(envelope: Envelope, *, key: Ed25519PrivateKey) -> Envelope:
    """The same envelope with one more signature; signing twice with one key changes nothing."""
    own_key_id = get_key_id(key)
    other_signatures = tuple(
        signature for signature in envelope.signatures if signature.key_id != own_key_id
    )
    value = key.sign(pae(envelope.payload_type, envelope.payload))
    return Envelope(
        payload_type=envelope.payload_type,
        payload=envelope.payload,
        signatures=(*other_signatures, Signature(key_id=own_key_id, value=value)),
    )


def parse(raw: bytes, *, max_bytes: int) -> Envelope:
    """Parse an envelope, canonical or not, in either base64 alphabet; signatures are not verified.

    Raises `InvalidCanonicalJson` or `InvalidEnvelope` (codes `not_an_envelope`, `invalid_base64`).
    """
    limits = JsonLimits(size=max_bytes, depth=_DEPTH, values=_VALUES)
    value = canonical_json.parse(raw, limits=limits)
    if not isinstance(value, dict):
        raise InvalidEnvelope(
            "not_an_envelope", "It is not a DSSE envelope: it is not a JSON object."
        )
    kind, payload, rows = (value.get(name) for name in ("payloadType", "payload", "signatures"))
    if not isinstance(kind, str) or not isinstance(payload, str) or not isinstance(rows, list):
        raise InvalidEnvelope(
            "not_an_envelope",
            "It is not a DSSE envelope: one has payloadType, payload and signatures.",
        )
    if not 1 <= len(rows) <= MAX_SIGNATURES:
        raise InvalidEnvelope(
            "not_an_envelope", f"It has {len(rows)} signatures: 1 to {MAX_SIGNATURES} are allowed."
        )
    return Envelope(
        payload_type=kind,
        payload=_decode_base64(payload, field_name="payload"),
        signatures=tuple(_parse_signature(row, n) for n, row in enumerate(rows)),
    )


def verify(envelope: Envelope) -> frozenset[str]:
    """The ids of the keys that signed the envelope; every signature must verify under the key that its id names.

    Raises `InvalidEnvelope` with one of the codes `invalid_key_id`, `duplicate_signature`, `bad_signature`.
    """
    message = pae(envelope.payload_type, envelope.payload)
    signer_ids: set[str] = set()
    for signature in envelope.signatures:
        try:
            key = load_public_key(signature.key_id)
        except InvalidPublicKey as bad:
            raise InvalidEnvelope("invalid_key_id", bad.message) from None
        if signature.key_id in signer_ids:
            raise InvalidEnvelope(
                "duplicate_signature", f"The key {signature.key_id[:16]}… signed it twice."
            )
        if not _is_valid_signature(key, signature.value, message):
            raise InvalidEnvelope(
                "bad_signature",
                f"The signature of {signature.key_id[:16]}… is not over these bytes: they were changed, or another key "
                "made it.",
            )
        signer_ids.add(signature.key_id)
    return frozenset(signer_ids)


def find_signers(envelope: Envelope, *, keys: Mapping[str, Ed25519PublicKey]) -> frozenset[str]:
    """Which of these keys signed the envelope, whatever key ids its signatures name: for envelopes made elsewhere."""
    message = pae(envelope.payload_type, envelope.payload)
    return frozenset(
        name
        for name, key in keys.items()
        if any(
            _is_valid_signature(key, signature.value, message) for signature in envelope.signatures
        )
    )


def get_key_id(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The id of a key: its 32 public bytes in hex."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes_raw().hex()


def load_public_key(text: str) -> Ed25519PublicKey:
    """The key with this id. Raises `InvalidPublicKey` for anything else."""
    if not _is_key_id(text):
        raise InvalidPublicKey(f"{text[:80]!r} is not an Ed25519 key in 64 lower-case hex digits.")
    if text[:-2] + f"{int(text[-2:], 16) & 0x7F:02x}" in _SMALL_ORDER:
        raise InvalidPublicKey(
            f"{text[:16]}… is a point of small order: anybody can sign under it."
        )
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))


def read_public_key(raw: bytes) -> Ed25519PublicKey:
    """A key from its id or from PEM (a certificate is not accepted). Raises `InvalidPublicKey` for anything else."""
    text = raw.strip()
    if len(text) == _KEY_ID_DIGITS:
        return load_public_key(text.decode("ascii", errors="replace"))
    try:
        key = serialization.load_pem_public_key(text)
    except ValueError:
        raise InvalidPublicKey(
            "It holds neither a key id (64 hex digits) nor a public key in PEM."
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidPublicKey("It holds a public key of another kind than Ed25519.")
    return load_public_key(get_key_id(key))


def export_pem(text: str) -> str:
    """The key with this id in PEM, for other tools."""
    return (
        load_public_key(text)
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _parse_signature(row: Any, n: int) -> Signature:
    key, value = (row.get("keyid"), row.get("sig")) if isinstance(row, dict) else (None, None)
    if not isinstance(key, str) or not isinstance(value, str):
        raise InvalidEnvelope("not_an_envelope", f"Signature {n} must have keyid and sig.")
    return Signature(key_id=key, value=_decode_base64(value, field_name=f"signature {n}"))


def _decode_base64(text: str, *, field_name: str) -> bytes:
    try:
        standard = text.encode("ascii").replace(b"-", b"+").replace(b"_", b"/")
        return base64.b64decode(standard, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidEnvelope("invalid_base64", f"The {field_name} is not base64.") from None


def _is_valid_signature(key: Ed25519PublicKey, value: bytes, message: bytes) -> bool:
    if len(value) != _SIGNATURE_BYTES:
        return False
    try:
        key.verify(value, message)
    except InvalidSignature:
        return False
    return True


def _is_key_id(text: str) -> bool:
    return len(text) == _KEY_ID_DIGITS and all(digit in "0123456789abcdef" for digit in text)
