"""Folders: a bundle as files for other tools, with a detached signature over all of them (docs/bundle-format.md).

The signature is `MANIFEST.dsse.json`: an envelope over an in-toto statement whose subjects are the other files.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from mintmark.common import errors
from mintmark.signing import bundles, canonical_json, dsse, payload_model, signed_files
from mintmark.signing.canonical_json import JsonLimits
from mintmark.signing.payload_model import PayloadModel

MANIFEST = "MANIFEST.dsse.json"
BUNDLE = "bundle.json"
PREDICATE = "urn:mintmark:folder:v1"
VERSION = "1.0"
LIMITS = JsonLimits(size=16 << 20, depth=8, values=500_000)
"""The default limits of a manifest."""

type FolderKind = Literal["skill", "dotprompt"]


class InvalidFolder(errors.CodedError):
    """A folder that differs from what was signed. `code` says how."""

    codes = frozenset(
        ("not_canonical", "not_a_folder", "unknown_version", "path_in_name", "missing_file", "extra_file",
         "digest_mismatch")
    )  # fmt: skip


class _FileDigest(PayloadModel):
    sha256: bundles.Digest


class _SignedFileEntry(PayloadModel):
    name: Annotated[str, Field(min_length=1, max_length=400)]
    digest: _FileDigest


class _ManifestPredicate(PayloadModel):
    version: Annotated[str, Field(pattern=r"\A[0-9]{1,4}\.[0-9]{1,4}\Z")]
    kind: Literal["skill", "dotprompt"]


class _ManifestStatement(PayloadModel):
    subject: bundles.FailFastTuple[_SignedFileEntry]
    predicate: _ManifestPredicate


def sign(
    files: Mapping[str, bytes], *, kind: FolderKind, keys: Iterable[Ed25519PrivateKey]
) -> dict[str, bytes]:
    """Sign files (by path, with `/` as separator): returns them with their manifest. The same files and keys give the
    same bytes."""
    statement = {
        "_type": bundles.STATEMENT,
        "subject": [
            {"name": path, "digest": {"sha256": hashlib.sha256(files[path]).hexdigest()}}
            for path in sorted(files)
        ],
        "predicateType": PREDICATE,
        "predicate": {"version": VERSION, "kind": kind},
    }
    envelope = dsse.sign(
        payload_type=bundles.PAYLOAD_TYPE, payload=canonical_json.dumps(statement), keys=keys
    )
    return {**files, MANIFEST: envelope.to_bytes()}


def verify(
    files: Mapping[str, bytes],
    *,
    limits: JsonLimits = LIMITS,
    bundle_limits: JsonLimits = bundles.LIMITS,
    max_prompts: int = bundles.MAX_PROMPTS,
) -> frozenset[str]:
    """The ids of the keys that signed exactly these files; the bundle among them is verified as well.

    Raises `InvalidFolder`, and whatever `signed_files.verify` and `bundles.verify` raise.
    """
    if MANIFEST not in files:
        raise InvalidFolder(
            "missing_file", f"There is no {MANIFEST}, so nobody signed this folder."
        )
    envelope, key_ids = signed_files.verify(
        files[MANIFEST],
        payload_type=bundles.PAYLOAD_TYPE,
        max_bytes=limits.size,
        document_kind="manifest",
    )
    digests = _parse_manifest(envelope.payload, limits=limits)
    for path in digests:
        if path not in files:
            raise InvalidFolder("missing_file", f"{path[:120]!r} was signed and is not there.")
    for path, content in files.items():
        if path == MANIFEST:
            continue
        if path not in digests:
            raise InvalidFolder("extra_file", f"{path[:120]!r} is there and was not signed.")
        digest = hashlib.sha256(content).hexdigest()
        if digest != digests[path]:
            raise InvalidFolder(
                "digest_mismatch",
                f"{path[:120]!r} is sha256:{digest[:12]}…, and sha256:{digests[path][:12]}… was signed.",
            )
    if BUNDLE not in files:
        raise InvalidFolder("missing_file", f"There is no {BUNDLE}, which describes the folder.")
    bundles.verify(files[BUNDLE], limits=bundle_limits, max_prompts=max_prompts)
    return key_ids


def _parse_manifest(payload: bytes, *, limits: JsonLimits) -> dict[str, str]:
    """The digests that a manifest signs, by path."""
    document = canonical_json.parse(payload, limits=limits)
    if not isinstance(document, dict) or document.get("_type") != bundles.STATEMENT:
        raise InvalidFolder("not_a_folder", f"What was signed is not a {bundles.STATEMENT}.")
    kind = str(document.get("predicateType"))
    predicate = document.get("predicate")
    version = predicate.get("version") if isinstance(predicate, dict) else None
    is_kin = kind.rpartition(":")[0] == PREDICATE.rpartition(":")[0]
    if is_kin and (kind != PREDICATE or payload_model.is_another_major(version, version=VERSION)):
        raise InvalidFolder("unknown_version", f"The folder is of another version than {VERSION}.")
    if kind != PREDICATE:
        raise InvalidFolder(
            "not_a_folder", f"What was signed is not a {PREDICATE}, but {kind[:80]!r}."
        )
    try:
        statement = payload_model.parse_payload(_ManifestStatement, payload)
    except payload_model.InvalidPayload as wrong:
        raise InvalidFolder("not_a_folder", str(wrong)) from None
    if canonical_json.to_canonical_bytes(document) != payload:
        raise InvalidFolder("not_canonical", "What was signed is not canonical JSON (RFC 8785).")
    digests: dict[str, str] = {}
    for entry in statement.subject:
        _check_path(entry.name)
        if entry.name in digests:
            raise InvalidFolder("not_a_folder", f"{entry.name[:120]!r} was signed twice.")
        digests[entry.name] = entry.digest.sha256
    return digests


def _check_path(path: str) -> None:
    is_plain = path.isprintable() and not set(path) & set('\\:*?"<>|')
    if (
        not is_plain
        or any(segment in ("", ".", "..") for segment in path.split("/"))
        or path == MANIFEST
    ):
        raise InvalidFolder("path_in_name", f"{path[:120]!r} is not a path within a folder.")
