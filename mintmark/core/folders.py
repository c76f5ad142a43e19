"""Folders: a bundle as files that other tools read, with a detached signature over all of them (docs/bundle-format.md).

The signature is `MANIFEST.dsse.json`: an envelope over an in-toto statement whose subjects are the other files.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from mintmark.core import bundles, canonical_json, dsse, envelopes, errors, shapes
from mintmark.core.canonical_json import Limits
from mintmark.core.shapes import Shape

MANIFEST = "MANIFEST.dsse.json"
BUNDLE = "bundle.json"
PREDICATE = "urn:mintmark:folder:v1"
VERSION = "1.0"
LIMITS = Limits(size=16 << 20, depth=8, values=500_000)
"""What a manifest may take where nobody says otherwise."""

type Kind = Literal["skill", "dotprompt"]


class BadFolder(errors.OneOf):
    """A folder that is not the one that was signed. `code` says in what."""

    codes = frozenset(
        ("not_canonical", "not_a_folder", "unknown_version", "path_in_name", "missing_file", "extra_file",
         "digest_mismatch")
    )  # fmt: skip


class _Digest(Shape):
    sha256: bundles.Digest


class _File(Shape):
    name: Annotated[str, Field(min_length=1, max_length=400)]
    digest: _Digest


class _Predicate(Shape):
    version: Annotated[str, Field(pattern=r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")]
    kind: Literal["skill", "dotprompt"]


class _Statement(Shape):
    subject: bundles.Many[_File]
    predicate: _Predicate


def sealed(
    files: Mapping[str, bytes], *, kind: Kind, keys: Iterable[Ed25519PrivateKey]
) -> dict[str, bytes]:
    """These files (by path, with `/`) and the manifest that signs them; the same files and keys give the same bytes."""
    statement = {
        "_type": bundles.STATEMENT,
        "subject": [
            {"name": path, "digest": {"sha256": hashlib.sha256(files[path]).hexdigest()}}
            for path in sorted(files)
        ],
        "predicateType": PREDICATE,
        "predicate": {"version": VERSION, "kind": kind},
    }
    envelope = dsse.signed(
        payload_type=bundles.PAYLOAD_TYPE, payload=canonical_json.dumps(statement), keys=keys
    )
    return {**files, MANIFEST: envelope.to_bytes()}


def check(
    files: Mapping[str, bytes],
    *,
    limits: Limits = LIMITS,
    bundle_limits: Limits = bundles.LIMITS,
    most_prompts: int = bundles.MOST_PROMPTS,
) -> frozenset[str]:
    """The ids of the keys that signed these files, all of them and no others; the bundle among them is read as well.

    Refused with `BadFolder`, and with all that `envelopes.opened` and `bundles.opened` refuse.
    """
    if MANIFEST not in files:
        raise BadFolder("missing_file", f"There is no {MANIFEST}, so nobody signed this folder.")
    envelope, key_ids = envelopes.opened(
        files[MANIFEST], payload_type=bundles.PAYLOAD_TYPE, most_bytes=limits.size, what="manifest"
    )
    digests = _read(envelope.payload, limits=limits)
    for path in digests:
        if path not in files:
            raise BadFolder("missing_file", f"{path[:120]!r} was signed and is not there.")
    for path, content in files.items():
        if path == MANIFEST:
            continue
        if path not in digests:
            raise BadFolder("extra_file", f"{path[:120]!r} is there and was not signed.")
        digest = hashlib.sha256(content).hexdigest()
        if digest != digests[path]:
            raise BadFolder(
                "digest_mismatch",
                f"{path[:120]!r} is sha256:{digest[:12]}…, and sha256:{digests[path][:12]}… was signed.",
            )
    if BUNDLE not in files:
        raise BadFolder("missing_file", f"There is no {BUNDLE}, which says what all this is.")
    bundles.opened(files[BUNDLE], limits=bundle_limits, most_prompts=most_prompts)
    return key_ids


def _read(payload: bytes, *, limits: Limits) -> dict[str, str]:
    """What a manifest signs: digests by path."""
    told = canonical_json.parsed(payload, limits=limits)
    if not isinstance(told, dict) or told.get("_type") != bundles.STATEMENT:
        raise BadFolder("not_a_folder", f"What was signed is no {bundles.STATEMENT}.")
    kind = str(told.get("predicateType"))
    predicate = told.get("predicate")
    version = predicate.get("version") if isinstance(predicate, dict) else None
    is_kin = kind.rpartition(":")[0] == PREDICATE.rpartition(":")[0]
    if is_kin and (kind != PREDICATE or shapes.is_another_major(version, version=VERSION)):
        raise BadFolder("unknown_version", f"The folder is of another version than {VERSION}.")
    if kind != PREDICATE:
        raise BadFolder("not_a_folder", f"What was signed is no {PREDICATE}, but {kind[:80]!r}.")
    try:
        statement = shapes.read(_Statement, payload)
    except shapes.Misshapen as wrong:
        raise BadFolder("not_a_folder", str(wrong)) from None
    if canonical_json.respelled(told) != payload:
        raise BadFolder("not_canonical", "What was signed is not canonical JSON (RFC 8785).")
    digests: dict[str, str] = {}
    for one in statement.subject:
        _check_path(one.name)
        if one.name in digests:
            raise BadFolder("not_a_folder", f"{one.name[:120]!r} was signed twice.")
        digests[one.name] = one.digest.sha256
    return digests


def _check_path(path: str) -> None:
    is_plain = path.isprintable() and not set(path) & set('\\:*?"<>|')
    if not is_plain or any(part in ("", ".", "..") for part in path.split("/")) or path == MANIFEST:
        raise BadFolder("path_in_name", f"{path[:120]!r} is no path within a folder.")
