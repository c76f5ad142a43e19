"""Bundles: prompts with their lineage, licences and measured reputation in one signed file (docs/bundle-format.md).

A bundle is a DSSE envelope over an in-toto Statement v1. `sealed` writes one, `opened` reads one: both know nothing of
trust, which is `core.trust_roots`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import pydantic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from mintmark.core import canonical_json, dsse, envelopes, errors, shapes
from mintmark.core.canonical_json import Limits
from mintmark.core.dsse import Envelope
from mintmark.core.shapes import Shape

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:mintmark:prompt-bundle:v1"
VERSION = "1.0"
MILLION = 1_000_000
MOST_PROMPTS = 10_000

LIMITS = Limits(size=16 << 20, depth=16, values=600_000)
"""What is taken where nobody says otherwise: 16 MiB, and of values what so much told densely has."""

_DIGEST = r"\A[0-9a-f]{64}\Z"
_REFERENCE = (
    r"\A[a-z0-9][a-z0-9_-]{0,63}/\w(?:[\w .:/()&,'+-]{0,198}[\w.:/()&,'+-])?@[1-9][0-9]{0,8}\Z"
)
_MOMENT = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z"


def _is_real(moment: str) -> str:
    datetime.fromisoformat(moment)
    return moment


Digest = Annotated[str, Field(pattern=_DIGEST)]
Reference = Annotated[str, Field(pattern=_REFERENCE)]
Moment = Annotated[str, Field(pattern=_MOMENT), pydantic.AfterValidator(_is_real)]
Ppm = Annotated[int, Field(ge=0, le=MILLION)]
Count = Annotated[int, Field(ge=0, le=canonical_json.SAFE)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Line = Annotated[str, Field(max_length=400)]
type Many[T] = Annotated[tuple[T, ...], pydantic.FailFast()]
"""An array; the first wrong row is enough to refuse it, however many there are."""


class BadBundle(errors.OneOf):
    """What was signed is no bundle, or one that contradicts itself. `code` says which."""

    codes = frozenset(
        ("not_canonical", "not_a_bundle", "unknown_version", "too_many_prompts", "path_in_name", "digest_mismatch",
         "duplicate_name", "unknown_parent", "lineage_cycle")
    )  # fmt: skip


class Reputation(Shape):
    """How a prompt did where it comes from, scores in millionths. `average_ppm` is what an average prompt scored
    there on the same task; the counts are of runs, approvals and live ratings of its own."""

    trust_ppm: Ppm
    low_ppm: Ppm
    high_ppm: Ppm
    average_ppm: Ppm
    task: Line
    outcomes: Count
    replays: Count
    approvals: Count
    ratings: Count


class Event(Shape):
    """One piece of evidence; who gave it and on which assistant are pseudonyms that hold within one bundle."""

    kind: Name
    score_ppm: Ppm
    runs: Annotated[int, Field(ge=1, le=MILLION)]
    occurred_at: Moment
    ritual: Line
    assistant: Line
    actor: Name


class Royalty(Shape):
    """What a sale owes to a holder at the issuer, in hundredths of a percent of what nearer generations leave."""

    ancestor: Reference
    holder: Name
    rate_bp: Annotated[int, Field(ge=1, le=5_000)]


class Prompt(Shape):
    """One text. `rights` says who tells it: its author's team, one that may pass it on, or one that bought it."""

    name: Reference
    digest: Digest
    text: Annotated[str, Field(min_length=1, max_length=500_000)]
    title: Annotated[str, Field(max_length=200)]
    licence: Annotated[str, Field(max_length=64)]
    variables: Many[Name]
    tags: Many[Annotated[str, Field(min_length=1, max_length=100)]]
    parent: Reference | None
    derivation: Literal["root", "revision", "fork"]
    mutation_note: Annotated[str, Field(max_length=200)]
    author: Name
    rights: Literal["author", "passed_on", "bought"]
    royalties: Many[Royalty]
    reputation: Reputation
    events: Many[Event] | None


class Ancestor(Shape):
    """A prompt from which others descend and whose text is not told here."""

    name: Reference
    digest: Digest
    parent: Reference | None
    derivation: Literal["root", "revision", "fork"]
    mutation_note: Annotated[str, Field(max_length=200)]
    author: Name
    licence: Annotated[str, Field(max_length=64)]


class PromptSet(Shape):
    name: Name
    title: Annotated[str, Field(max_length=200)]
    description: Annotated[str, Field(max_length=4_000)]


class Issuer(Shape):
    """The installation (a random id that stays) and the team that tells all this."""

    installation: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\Z")]
    name: Name
    team: Line


class Receipt(Shape):
    """What was paid, in micro-tokens of the issuer."""

    transfer: Count
    buyer: Name
    team: Name
    price_micro: Count
    bought_at: Moment


class Bundle(Shape):
    """The predicate. `as_of`: the time of the newest thing told; `policy` and the seals: under which scores stand, and
    the heads of the issuer's books."""

    version: Annotated[str, Field(pattern=r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")]
    purpose: Literal["export", "receipt"]
    prompt_set: PromptSet
    issuer: Issuer
    as_of: Moment
    policy: Count
    evidence_seal: Line
    prompts: Annotated[Many[Prompt], Field(min_length=1)]
    ancestors: Many[Ancestor]
    receipt: Receipt | None


class _Statement(Shape):
    predicate: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle whose every signature holds. `statement` is what was signed, as JSON; `key_ids` who signed."""

    bundle: Bundle
    statement: dict[str, Any]
    envelope: Envelope
    key_ids: frozenset[str]


def statement(bundle: Bundle) -> dict[str, Any]:
    """The in-toto statement of a bundle: what is signed, as JSON."""
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": prompt.name, "digest": {"sha256": prompt.digest}} for prompt in bundle.prompts
        ],
        "predicateType": PREDICATE,
        "predicate": bundle.model_dump(mode="json"),
    }


def sealed(bundle: Bundle, *, keys: Iterable[Ed25519PrivateKey]) -> Envelope:
    """A bundle signed by each of these keys; the same bundle and keys give the same bytes. `BadJson` (`nul_character`)
    where a string of it holds U+0000."""
    # Its shape lets through nothing else that has no canonical spelling.
    payload = canonical_json.respelled(statement(bundle))
    canonical_json.check_no_nul(payload.decode())
    return dsse.signed(payload_type=PAYLOAD_TYPE, payload=payload, keys=keys)


def opened(raw: bytes, *, limits: Limits = LIMITS, most_prompts: int = MOST_PROMPTS) -> Opened:
    """Read a bundle, in this order: its size, its envelope, every signature over the raw payload, then what was signed.

    Refused with `canonical_json.BadJson`, `dsse.BadEnvelope`, `envelopes.BadFile` or `BadBundle`: `not_canonical`,
    `not_a_bundle`, `unknown_version`, `too_many_prompts`, `path_in_name`, `digest_mismatch`, `duplicate_name`,
    `unknown_parent`, `lineage_cycle`.
    """
    envelope, key_ids = envelopes.opened(
        raw, payload_type=PAYLOAD_TYPE, most_bytes=limits.size, what="bundle"
    )
    del raw  # what follows takes as much again
    told, bundle = read(envelope.payload, limits=limits, most_prompts=most_prompts)
    return Opened(bundle=bundle, statement=told, envelope=envelope, key_ids=key_ids)


def read(
    payload: bytes, *, limits: Limits = LIMITS, most_prompts: int = MOST_PROMPTS
) -> tuple[dict[str, Any], Bundle]:
    """What a payload says, as JSON and as a bundle; whoever calls this has checked who signed it."""
    told = canonical_json.parsed(payload, limits=limits)
    bundle = _shaped(told, payload, most_prompts=most_prompts)
    if not canonical_json.is_spelled(told, payload):
        raise BadBundle("not_canonical", "What was signed is not canonical JSON (RFC 8785).")
    _check_names(bundle)
    _check_subjects(told.get("subject"), bundle.prompts)
    _check_lineage(bundle)
    return told, bundle


def _shaped(told: Any, payload: bytes, *, most_prompts: int) -> Bundle:
    if not isinstance(told, dict) or told.get("_type") != STATEMENT:
        raise BadBundle("not_a_bundle", f"What was signed is no {STATEMENT}.")
    predicate, kind = told.get("predicate"), str(told.get("predicateType"))
    family, _, version = PREDICATE.rpartition(":")
    if kind != PREDICATE and kind.rpartition(":")[0] == family:
        raise BadBundle(
            "unknown_version",
            f"It is a bundle of version {kind.rpartition(':')[2][:20]!r}; {version} is read here.",
        )
    if kind != PREDICATE or not isinstance(predicate, dict):
        raise BadBundle("not_a_bundle", f"What was signed is no {PREDICATE}, but {kind[:80]!r}.")
    said = predicate.get("version")
    if shapes.is_another_major(said, version=VERSION):
        raise BadBundle(
            "unknown_version", f"It is a bundle of version {said[:20]!r}; {VERSION} is read here."
        )
    rows = predicate.get("prompts")
    if isinstance(rows, list) and len(rows) > most_prompts:
        raise BadBundle(
            "too_many_prompts", f"It has {len(rows):,} prompts, and {most_prompts:,} are taken."
        )
    try:
        return shapes.read(_Statement, payload).predicate
    except shapes.Misshapen as wrong:
        raise BadBundle("not_a_bundle", str(wrong)) from None


def _check_names(bundle: Bundle) -> None:
    nodes: tuple[Prompt | Ancestor, ...] = (*bundle.prompts, *bundle.ancestors)
    for node in nodes:
        if any(part in ("", ".", "..") for part in node.name.split("/")):
            raise BadBundle("path_in_name", f"The name {node.name[:80]!r} is a way to elsewhere.")
    if (bundle.receipt is None) != (bundle.purpose == "export"):
        raise BadBundle(
            "not_a_bundle", f"It is {bundle.purpose}, and a receipt alone says what was paid."
        )


def _check_subjects(subjects: Any, prompts: Sequence[Prompt]) -> None:
    expected = [{"name": prompt.name, "digest": {"sha256": prompt.digest}} for prompt in prompts]
    if subjects != expected:
        raise BadBundle(
            "digest_mismatch", "Its subjects are not its prompts: names and digests, in one order."
        )
    for prompt in prompts:
        digest = hashlib.sha256(prompt.text.encode()).hexdigest()
        if digest != prompt.digest:
            raise BadBundle(
                "digest_mismatch",
                f"The text of {prompt.name} is sha256:{digest[:12]}…, and its digest says {prompt.digest[:12]}….",
            )


def _check_lineage(bundle: Bundle) -> None:
    parents: dict[str, str | None] = {}
    nodes: tuple[Prompt | Ancestor, ...] = (*bundle.prompts, *bundle.ancestors)
    for node in nodes:
        if node.name in parents:
            raise BadBundle("duplicate_name", f"{node.name} stands there twice.")
        if (node.parent is None) != (node.derivation == "root"):
            raise BadBundle(
                "not_a_bundle", f"{node.name}: a root has no parent, and all else has one."
            )
        parents[node.name] = node.parent
    settled: set[str] = set()
    for name in parents:
        path: dict[str, None] = {}
        at: str | None = name
        while at is not None and at not in settled:
            if at in path:
                raise BadBundle("lineage_cycle", f"{at} descends from itself.")
            if at not in parents:
                raise BadBundle(
                    "unknown_parent",
                    f"{next(reversed(path))} descends from {at}, which is not told.",
                )
            path[at] = None
            at = parents[at]
        settled.update(path)
