"""Is this bundle what its signers signed? Needs no installation, no database and no Django."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mintmark.signing import bundles, dsse, folder_manifest, key_policy
from mintmark.signing.bundles import Bundle
from mintmark.signing.key_policy import SignerVerdict, TrustRoot
from mintmark.textchecks import hidden_characters

from . import output, vault_files

_KEY_DIGITS = 64
_MAX_KEY_BYTES = 10_000
_MAX_FILES = 100_000
_BYTES_PER_PROMPT = 1_700
_BYTES_PER_VALUE = 28
_SHOWN_HIDDEN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """What was found: a bundle whose signatures hold, and what they are worth under the keys that were given."""

    kind: str
    bundle: Bundle
    verdict: SignerVerdict
    message: str

    @property
    def is_valid(self) -> bool:
        """Whether enough of the given keys signed it."""
        return not self.message


def verify(
    file: Path, *, roots: list[TrustRoot], threshold: int, max_bytes: int
) -> VerificationResult:
    """Verify a bundle's file, or the folder that one was written as; whatever refuses it is a `DomainError`."""
    limits = replace(
        bundles.LIMITS,
        size=max_bytes,
        values=max(bundles.LIMITS.values, max_bytes // _BYTES_PER_VALUE),
    )
    max_prompts = max(bundles.MAX_PROMPTS, max_bytes // _BYTES_PER_PROMPT)
    if file.is_dir():
        files = _read_files(file, max_bytes=max_bytes)
        key_ids = folder_manifest.verify(files, bundle_limits=limits, max_prompts=max_prompts)
        bundle = bundles.verify(
            files[folder_manifest.BUNDLE], limits=limits, max_prompts=max_prompts
        ).bundle
    else:
        verified = bundles.verify(
            vault_files.read_path(file, max_bytes=max_bytes), limits=limits, max_prompts=max_prompts
        )
        key_ids, bundle = verified.key_ids, verified.bundle
    verdict = key_policy.evaluate_signers(
        key_ids=key_ids, roots=roots, threshold=threshold, now=datetime.now(UTC)
    )
    if not roots:
        message = "State which keys should have signed it: repeat this with --key."
    elif not verdict.is_known:
        message = "None of the keys that were given signed it."
    else:
        message = ""
    return VerificationResult(
        kind="folder" if file.is_dir() else "bundle",
        bundle=bundle,
        verdict=verdict,
        message=message,
    )


def build_document(checked: VerificationResult) -> dict[str, Any]:
    """What was found, as JSON holds it."""
    bundle = checked.bundle
    return {
        "holds": checked.is_valid,
        "message": checked.message,
        "kind": checked.kind,
        "signed_by": [
            *({"key_id": root.key_id, "trusted": True} for root in checked.verdict.trusted),
            *({"key_id": key_id, "trusted": False} for key_id in checked.verdict.unknown),
        ],
        **bundle.model_dump(
            mode="json", include={"version", "purpose", "prompt_set", "issuer", "as_of", "receipt"}
        ),
        "prompts": [
            {
                **prompt.model_dump(
                    mode="json", include={"name", "digest", "licence", "rights", "author"}
                ),
                "trust": prompt.reputation.trust_ppm / bundles.MILLION,
                "outcomes": prompt.reputation.outcomes,
                "hidden": [
                    {
                        "name": character.name, "code_point": character.code_point, "line": character.line,
                        "column": character.column,
                    }
                    for character in hidden_characters.find_hidden(prompt.text)
                ],
            }
            for prompt in bundle.prompts
        ],
    }  # fmt: skip


def print_result(checked: VerificationResult) -> None:
    bundle = checked.bundle
    click.echo(
        f"Every signature holds, and every text is the one that was signed ({checked.kind})."
    )
    for root in checked.verdict.trusted:
        click.echo(f"  signed by {root.key_id}, which you trust")
    for key_id in checked.verdict.unknown:
        click.echo(f"  signed by {key_id}, which was not given as trusted")
    issuer = bundle.issuer
    issuer_name = f"{output.escape_unprintable(issuer.name)} ({issuer.installation})"
    click.echo(
        f"It says that {issuer_name} issued it for team {output.escape_unprintable(issuer.team)}, as of {bundle.as_of}."
    )
    title = bundle.prompt_set.title or bundle.prompt_set.name
    click.echo(
        f"{'A receipt' if bundle.receipt else 'An export'}: {output.escape_unprintable(title)}"
    )
    if (receipt := bundle.receipt) is not None:
        click.echo(
            f"  bought by {output.escape_unprintable(receipt.buyer)} for team "
            f"{output.escape_unprintable(receipt.team)} on {receipt.bought_at} for "
            f"{output.format_exact(receipt.price_micro)} credits (transfer {receipt.transfer})"
        )
    output.print_table(
        columns=["prompt", "sha256", "licence", "rights", "trust", "outcomes"],
        rows=[
            [
                prompt.name,
                prompt.digest,
                output.escape_unprintable(prompt.licence),
                prompt.rights.replace("_", " "),
                f"{prompt.reputation.trust_ppm / bundles.MILLION:.3f}",
                f"{prompt.reputation.outcomes:,}",
            ]
            for prompt in bundle.prompts
        ],
        right=["trust", "outcomes"],
        empty="",
    )
    for prompt in bundle.prompts:
        characters = hidden_characters.find_hidden(prompt.text)
        for character in characters[:_SHOWN_HIDDEN]:
            click.echo(
                f"! {prompt.name} hides {character.name} (U+{character.code_point:04X}) at line {character.line}, "
                f"column {character.column}",
                err=True,
            )
        if len(characters) > _SHOWN_HIDDEN:
            hidden_count = len(characters) - _SHOWN_HIDDEN
            click.echo(
                f"! {prompt.name} hides {hidden_count} more; --json lists them all", err=True
            )
    if checked.message:
        click.echo(checked.message, err=True)


def read_root(name: str) -> TrustRoot:
    """A key that is trusted for this call: 64 hex digits, or a file that holds one."""
    if len(name) == _KEY_DIGITS and not os.path.exists(name):
        raw = name.lower().encode()
    else:
        raw = vault_files.read_path(Path(name), max_bytes=_MAX_KEY_BYTES)
    key_id = dsse.get_key_id(dsse.read_public_key(raw))
    return TrustRoot(key_id=key_id, name=name, expires_at=None, revoked_at=None)


def _read_files(folder: Path, *, max_bytes: int) -> dict[str, bytes]:
    """Every file in a folder by its path; a link is refused, as it may lead out."""
    files: dict[str, bytes] = {}
    room = 2 * max_bytes  # the bundle, and the texts once more
    for at, below, names in os.walk(folder):
        for name in (*below, *names):
            path = Path(at, name)
            relative_path = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise vault_files.UnreadableBundle(
                    f"{relative_path!r} is neither a file nor a folder: remove it."
                )
            if path.is_dir():
                continue
            files[relative_path] = vault_files.read_path(path, max_bytes=room)
            room -= len(files[relative_path])
            if room < 0 or len(files) > _MAX_FILES:
                raise vault_files.UnreadableBundle(
                    f"{str(folder)!r} holds more than a bundle of {max_bytes:,} bytes can: see --max-bytes."
                )
    return files
