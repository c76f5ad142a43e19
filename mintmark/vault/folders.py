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
from mintmark.core import folders
from mintmark.core.bundles import Bundle, Prompt
from mintmark.core.folders import Kind

from . import keys, vaults
from .models import PromptMarketplaceVault

_SLUG_LENGTH = 48
_DESCRIPTION_LENGTH = 1_024
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def as_files(
    vault: PromptMarketplaceVault, *, kind: Kind, by: Iterable[Ed25519PrivateKey]
) -> dict[str, bytes]:
    """The files of a vault by path, each prompt in one of its own: `skills/NAME/SKILL.md` or `prompts/NAME.prompt`,
    YAML front matter and then the text, byte for byte; `bundle.json`; and what signs them all.

    Names are of a-z, 0-9 and hyphens, so that every file system takes them. `core.folders.check` verifies it.
    """
    files = _texts(vaults.opened(vault).bundle, kind=kind)
    return folders.sealed({**files, folders.BUNDLE: vaults.file_of(vault)}, kind=kind, keys=by)


def handed_out(
    *, caller: Caller, vault: PromptMarketplaceVault, kind: Kind, now: datetime
) -> bytes:
    """The folder of a vault for a caller, as a zip (the same files give the same bytes), under the conditions of
    `vaults.handed_out`. What came from elsewhere is signed by the team, which vouches for it: that takes a keeper of
    its keys."""
    vaults.handed_out(caller=caller, vault=vault)
    if vault.purpose == PromptMarketplaceVault.Purpose.IMPORT:
        keys.require_keeper(caller, vault.team)
    is_receipt = vault.purpose == PromptMarketplaceVault.Purpose.RECEIPT
    signing = keys.signing(team=None if is_receipt else vault.team, now=now)
    return _zipped(as_files(vault, kind=kind, by=signing))


def slugs(prompts: Sequence[Prompt]) -> list[str]:
    """A name for each prompt's file, none twice: of its reference, with digits of its hash where two would be one."""
    plain = [_slug(prompt.name) for prompt in prompts]
    shared = Counter(plain)
    return [
        slug
        if shared[slug] == 1
        else f"{slug}-{hashlib.sha256(prompt.name.encode()).hexdigest()[:12]}"
        for slug, prompt in zip(plain, prompts, strict=True)
    ]


def _zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, date_time=_EARLIEST)
            archive.writestr(entry, files[path], compress_type=zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _texts(bundle: Bundle, *, kind: Kind) -> dict[str, bytes]:
    files = {}
    for slug, prompt in zip(slugs(bundle.prompts), bundle.prompts, strict=True):
        if kind == "skill":
            path, front = f"skills/{slug}/SKILL.md", _skill(prompt, slug=slug, bundle=bundle)
        else:
            path, front = f"prompts/{slug}.prompt", _dotprompt(prompt, bundle=bundle)
        files[path] = f"---\n{front}---\n{prompt.text}".encode()
    return files


def _slug(reference: str) -> str:
    line, _, revision = reference.rpartition("@")
    ascii_ = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_)[:_SLUG_LENGTH].strip("-")
    return f"{words}-{revision}"


def _skill(prompt: Prompt, *, slug: str, bundle: Bundle) -> str:
    return _yaml(
        {
            "name": slug,
            "description": _description(prompt),
            "license": prompt.licence,
            "metadata": {name: str(value) for name, value in _metadata(prompt, bundle).items()},
        }
    )


def _dotprompt(prompt: Prompt, *, bundle: Bundle) -> str:
    front: dict[str, Any] = {"description": _description(prompt)}
    if prompt.variables:
        front["input"] = {"schema": dict.fromkeys(prompt.variables, "string")}
    return _yaml(front | {"metadata": _metadata(prompt, bundle)})


def _description(prompt: Prompt) -> str:
    """One line, without the angle brackets that readers of skills refuse."""
    text = f"{prompt.title or prompt.name} ({prompt.name})" if prompt.title else prompt.name
    words = " ".join(re.sub(r"[<>]", " ", text).split())
    return words[:_DESCRIPTION_LENGTH]


def _metadata(prompt: Prompt, bundle: Bundle) -> dict[str, Any]:
    told = prompt.reputation
    return {
        "mintmark_reference": prompt.name,
        "mintmark_digest": f"sha256:{prompt.digest}",
        "mintmark_author": prompt.author,
        "mintmark_licence": prompt.licence,
        "mintmark_issuer": bundle.issuer.name,
        "mintmark_trust_ppm": told.trust_ppm,
        "mintmark_trust_low_ppm": told.low_ppm,
        "mintmark_trust_high_ppm": told.high_ppm,
        "mintmark_runs": told.outcomes + told.replays,
    }


def _yaml(values: dict[str, Any], *, indent: str = "") -> str:
    """A mapping as YAML 1.2: keys in place, strings quoted as JSON quotes them, which YAML reads the same."""
    lines = []
    for key, value in values.items():
        name = key if re.fullmatch(r"[a-z_]+", key) else _scalar(key)
        if isinstance(value, dict):
            lines.append(f"{indent}{name}:\n{_yaml(value, indent=indent + '  ')}")
        else:
            lines.append(f"{indent}{name}: {_scalar(value)}\n")
    return "".join(lines)


def _scalar(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return "".join(at if at.isprintable() else _escaped(at) for at in text)


def _escaped(character: str) -> str:
    """As YAML writes what is not printable: JSON would write half a surrogate pair twice, which YAML does not join."""
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
