"""Bundles as folders: one `SKILL.md` or one `.prompt` file a prompt, the bundle itself, and a detached signature."""

import hashlib
import io
import json
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mintmark.accounts.callers import Caller
from mintmark.signing import folder_manifest
from mintmark.signing.bundles import Bundle, BundledPrompt
from mintmark.signing.folder_manifest import FolderKind

from . import bundle_store, keys
from .models import PromptMarketplaceVault

_MAX_SLUG_LENGTH = 48
_MAX_DESCRIPTION_LENGTH = 1_024
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def build_files(
    vault: PromptMarketplaceVault, *, kind: FolderKind, signing_keys: Iterable[Ed25519PrivateKey]
) -> dict[str, bytes]:
    """The files of a vault by path, each prompt in one of its own: `skills/NAME/SKILL.md` or `prompts/NAME.prompt`,
    YAML front matter and then the text, byte for byte; `bundle.json`; and what signs them all.

    Names are of a-z, 0-9 and hyphens, so that every file system takes them. `core.folders.check` verifies it.
    """
    files = _build_prompt_files(bundle_store.load_verified(vault).bundle, kind=kind)
    return folder_manifest.sign(
        {**files, folder_manifest.BUNDLE: bundle_store.get_raw_file(vault)},
        kind=kind,
        keys=signing_keys,
    )


def export_folder(
    *, caller: Caller, vault: PromptMarketplaceVault, kind: FolderKind, now: datetime
) -> bytes:
    """The folder of a vault for a caller, as a zip (the same files give the same bytes), under the conditions of
    `vaults.handed_out`. What came from elsewhere is signed by the team, which vouches for it: that takes a keeper of
    its keys."""
    bundle_store.get_downloadable_file(caller=caller, vault=vault)
    if vault.purpose == PromptMarketplaceVault.Purpose.IMPORT:
        keys.require_keeper(caller, vault.team)
    is_receipt = vault.purpose == PromptMarketplaceVault.Purpose.RECEIPT
    signing_keys = keys.get_signing_keys(team=None if is_receipt else vault.team, now=now)
    return _zip_files(build_files(vault, kind=kind, signing_keys=signing_keys))


def build_slugs(prompts: Sequence[BundledPrompt]) -> list[str]:
    """A name for each prompt's file, none twice: of its reference, with digits of its hash where two would be one."""
    plain = [_build_slug(prompt.name) for prompt in prompts]
    shared = Counter(plain)
    return [
        slug
        if shared[slug] == 1
        else f"{slug}-{hashlib.sha256(prompt.name.encode()).hexdigest()[:12]}"
        for slug, prompt in zip(plain, prompts, strict=True)
    ]


def _zip_files(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, date_time=_ZIP_DATE)
            archive.writestr(entry, files[path], compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _build_prompt_files(bundle: Bundle, *, kind: FolderKind) -> dict[str, bytes]:
    files = {}
    for slug, prompt in zip(build_slugs(bundle.prompts), bundle.prompts, strict=True):
        if kind == "skill":
            path, front = (
                f"skills/{slug}/SKILL.md",
                _build_skill_header(prompt, slug=slug, bundle=bundle),
            )
        else:
            path, front = f"prompts/{slug}.prompt", _build_dotprompt_header(prompt, bundle=bundle)
        files[path] = f"---\n{front}---\n{prompt.text}".encode()
    return files


def _build_slug(reference: str) -> str:
    prompt_name, _, revision = reference.rpartition("@")
    ascii_ = unicodedata.normalize("NFKD", prompt_name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_)[:_MAX_SLUG_LENGTH].strip("-")
    return f"{slug}-{revision}"


def _build_skill_header(prompt: BundledPrompt, *, slug: str, bundle: Bundle) -> str:
    return _format_yaml(
        {
            "name": slug,
            "description": _build_description(prompt),
            "license": prompt.licence,
            "metadata": {
                name: str(value) for name, value in _build_metadata(prompt, bundle).items()
            },
        }
    )


def _build_dotprompt_header(prompt: BundledPrompt, *, bundle: Bundle) -> str:
    front: dict[str, Any] = {"description": _build_description(prompt)}
    if prompt.variables:
        front["input"] = {"schema": dict.fromkeys(prompt.variables, "string")}
    return _format_yaml(front | {"metadata": _build_metadata(prompt, bundle)})


def _build_description(prompt: BundledPrompt) -> str:
    """One line, without the angle brackets that readers of skills refuse."""
    text = f"{prompt.title or prompt.name} ({prompt.name})" if prompt.title else prompt.name
    description = " ".join(re.sub(r"[<>]", " ", text).split())
    return description[:_MAX_DESCRIPTION_LENGTH]


def _build_metadata(prompt: BundledPrompt, bundle: Bundle) -> dict[str, Any]:
    reputation = prompt.reputation
    return {
        "mintmark_reference": prompt.name,
        "mintmark_digest": f"sha256:{prompt.digest}",
        "mintmark_author": prompt.author,
        "mintmark_licence": prompt.licence,
        "mintmark_issuer": bundle.issuer.name,
        "mintmark_trust_ppm": reputation.trust_ppm,
        "mintmark_trust_low_ppm": reputation.low_ppm,
        "mintmark_trust_high_ppm": reputation.high_ppm,
        "mintmark_runs": reputation.outcomes + reputation.replays,
    }


def _format_yaml(values: dict[str, Any], *, indent: str = "") -> str:
    """A mapping as YAML 1.2: keys in place, strings quoted as JSON quotes them, which YAML reads the same."""
    lines = []
    for key, value in values.items():
        name = key if re.fullmatch(r"[a-z_]+", key) else _format_scalar(key)
        if isinstance(value, dict):
            lines.append(f"{indent}{name}:\n{_format_yaml(value, indent=indent + '  ')}")
        else:
            lines.append(f"{indent}{name}: {_format_scalar(value)}\n")
    return "".join(lines)


def _format_scalar(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return "".join(
        character if character.isprintable() else _escape_character(character) for character in text
    )


def _escape_character(character: str) -> str:
    """As YAML writes what is not printable: JSON would write half a surrogate pair twice, which YAML does not join."""
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
