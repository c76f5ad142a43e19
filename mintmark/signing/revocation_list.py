"""Revocation lists: which of its prompts and keys an installation revoked (docs/bundle-format.md). A list only ever
grows; the one with the highest sequence is current."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from mintmark.common import errors
from mintmark.signing import bundles, canonical_json, dsse, payload_model, signed_files
from mintmark.signing.canonical_json import JsonLimits
from mintmark.signing.dsse import Envelope
from mintmark.signing.payload_model import PayloadModel

PAYLOAD_TYPE = "application/vnd.mintmark.revocations+json"
VERSION = "1.0"
LIMITS = JsonLimits(size=16 << 20, depth=8, values=500_000)
"""The default limits: 16 MiB."""
EPOCH = "1970-01-01T00:00:00.000000Z"
"""The time of an empty list."""


class InvalidRevocationList(errors.CodedError):
    """A signed file that is not a revocation list, or contradicts itself. `code` says which."""

    codes = frozenset(("not_canonical", "not_a_revocation_list", "unknown_version"))


class RevocationIssuer(PayloadModel):
    """The issuing installation, by its id and its name."""

    installation: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\Z")]
    name: bundles.Name


class RevokedPrompt(PayloadModel):
    """A prompt that must no longer be used."""

    digest: bundles.Digest
    name: bundles.Reference
    reason: bundles.ShortText
    at: bundles.Timestamp


class RevokedKey(PayloadModel):
    """A key whose signatures are no longer valid."""

    key_id: bundles.Digest
    reason: bundles.ShortText
    at: bundles.Timestamp


class RevocationListPayload(PayloadModel):
    """The payload. `sequence` is the number of revoked things, `as_of` the time of the newest."""

    version: Annotated[str, Field(pattern=r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")]
    issuer: RevocationIssuer
    sequence: bundles.Count
    as_of: bundles.Timestamp
    revoked: bundles.FailFastTuple[RevokedPrompt]
    revoked_keys: bundles.FailFastTuple[RevokedKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRevocationList:
    """A list with valid signatures; `key_ids` are the signers."""

    revocations: RevocationListPayload
    envelope: Envelope
    key_ids: frozenset[str]


def build_list(
    *,
    issuer: RevocationIssuer,
    revoked: Iterable[RevokedPrompt],
    revoked_keys: Iterable[RevokedKey],
) -> RevocationListPayload:
    """The list of these, each in the order of revocation: the same things give the same list."""
    prompts = sorted(revoked, key=lambda item: (item.at, item.name))
    keys = sorted(revoked_keys, key=lambda item: (item.at, item.key_id))
    return RevocationListPayload(
        version=VERSION,
        issuer=issuer,
        sequence=len(prompts) + len(keys),
        as_of=max([*(item.at for item in prompts), *(item.at for item in keys)], default=EPOCH),
        revoked=tuple(prompts),
        revoked_keys=tuple(keys),
    )


def sign(revocations: RevocationListPayload, *, keys: Iterable[Ed25519PrivateKey]) -> Envelope:
    """Sign a list with each of these keys; the same list and keys give the same bytes."""
    payload = canonical_json.dumps(revocations.model_dump(mode="json"))
    return dsse.sign(payload_type=PAYLOAD_TYPE, payload=payload, keys=keys)


def verify(raw: bytes, *, limits: JsonLimits = LIMITS) -> VerifiedRevocationList:
    """Verify a list: its size, its envelope, every signature over the raw payload, then the payload.

    Raises `InvalidCanonicalJson`, `InvalidEnvelope`, `InvalidSignedFile` or `InvalidRevocationList`.
    """
    envelope, key_ids = signed_files.verify(
        raw, payload_type=PAYLOAD_TYPE, max_bytes=limits.size, document_kind="revocation list"
    )
    document = canonical_json.parse(envelope.payload, limits=limits)
    if not isinstance(document, dict):
        raise InvalidRevocationList(
            "not_a_revocation_list", "What was signed is not a JSON object."
        )
    payload_version = document.get("version")
    if payload_model.is_another_major(payload_version, version=VERSION):
        raise InvalidRevocationList(
            "unknown_version",
            f"It is a revocation list of version {payload_version[:20]!r}; only {VERSION} is supported.",
        )
    try:
        read = payload_model.parse_payload(RevocationListPayload, envelope.payload)
    except payload_model.InvalidPayload as wrong:
        raise InvalidRevocationList("not_a_revocation_list", str(wrong)) from None
    if canonical_json.to_canonical_bytes(document) != envelope.payload:
        raise InvalidRevocationList(
            "not_canonical", "What was signed is not canonical JSON (RFC 8785)."
        )
    if read.sequence < len(read.revoked) + len(read.revoked_keys):
        raise InvalidRevocationList(
            "not_a_revocation_list",
            f"Its sequence is {read.sequence}, below the number of things that it revokes.",
        )
    return VerifiedRevocationList(revocations=read, envelope=envelope, key_ids=key_ids)
