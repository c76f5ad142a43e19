"""`mintmark vault verify`: is this file what its signers told? Needs no installation, no database and no Django."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mintmark.core import bundles, dsse, errors, folders, trust_roots, unicode
from mintmark.core.bundles import Bundle
from mintmark.core.trust_roots import Root, Verdict

from . import exits, output

_KEY_DIGITS = 64
_MOST_KEY_BYTES = 10_000
_MOST_FILES = 100_000
_BYTES_A_PROMPT = 1_700
_BYTES_A_VALUE = 28
_SHOWN_HIDDEN = 5


class UnreadableBundle(errors.Refusal):
    """The file or folder to verify, or a key, can't be read."""

    code = "unreadable_bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found: a bundle whose signatures hold, and what they are worth under the keys that were given."""

    kind: str
    bundle: Bundle
    verdict: Verdict
    says: str

    @property
    def holds(self) -> bool:
        """Whether enough of the given keys signed it."""
        return not self.says


@click.command()
@click.argument("file", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "names",
    multiple=True,
    metavar="KEY",
    help="A key that you trust: 64 hex digits, or a file with them or with the public key in PEM. Repeat for several.",
)
@click.option(
    "--threshold",
    type=click.IntRange(1, dsse.MOST_SIGNATURES),
    default=1,
    show_default=True,
    help="How many of these keys must have signed it.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=bundles.LIMITS.size,
    show_default=True,
    help="The largest bundle that is read.",
)
@output.json_option
@click.pass_context
def verify(
    context: click.Context,
    *,
    file: Path,
    names: tuple[str, ...],
    threshold: int,
    max_bytes: int,
    as_json: bool,
) -> None:
    """Check a bundle, or the folder that one was written as, against keys that you trust.

    Works anywhere: it asks no server, no database and no network. The exit code is 0 only if nothing was changed and
    as many of the given keys as --threshold says signed it; 1 if not, and 2 if something can't be read.
    """
    roots = [_root(name) for name in names]
    if roots and threshold > len({root.key_id for root in roots}):
        raise click.BadParameter(
            f"it takes {threshold} keys to reach, and {len(roots)} were given",
            param_hint="--threshold",
        )
    try:
        checked = _checked(file, roots=roots, threshold=threshold, max_bytes=max_bytes)
    except UnreadableBundle:
        raise
    except errors.Refusal as refusal:
        output.print_refusal(refusal, context=context)
        context.exit(exits.PROBLEM)
    if as_json:
        output.print_json(document(checked))
    else:
        _print(checked)
    if not checked.holds:
        context.exit(exits.PROBLEM)


def _checked(file: Path, *, roots: list[Root], threshold: int, max_bytes: int) -> Checked:
    limits = replace(
        bundles.LIMITS,
        size=max_bytes,
        values=max(bundles.LIMITS.values, max_bytes // _BYTES_A_VALUE),
    )
    most_prompts = max(bundles.MOST_PROMPTS, max_bytes // _BYTES_A_PROMPT)
    if file.is_dir():
        files = _files(file, max_bytes=max_bytes)
        key_ids = folders.check(files, bundle_limits=limits, most_prompts=most_prompts)
        bundle = bundles.opened(
            files[folders.BUNDLE], limits=limits, most_prompts=most_prompts
        ).bundle
    else:
        opened = bundles.opened(
            read(file, most=max_bytes), limits=limits, most_prompts=most_prompts
        )
        key_ids, bundle = opened.key_ids, opened.bundle
    verdict = trust_roots.judge(
        key_ids=key_ids, roots=roots, threshold=threshold, now=datetime.now(UTC)
    )
    if not roots:
        says = "By whom it should be signed is for you to say: repeat this with --key."
    elif not verdict.is_known:
        says = "None of the keys that were given signed it."
    else:
        says = ""
    return Checked(
        kind="folder" if file.is_dir() else "bundle", bundle=bundle, verdict=verdict, says=says
    )


def document(checked: Checked) -> dict[str, Any]:
    """What was found, as JSON holds it."""
    bundle = checked.bundle
    return {
        "holds": checked.holds,
        "says": checked.says,
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
                    {"name": place.name, "code_point": place.code_point, "line": place.line, "column": place.column}
                    for place in unicode.hidden(prompt.text)
                ],
            }
            for prompt in bundle.prompts
        ],
    }  # fmt: skip


def _print(checked: Checked) -> None:
    bundle = checked.bundle
    click.echo(
        f"Every signature holds, and every text is the one that was signed ({checked.kind})."
    )
    for root in checked.verdict.trusted:
        click.echo(f"  signed by {root.key_id}, which you trust")
    for key_id in checked.verdict.unknown:
        click.echo(f"  signed by {key_id}, which was not given as trusted")
    issuer = bundle.issuer
    who = f"{output.inert(issuer.name)} ({issuer.installation})"
    click.echo(
        f"It says that {who} issued it for team {output.inert(issuer.team)}, as of {bundle.as_of}."
    )
    title = bundle.prompt_set.title or bundle.prompt_set.name
    click.echo(f"{'A receipt' if bundle.receipt else 'An export'}: {output.inert(title)}")
    if (paid := bundle.receipt) is not None:
        click.echo(
            f"  bought by {output.inert(paid.buyer)} for team {output.inert(paid.team)} on {paid.bought_at} for "
            f"{output.exact(paid.price_micro)} tokens (transfer {paid.transfer})"
        )
    output.print_table(
        columns=["prompt", "sha256", "licence", "told by", "trust", "outcomes"],
        rows=[
            [
                prompt.name,
                prompt.digest,
                output.inert(prompt.licence),
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
        places = unicode.hidden(prompt.text)
        for place in places[:_SHOWN_HIDDEN]:
            click.echo(
                f"! {prompt.name} hides {place.name} (U+{place.code_point:04X}) at line {place.line}, "
                f"column {place.column}",
                err=True,
            )
        if len(places) > _SHOWN_HIDDEN:
            more = len(places) - _SHOWN_HIDDEN
            click.echo(f"! {prompt.name} hides {more} more; --json lists them all", err=True)
    if checked.says:
        click.echo(checked.says, err=True)


def _root(name: str) -> Root:
    """A key that is trusted for this call: 64 hex digits, or a file that holds one."""
    if len(name) == _KEY_DIGITS and not os.path.exists(name):
        raw = name.lower().encode()
    else:
        raw = read(Path(name), most=_MOST_KEY_BYTES)
    key_id = dsse.key_id(dsse.read_public_key(raw))
    return Root(key_id=key_id, name=name, expires_at=None, revoked_at=None)


def read(file: Path, *, most: int) -> bytes:
    """The content of a file, and of a longer one one byte more than `most`."""
    try:
        with file.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as failed:
        raise UnreadableBundle(f"{str(file)!r} can't be read: {failed.strerror}.") from failed


def _files(folder: Path, *, max_bytes: int) -> dict[str, bytes]:
    """Every file in a folder by its path; a link is refused, as it may lead out."""
    found: dict[str, bytes] = {}
    room = 2 * max_bytes  # the bundle, and the texts once more
    for at, below, names in os.walk(folder):
        for name in (*below, *names):
            path = Path(at, name)
            shown = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise UnreadableBundle(f"{shown!r} is no file and no folder: take it out.")
            if path.is_dir():
                continue
            found[shown] = read(path, most=room)
            room -= len(found[shown])
            if room < 0 or len(found) > _MOST_FILES:
                raise UnreadableBundle(
                    f"{str(folder)!r} holds more than a bundle of {max_bytes:,} bytes can: see --max-bytes."
                )
    return found
