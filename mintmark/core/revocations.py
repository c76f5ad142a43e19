"""Revocation lists: what an installation withdrew of what it told, and which of its keys count no more (see
docs/bundle-format.md). A list only ever grows; the one with the highest sequence holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from mintmark.core import bundles, canonical_json, dsse, envelopes, errors, shapes
from mintmark.core.canonical_json import Limits
from mintmark.core.dsse import Envelope
from mintmark.core.shapes import Shape

PAYLOAD_TYPE = "application/vnd.mintmark.revocations+json"
VERSION = "1.0"
LIMITS = Limits(size=16 << 20, depth=8, values=500_000)
"""What is taken where nobody says otherwise: 16 MiB."""
NEVER = "1970-01-01T00:00:00.000000Z"
"""The time as of which an empty list stands."""


class BadRevocations(errors.OneOf):
    """A signed thing that is no revocation list, or one that contradicts itself. `code` says which."""

    codes = frozenset(("not_canonical", "not_a_revocation_list", "unknown_version"))


class Issuer(Shape):
    """The installation, by its id and by the name that it goes by."""

    installation: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\Z")]
    name: bundles.Name


class Revoked(Shape):
    """A prompt that must not be used any more."""

    digest: bundles.Digest
    name: bundles.Reference
    reason: bundles.Line
    at: bundles.Moment


class RevokedKey(Shape):
    """A key whose signatures count no more."""

    key_id: bundles.Digest
    reason: bundles.Line
    at: bundles.Moment


class Revocations(Shape):
    """The payload. `sequence` is the number of things revoked, `as_of` the time of the newest of them."""

    version: Annotated[str, Field(pattern=r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")]
    issuer: Issuer
    sequence: bundles.Count
    as_of: bundles.Moment
    revoked: bundles.Many[Revoked]
    revoked_keys: bundles.Many[RevokedKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A list whose every signature holds; `key_ids` who signed."""

    revocations: Revocations
    envelope: Envelope
    key_ids: frozenset[str]


def listed(
    *, issuer: Issuer, revoked: Iterable[Revoked], revoked_keys: Iterable[RevokedKey]
) -> Revocations:
    """The list of these, each in the order in which it was revoked: the same things give the same list."""
    prompts = sorted(revoked, key=lambda one: (one.at, one.name))
    keys = sorted(revoked_keys, key=lambda one: (one.at, one.key_id))
    return Revocations(
        version=VERSION,
        issuer=issuer,
        sequence=len(prompts) + len(keys),
        as_of=max([*(one.at for one in prompts), *(one.at for one in keys)], default=NEVER),
        revoked=tuple(prompts),
        revoked_keys=tuple(keys),
    )


def sealed(revocations: Revocations, *, keys: Iterable[Ed25519PrivateKey]) -> Envelope:
    """A list signed by each of these keys; the same list and keys give the same bytes."""
    payload = canonical_json.dumps(revocations.model_dump(mode="json"))
    return dsse.signed(payload_type=PAYLOAD_TYPE, payload=payload, keys=keys)


def opened(raw: bytes, *, limits: Limits = LIMITS) -> Opened:
    """Read a list: its size, its envelope, every signature over the raw payload, then what was signed.

    Refused with `canonical_json.BadJson`, `dsse.BadEnvelope`, `envelopes.BadFile` or `BadRevocations`.
    """
    envelope, key_ids = envelopes.opened(
        raw, payload_type=PAYLOAD_TYPE, most_bytes=limits.size, what="revocation list"
    )
    told = canonical_json.parsed(envelope.payload, limits=limits)
    if not isinstance(told, dict):
        raise BadRevocations("not_a_revocation_list", "What was signed is no JSON object.")
    said = told.get("version")
    if shapes.is_another_major(said, version=VERSION):
        raise BadRevocations(
            "unknown_version",
            f"It is a revocation list of version {said[:20]!r}; {VERSION} is read here.",
        )
    try:
        read = shapes.read(Revocations, envelope.payload)
    except shapes.Misshapen as wrong:
        raise BadRevocations("not_a_revocation_list", str(wrong)) from None
    if canonical_json.respelled(told) != envelope.payload:
        raise BadRevocations("not_canonical", "What was signed is not canonical JSON (RFC 8785).")
    if read.sequence < len(read.revoked) + len(read.revoked_keys):
        raise BadRevocations(
            "not_a_revocation_list",
            f"Its sequence is {read.sequence}, below the number of things that it revokes.",
        )
    return Opened(revocations=read, envelope=envelope, key_ids=key_ids)
