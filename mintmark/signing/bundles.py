"""Bundles: prompts with their lineage, licences and measured reputation in one signed file (docs/bundle-format.md).

A bundle is a DSSE envelope over an in-toto Statement v1. `sign` writes one, `verify` reads one. Whether the signers are
trusted is decided in `signing.key_policy`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import pydantic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from mintmark.common import errors
from mintmark.signing import canonical_json, dsse, payload_model, signed_files
from mintmark.signing.canonical_json import JsonLimits
from mintmark.signing.dsse import Envelope
from mintmark.signing.payload_model import PayloadModel

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:mintmark:prompt-bundle:v1"
VERSION = "1.0"
MILLION = 1_000_000
MAX_PROMPTS = 10_000

LIMITS = JsonLimits(size=16 << 20, depth=16, values=600_000)
"""The default limits: 16 MiB, and the most values that so many bytes hold."""

_DIGEST = r"\A[0-9a-f]{64}\Z"
_REFERENCE = (
    r"\A[a-z0-9][a-z0-9_-]{0,63}/\w(?:[\w .:/()&,'+-]{0,198}[\w.:/()&,'+-])?@[1-9][0-9]{0,8}\Z"
)
_TIMESTAMP = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z"


def _check_timestamp(timestamp: str) -> str:
    datetime.fromisoformat(timestamp)
    return timestamp


Digest = Annotated[str, Field(pattern=_DIGEST)]
Reference = Annotated[str, Field(pattern=_REFERENCE)]
Timestamp = Annotated[str, Field(pattern=_TIMESTAMP), pydantic.AfterValidator(_check_timestamp)]
Ppm = Annotated[int, Field(ge=0, le=MILLION)]
Count = Annotated[int, Field(ge=0, le=canonical_json.MAX_SAFE_INTEGER)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
ShortText = Annotated[str, Field(max_length=400)]
type FailFastTuple[T] = Annotated[tuple[T, ...], pydantic.FailFast()]
"""An array; validation stops at the first invalid row."""


class InvalidBundle(errors.CodedError):
    """What was signed is not a bundle, or contradicts itself. `code` says which."""

    codes = frozenset(
        ("not_canonical", "not_a_bundle", "unknown_version", "too_many_prompts", "path_in_name", "digest_mismatch",
         "duplicate_name", "unknown_parent", "lineage_cycle")
    )  # fmt: skip


class BundleReputation(PayloadModel):
    """The reputation of a prompt at its issuer, scores in millionths. `average_ppm` is an average prompt's score there
    on the same task; the counts are the prompt's own runs, approvals and live ratings."""

    trust_ppm: Ppm
    low_ppm: Ppm
    high_ppm: Ppm
    average_ppm: Ppm
    task: ShortText
    outcomes: Count
    replays: Count
    approvals: Count
    ratings: Count


class BundleEvent(PayloadModel):
    """One piece of evidence. Its author and its assistant are pseudonyms that are stable within one bundle."""

    kind: Name
    score_ppm: Ppm
    runs: Annotated[int, Field(ge=1, le=MILLION)]
    occurred_at: Timestamp
    ritual: ShortText
    assistant: ShortText
    actor: Name


class BundleRoyalty(PayloadModel):
    """A royalty that each sale owes to a holder at the issuer, in hundredths of a percent of what nearer generations
    leave."""

    ancestor: Reference
    holder: Name
    rate_bp: Annotated[int, Field(ge=1, le=5_000)]


class BundledPrompt(PayloadModel):
    """One text. `rights` says under which right the bundle contains it: of its author's team, of a team that may pass
    it on, or of one that bought it."""

    name: Reference
    digest: Digest
    text: Annotated[str, Field(min_length=1, max_length=500_000)]
    title: Annotated[str, Field(max_length=200)]
    licence: Annotated[str, Field(max_length=64)]
    variables: FailFastTuple[Name]
    tags: FailFastTuple[Annotated[str, Field(min_length=1, max_length=100)]]
    parent: Reference | None
    derivation: Literal["root", "revision", "fork"]
    mutation_note: Annotated[str, Field(max_length=200)]
    author: Name
    rights: Literal["author", "passed_on", "bought"]
    royalties: FailFastTuple[BundleRoyalty]
    reputation: BundleReputation
    events: FailFastTuple[BundleEvent] | None


class BundleAncestor(PayloadModel):
    """A prompt from which others descend and whose text is not in the bundle."""

    name: Reference
    digest: Digest
    parent: Reference | None
    derivation: Literal["root", "revision", "fork"]
    mutation_note: Annotated[str, Field(max_length=200)]
    author: Name
    licence: Annotated[str, Field(max_length=64)]


class BundlePromptSet(PayloadModel):
    name: Name
    title: Annotated[str, Field(max_length=200)]
    description: Annotated[str, Field(max_length=4_000)]


class BundleIssuer(PayloadModel):
    """The installation (a permanent random id) and the team that issue the bundle."""

    installation: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\Z")]
    name: Name
    team: ShortText


class BundleReceipt(PayloadModel):
    """What was paid, in micro-tokens of the issuer."""

    transfer: Count
    buyer: Name
    team: Name
    price_micro: Count
    bought_at: Timestamp


class Bundle(PayloadModel):
    """The predicate. `as_of` is the time of the newest thing in the bundle; `policy` is the policy of its scores; the
    seals are the heads of the issuer's checkpoint chains."""

    version: Annotated[str, Field(pattern=r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")]
    purpose: Literal["export", "receipt"]
    prompt_set: BundlePromptSet
    issuer: BundleIssuer
    as_of: Timestamp
    policy: Count
    evidence_seal: ShortText
    prompts: Annotated[FailFastTuple[BundledPrompt], Field(min_length=1)]
    ancestors: FailFastTuple[BundleAncestor]
    receipt: BundleReceipt | None


class _BundleStatement(PayloadModel):
    predicate: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle:
    """A bundle with valid signatures. `statement` is the signed JSON; `key_ids` are the signers."""

    bundle: Bundle
    statement: dict[str, Any]
    envelope: Envelope
    key_ids: frozenset[str]


def build_statement(bundle: Bundle) -> dict[str, Any]:
    """The in-toto statement of a bundle: what is signed, as JSON."""
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": prompt.name, "digest": {"sha256": prompt.digest}} for prompt in bundle.prompts
        ],
        "predicateType": PREDICATE,
        "predicate": bundle.model_dump(mode="json"),
    }


def sign(bundle: Bundle, *, keys: Iterable[Ed25519PrivateKey]) -> Envelope:
    """Sign a bundle with each of these keys; the same bundle and keys give the same bytes. Raises
    `InvalidCanonicalJson` (code nul_character) if a string contains U+0000."""
    # Its schema rules out everything else that has no canonical form.
    payload = canonical_json.to_canonical_bytes(build_statement(bundle))
    canonical_json.check_no_nul(payload.decode())
    return dsse.sign(payload_type=PAYLOAD_TYPE, payload=payload, keys=keys)


def verify(
    raw: bytes, *, limits: JsonLimits = LIMITS, max_prompts: int = MAX_PROMPTS
) -> VerifiedBundle:
    """Verify a bundle, in this order: its size, its envelope, every signature over the raw payload, then the payload.

    Raises `InvalidCanonicalJson`, `InvalidEnvelope`, `InvalidSignedFile` or `InvalidBundle`, the last with one of the
    codes `not_canonical`, `not_a_bundle`, `unknown_version`, `too_many_prompts`, `path_in_name`, `digest_mismatch`,
    `duplicate_name`, `unknown_parent`, `lineage_cycle`.
    """
    envelope, key_ids = signed_files.verify(
        raw, payload_type=PAYLOAD_TYPE, max_bytes=limits.size, document_kind="bundle"
    )
    del raw  # freed, since the next step takes as much memory again
    document, bundle = parse_payload(envelope.payload, limits=limits, max_prompts=max_prompts)
    return VerifiedBundle(bundle=bundle, statement=document, envelope=envelope, key_ids=key_ids)


def parse_payload(
    payload: bytes, *, limits: JsonLimits = LIMITS, max_prompts: int = MAX_PROMPTS
) -> tuple[dict[str, Any], Bundle]:
    """A payload as JSON and as a bundle. The caller must have verified its signatures."""
    document = canonical_json.parse(payload, limits=limits)
    bundle = _parse_bundle(document, payload, max_prompts=max_prompts)
    if not canonical_json.is_canonical(document, payload):
        raise InvalidBundle("not_canonical", "What was signed is not canonical JSON (RFC 8785).")
    _check_names(bundle)
    _check_subjects(document.get("subject"), bundle.prompts)
    _check_lineage(bundle)
    return document, bundle


def _parse_bundle(document: Any, payload: bytes, *, max_prompts: int) -> Bundle:
    if not isinstance(document, dict) or document.get("_type") != STATEMENT:
        raise InvalidBundle("not_a_bundle", f"What was signed is not a {STATEMENT}.")
    predicate, kind = document.get("predicate"), str(document.get("predicateType"))
    family, _, version = PREDICATE.rpartition(":")
    if kind != PREDICATE and kind.rpartition(":")[0] == family:
        raise InvalidBundle(
            "unknown_version",
            f"It is a bundle of version {kind.rpartition(':')[2][:20]!r}; only {version} is supported.",
        )
    if kind != PREDICATE or not isinstance(predicate, dict):
        raise InvalidBundle(
            "not_a_bundle", f"What was signed is not a {PREDICATE}, but {kind[:80]!r}."
        )
    payload_version = predicate.get("version")
    if payload_model.is_another_major(payload_version, version=VERSION):
        raise InvalidBundle(
            "unknown_version",
            f"It is a bundle of version {payload_version[:20]!r}; only {VERSION} is supported.",
        )
    rows = predicate.get("prompts")
    if isinstance(rows, list) and len(rows) > max_prompts:
        raise InvalidBundle(
            "too_many_prompts", f"It has {len(rows):,} prompts, and {max_prompts:,} are taken."
        )
    try:
        return payload_model.parse_payload(_BundleStatement, payload).predicate
    except payload_model.InvalidPayload as wrong:
        raise InvalidBundle("not_a_bundle", str(wrong)) from None


def _check_names(bundle: Bundle) -> None:
    nodes: tuple[BundledPrompt | BundleAncestor, ...] = (*bundle.prompts, *bundle.ancestors)
    for node in nodes:
        if any(segment in ("", ".", "..") for segment in node.name.split("/")):
            raise InvalidBundle(
                "path_in_name", f"The name {node.name[:80]!r} is a path: remove it."
            )
    if (bundle.receipt is None) != (bundle.purpose == "export"):
        raise InvalidBundle(
            "not_a_bundle", f"It is {bundle.purpose}, and a receipt alone says what was paid."
        )


def _check_subjects(subjects: Any, prompts: Sequence[BundledPrompt]) -> None:
    expected = [{"name": prompt.name, "digest": {"sha256": prompt.digest}} for prompt in prompts]
    if subjects != expected:
        raise InvalidBundle(
            "digest_mismatch", "Its subjects are not its prompts: names and digests, in one order."
        )
    for prompt in prompts:
        digest = hashlib.sha256(prompt.text.encode()).hexdigest()
        if digest != prompt.digest:
            raise InvalidBundle(
                "digest_mismatch",
                f"The text of {prompt.name} is sha256:{digest[:12]}…, and its digest says {prompt.digest[:12]}….",
            )


def _check_lineage(bundle: Bundle) -> None:
    parents: dict[str, str | None] = {}
    nodes: tuple[BundledPrompt | BundleAncestor, ...] = (*bundle.prompts, *bundle.ancestors)
    for node in nodes:
        if node.name in parents:
            raise InvalidBundle("duplicate_name", f"The name {node.name} is used twice.")
        if (node.parent is None) != (node.derivation == "root"):
            raise InvalidBundle(
                "not_a_bundle", f"{node.name}: a root has no parent, and all else has one."
            )
        parents[node.name] = node.parent
    checked_names: set[str] = set()
    for name in parents:
        path: dict[str, None] = {}
        current: str | None = name
        while current is not None and current not in checked_names:
            if current in path:
                raise InvalidBundle("lineage_cycle", f"{current} descends from itself.")
            if current not in parents:
                raise InvalidBundle(
                    "unknown_parent",
                    f"{next(reversed(path))} descends from {current}, which is not in the bundle.",
                )
            path[current] = None
            current = parents[current]
        checked_names.update(path)
