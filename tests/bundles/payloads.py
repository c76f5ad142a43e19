"""What bundles in the tests hold, and who signs them: keys from seeds that README.md tells, so that bytes stay."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mintmark.signing import bundles, dsse
from mintmark.signing.key_policy import TrustRoot

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MOMENT = "2026-10-31T09:30:00.000000Z"
INSTALLATION = "0123456789abcdef0123456789abcdef"


def key(name: str) -> Ed25519PrivateKey:
    """The test key of this name: its seed is the SHA-256 of `mintmark test key NAME`."""
    return Ed25519PrivateKey.from_private_bytes(
        hashlib.sha256(b"mintmark test key " + name.encode()).digest()
    )


HOUSE, TEAM, STRANGER, EXPIRED, REVOKED = map(
    key, ("house", "team", "stranger", "expired", "revoked")
)


def roots() -> list[TrustRoot]:
    """Whose signatures count in the tests: all of them but the stranger's."""
    early = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        TrustRoot(key_id=dsse.get_key_id(HOUSE), name="house", expires_at=None, revoked_at=None),
        TrustRoot(key_id=dsse.get_key_id(TEAM), name="team", expires_at=None, revoked_at=None),
        TrustRoot(
            key_id=dsse.get_key_id(EXPIRED), name="expired", expires_at=early, revoked_at=None
        ),
        TrustRoot(
            key_id=dsse.get_key_id(REVOKED), name="revoked", expires_at=None, revoked_at=early
        ),
    ]


def reputation(**changes: Any) -> dict[str, Any]:
    """How a prompt did, as a bundle tells it."""
    return {
        "trust_ppm": 840_000, "low_ppm": 790_000, "high_ppm": 880_000, "average_ppm": 610_000,
        "task": "task:triage", "outcomes": 120, "replays": 4, "approvals": 3, "ratings": 2,
    } | changes  # fmt: skip


def prompt(line: str = "acme/triage@1", **changes: Any) -> dict[str, Any]:
    """A root that its author's team tells; the digest is that of its text unless `changes` say another."""
    text = changes.get("text", "Sort {ticket} by urgency.\nAnswer:")
    return {
        "name": line, "digest": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), "text": text,
        "title": "Triage", "licence": "MIT", "variables": ["ticket"], "tags": ["task:triage"], "parent": None,
        "derivation": "root", "mutation_note": "", "author": "Acme", "rights": "author", "royalties": [],
        "reputation": reputation(), "events": None,
    } | changes  # fmt: skip


def ancestor(line: str, **changes: Any) -> dict[str, Any]:
    """A forebear whose text is not told."""
    return {
        "name": line, "digest": hashlib.sha256(line.encode()).hexdigest(), "parent": None, "derivation": "root",
        "mutation_note": "", "author": "Acme", "licence": "MIT",
    } | changes  # fmt: skip


def predicate(prompts: Sequence[Mapping[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """What is told, of one prompt if nothing else is given."""
    return {
        "version": "1.0", "purpose": "export",
        "prompt_set": {"name": "triage", "title": "Triage", "description": "For the help desk."},
        "issuer": {"installation": INSTALLATION, "name": "Mintmark of Acme", "team": "sellers"},
        "as_of": MOMENT, "policy": 1, "evidence_seal": "", "prompts": list(prompts or [prompt()]), "ancestors": [],
        "receipt": None,
    } | changes  # fmt: skip


def statement(prompts: Sequence[Mapping[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """The in-toto statement around it, whether or not it makes sense."""
    told = predicate(prompts, **changes)
    return {
        "_type": bundles.STATEMENT,
        "subject": [
            {"name": one.get("name"), "digest": {"sha256": one.get("digest")}}
            for one in told["prompts"]
        ],
        "predicateType": bundles.PREDICATE,
        "predicate": told,
    }


def spelled(value: Any) -> bytes:
    """Canonical as the standard library alone spells it, also of what may not be told (half a pair excepted)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def enveloped(
    payload: bytes,
    *,
    keys: Iterable[Ed25519PrivateKey] = (HOUSE,),
    payload_type: str = bundles.PAYLOAD_TYPE,
    signed: bytes | None = None,
    signed_as: str | None = None,
    key_ids: Sequence[str] | None = None,
) -> bytes:
    """A file around any payload: signed over it, or over the bytes `signed` and the type `signed_as` instead, under the
    names `key_ids` if they are given."""
    message = dsse.pae(signed_as or payload_type, payload if signed is None else signed)
    made = [(dsse.get_key_id(one), one.sign(message)) for one in keys]
    rows = [
        {"keyid": name if key_ids is None else key_ids[n], "sig": base64.b64encode(value).decode()}
        for n, (name, value) in enumerate(made)
    ]
    rows.sort(key=lambda row: row["keyid"])
    return spelled(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": rows,
        }
    )


def sealed(
    prompts: Sequence[Mapping[str, Any]] | None = None,
    *,
    keys: Iterable[Ed25519PrivateKey] = (HOUSE,),
    **changes: Any,
) -> bytes:
    """The file of such a statement, signed."""
    return enveloped(spelled(statement(prompts, **changes)), keys=keys)
