"""`mintmark vault export`, `receipt`, `list`, `show` and `countersign`: the bundles that are kept here."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.core import errors

from . import holders, installation, output, vault_files, vault_quarantine

if TYPE_CHECKING:
    from mintmark.vault.models import PromptMarketplaceVault

_FOLDERS = ("skill", "dotprompt")
_PURPOSES = ("export", "receipt", "import")
_DIGITS_SHOWN = 16


def _file_options[F: Callable[..., Any]](command: F) -> F:
    """Where a bundle's file is written, and as what."""
    command = click.option(
        "--folder",
        type=click.Choice(_FOLDERS),
        help="Write a folder of SKILL.md or .prompt files, signed as well, instead of the file.",
    )(command)
    return click.option(
        "-o",
        "--output",
        "target",
        metavar="FILE",
        help="Where to write the file (- is standard output), or with --folder which folder to make.",
    )(command)


@click.command()
@click.argument("what", metavar="SET|PROMPT", nargs=-1, required=True)
@click.option("--team", required=True, help="The team that tells them.")
@click.option(
    "--name", default="", help="What the bundle is called. [default: as the set, or the prompt]"
)
@click.option("--title", default="", help="Its title.")
@click.option("--description", default="", help="What it is for.")
@click.option("--events", is_flag=True, help="Tell each piece of evidence as well, pseudonymised.")
@click.option("--assistant", help="The assistant of the team whose bundle it is.")
@_file_options
@output.json_option
def export(
    *,
    what: tuple[str, ...],
    team: str,
    name: str,
    title: str,
    description: str,
    events: bool,
    assistant: str | None,
    target: str | None,
    folder: str | None,
    as_json: bool,
) -> None:
    """Sign a bundle of prompts, or of a set, to carry elsewhere.

    A PROMPT is named namespace/name, with @revision for another than the newest; anything else is the
    name of a SET. Whoever gets the file reads every text in it. The same again, where nothing has
    changed since, is the same bundle, byte for byte.
    """
    _check_target(target, folder=folder, as_json=as_json)
    installation.open_database()
    from mintmark.market import prompt_sets
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.registry import assistants, prompts

    named = [prompts.named(reference=one) for one in what if "/" in one]
    sets = [prompt_sets.named(reference=one) for one in what if "/" not in one]
    if len(sets) > 1:
        raise click.BadParameter(
            f"{len(sets)} sets were named; a bundle takes one", param_hint="SET"
        )
    output.step("Telling and signing")
    made = SymbolicPromptTokenMarketplace().export(
        caller=holders.acting(),
        team=holders.team(name=team),
        prompts=named,
        prompt_set=sets[0] if sets else None,
        name=name,
        title=title,
        description=description,
        with_events=events,
        owner_assistant=assistants.named(reference=assistant) if assistant is not None else None,
        now=datetime.now(UTC),
    )
    _hand_out(made, target=target, folder=folder, as_json=as_json)


@click.command()
@click.argument("transfer", type=click.IntRange(1))
@_file_options
@output.json_option
def receipt(*, transfer: int, target: str | None, folder: str | None, as_json: bool) -> None:
    """Get the signed bundle of what was bought in TRANSFER.

    `mintmark market orders` shows the transfers. It is made when it is first asked for.
    """
    _check_target(target, folder=folder, as_json=as_json)
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    made = SymbolicPromptTokenMarketplace().receipt(
        caller=holders.acting(), transfer=transfer, now=datetime.now(UTC)
    )
    if made is None:
        raise errors.NotFound(
            f"Nothing of purchase {transfer} may be used any more, so there is no bundle of it."
        )
    _hand_out(made, target=target, folder=folder, as_json=as_json)


@click.command(name="list")
@click.option("--purpose", type=click.Choice(_PURPOSES), help="Those for this alone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@output.json_option
def list_(*, purpose: str | None, limit: int, as_json: bool) -> None:
    """List the bundles that are kept here, and the files that wait.

    Newest first. What waits is in quarantine until somebody accepts or refuses it.
    """
    installation.open_database()
    from django.db.models import Count

    from mintmark.vault import imports, vaults
    from mintmark.vault.models import BundleImport

    caller = holders.acting()
    kept = vaults.visible_to(caller=caller).defer("symbolic_signature", "exported_json")
    if purpose is not None:
        kept = kept.filter(purpose=purpose)
    rows = [
        _brief(row) | {"prompts": row.n} for row in kept.annotate(n=Count("prompt_set"))[:limit]
    ]
    asked = imports.visible_to(caller=caller).filter(state=BundleImport.State.WAITING)
    waiting = [vault_quarantine.brief(row) for row in asked.defer("envelope")[:limit]]
    if as_json:
        output.print_json({"bundles": rows, "waiting": waiting})
        return
    output.print_table(
        columns=["id", "when", "for", "name", "prompts", "team", "sha256"],
        rows=[
            [
                row["id"],
                f"{row['created_at']:%Y-%m-%d %H:%M}",
                row["purpose"],
                output.inert(row["name"]),
                row["prompts"],
                row["team"],
                f"{row['digest'][:_DIGITS_SHOWN]}…",
            ]
            for row in rows
        ],
        empty="No bundle is kept here yet: `mintmark vault export` makes one.",
        right=["id", "prompts"],
    )
    for row in waiting:
        output.say(
            f"Import {row['id']} ({row['size']:,} bytes for team {row['team']}, brought by {row['brought_by']}) waits "
            f"with {len(row['findings'])} findings: `mintmark vault show --import {row['id']}`."
        )


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@click.option("--import", "is_import", is_flag=True, help="ID is that of a file that was brought.")
@click.option(
    "--texts", is_flag=True, help="With --import: show each text, what is hidden made visible."
)
@_file_options
@output.json_option
def show(
    *,
    number: int,
    is_import: bool,
    texts: bool,
    target: str | None,
    folder: str | None,
    as_json: bool,
) -> None:
    """Show a bundle, or (--import) a file that was brought.

    With -o the bundle's file is written, byte for byte as it was signed.
    """
    if is_import and (target or folder):
        raise click.BadParameter("a file that waits is not given out", param_hint="--output")
    if texts and not is_import:
        raise click.BadParameter("texts are shown with --import", param_hint="--texts")
    _check_target(target, folder=folder, as_json=as_json)
    installation.open_database()
    if is_import:
        vault_quarantine.show(number, with_texts=texts, as_json=as_json)
        return
    from mintmark.vault import vaults

    found = vaults.named(caller=holders.acting(), pk=number)
    _hand_out(found, target=target, folder=folder, as_json=as_json)


@click.command()
@click.argument("bundle", metavar="FILE|ID")
@click.option("--team", help="The team that vouches as well; without one, the installation alone.")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    required=True,
    help="Where to write the file with the signatures added (- is standard output).",
)
@output.json_option
def countersign(*, bundle: str, team: str | None, target: str, as_json: bool) -> None:
    """Add one's own signature to a bundle: vouch for it.

    It takes a FILE, or the ID of a bundle that is kept here, which somebody has signed who is trusted
    here.
    """
    _check_target(target, folder=None, as_json=as_json)
    installation.open_database()
    from django.conf import settings

    from mintmark.core import bundles
    from mintmark.vault import inspection, vaults

    caller = holders.acting()
    raw = vaults.countersign(
        caller=caller,
        vault_or_raw=vaults.named(caller=caller, pk=int(bundle))
        if bundle.isascii() and bundle.isdigit() and len(bundle) < 19
        else vault_files.read(bundle, most=settings.VAULT_MAX_BYTES),
        team=holders.team(name=team) if team is not None else None,
        now=datetime.now(UTC),
    )
    vault_files.write(target, raw)
    key_ids = bundles.opened(raw, limits=vaults.limits()).key_ids
    signers = vault_quarantine.signers(inspection.signers(key_ids))
    if as_json:
        output.print_json({"file": target, "bytes": len(raw), "signed_by": signers})
        return
    output.say(
        f"{len(signers)} keys have signed {target} now.", as_json=target == vault_files.STREAM
    )


def _check_target(target: str | None, *, folder: str | None, as_json: bool) -> None:
    if target == vault_files.STREAM and (as_json or folder):
        raise click.BadParameter(
            "standard output takes one thing: name a file", param_hint="--output"
        )
    if folder and target is None:
        raise click.BadParameter("name the folder to make in --output", param_hint="--folder")


def _hand_out(
    kept: "PromptMarketplaceVault", *, target: str | None, folder: str | None, as_json: bool
) -> None:
    """Write a bundle where it was asked for, and say what it is."""
    from mintmark.vault import folders, inspection, keys, vaults

    caller = holders.acting()
    raw = vaults.handed_out(caller=caller, vault=kept)
    if target is not None and folder is not None:
        signs = kept.team if kept.purpose != kept.Purpose.RECEIPT else None
        own = keys.signing(team=signs, now=datetime.now(UTC))
        vault_files.write_folder(
            target,
            folders.as_files(kept, kind="skill" if folder == "skill" else "dotprompt", by=own),
        )
    elif target is not None:
        vault_files.write(target, raw)
    signers = vault_quarantine.signers(inspection.signers(vaults.verify(kept)))
    held = [prompt.reference for prompt in kept.prompt_set.defer("text", "wording").order_by("id")]
    if as_json:
        output.print_json(
            _brief(kept)
            | {"prompts": held, "signed_by": signers, "bytes": len(raw), "file": target}
        )
        return
    aside = target == vault_files.STREAM
    what = output.inert(kept.name)
    output.say(
        f"Bundle {kept.pk}, {what} ({kept.purpose}, team {kept.team}): {len(held)} prompts, {len(raw):,} bytes, "
        f"sha256 {kept.digest}",
        as_json=aside,
    )
    for signer in signers:
        output.say(f"signed by {vault_quarantine.named(signer)}", as_json=aside)
    if not aside:
        for reference in held:
            click.echo(f"  {output.inert(reference)}")
    if target is None:
        output.say(f"`mintmark vault show {kept.pk} -o FILE` writes its file.", as_json=aside)
    elif not aside:
        output.say(f"Written to {target}.")


def _brief(kept: "PromptMarketplaceVault") -> dict[str, Any]:
    return {
        "id": kept.pk,
        "name": kept.name,
        "purpose": kept.purpose,
        "digest": kept.digest,
        "team": kept.team.name,
        "made_by": kept.made_by.name if kept.made_by is not None else None,
        "transfer": kept.receipt_of_id,
        "created_at": kept.created_at,
    }
