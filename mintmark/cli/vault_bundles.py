"""`mintmark vault export`, `receipt`, `list`, `show` and `countersign`: the bundles that are kept here."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import errors

from . import bootstrap, import_display, output, resolve, vault_files

if TYPE_CHECKING:
    from mintmark.vault.models import PromptMarketplaceVault

_FOLDERS = ("skill", "dotprompt")
_PURPOSES = ("export", "receipt", "import")
_DIGITS_SHOWN = 16


def _add_file_options[F: Callable[..., Any]](command: F) -> F:
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
@click.option("--team", required=True, help="The team that exports them.")
@click.option(
    "--name", default="", help="What the bundle is called. [default: as the set, or the prompt]"
)
@click.option("--title", default="", help="Its title.")
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--events", is_flag=True, help="Include each piece of evidence as well, pseudonymised."
)
@click.option("--assistant", help="The assistant of the team whose bundle it is.")
@_add_file_options
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
    bootstrap.open_database()
    from mintmark.market import prompt_sets
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.registry import assistants, prompts

    chosen_prompts = [
        prompts.resolve(reference=reference) for reference in what if "/" in reference
    ]
    sets = [
        prompt_sets.get_prompt_set(reference=reference)
        for reference in what
        if "/" not in reference
    ]
    if len(sets) > 1:
        raise click.BadParameter(
            f"{len(sets)} sets were named; a bundle takes one", param_hint="SET"
        )
    output.print_step("Telling and signing")
    vault = SymbolicPromptTokenMarketplace().export_bundle(
        caller=resolve.resolve_caller(),
        team=resolve.resolve_team(name=team),
        prompts=chosen_prompts,
        prompt_set=sets[0] if sets else None,
        name=name,
        title=title,
        description=description,
        with_events=events,
        owner_assistant=assistants.resolve(reference=assistant) if assistant is not None else None,
        now=datetime.now(UTC),
    )
    _write_bundle(vault, target=target, folder=folder, as_json=as_json)


@click.command()
@click.argument("transfer", type=click.IntRange(1))
@_add_file_options
@output.json_option
def receipt(*, transfer: int, target: str | None, folder: str | None, as_json: bool) -> None:
    """Get the signed bundle of what was bought in TRANSFER.

    `mintmark market orders` shows the transfers. It is made when it is first asked for.
    """
    _check_target(target, folder=folder, as_json=as_json)
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    vault = SymbolicPromptTokenMarketplace().get_or_issue_receipt(
        caller=resolve.resolve_caller(), transfer=transfer, now=datetime.now(UTC)
    )
    if vault is None:
        raise errors.NotFound(
            f"Nothing of purchase {transfer} may be used any more, so there is no bundle of it."
        )
    _write_bundle(vault, target=target, folder=folder, as_json=as_json)


@click.command(name="list")
@click.option("--purpose", type=click.Choice(_PURPOSES), help="Those for this alone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@output.json_option
def list_(*, purpose: str | None, limit: int, as_json: bool) -> None:
    """List the bundles that are kept here, and the files that wait.

    Newest first. What waits is in quarantine until somebody accepts or refuses it.
    """
    bootstrap.open_database()
    from django.db.models import Count

    from mintmark.vault import bundle_store, quarantine
    from mintmark.vault.models import BundleImport

    caller = resolve.resolve_caller()
    vault_rows = bundle_store.visible_to(caller=caller).defer("symbolic_signature", "exported_json")
    if purpose is not None:
        vault_rows = vault_rows.filter(purpose=purpose)
    rows = [
        _build_document(row) | {"prompts": row.n}
        for row in vault_rows.annotate(n=Count("prompt_set"))[:limit]
    ]
    import_rows = quarantine.visible_to(caller=caller).filter(state=BundleImport.State.WAITING)
    waiting = [import_display.build_document(row) for row in import_rows.defer("envelope")[:limit]]
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
                output.escape_unprintable(row["name"]),
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
        output.print_message(
            f"Import {row['id']} ({row['size']:,} bytes for team {row['team']}, imported by {row['brought_by']}) waits "
            f"with {len(row['findings'])} findings: `mintmark vault show --import {row['id']}`."
        )


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@click.option("--import", "is_import", is_flag=True, help="ID is that of an imported file.")
@click.option(
    "--texts", is_flag=True, help="With --import: show each text, what is hidden made visible."
)
@_add_file_options
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
    """Show a bundle, or (--import) a file that was imported.

    With -o the bundle's file is written, byte for byte as it was signed.
    """
    if is_import and (target or folder):
        raise click.BadParameter("a file that waits is not given out", param_hint="--output")
    if texts and not is_import:
        raise click.BadParameter("texts are shown with --import", param_hint="--texts")
    _check_target(target, folder=folder, as_json=as_json)
    bootstrap.open_database()
    if is_import:
        import_display.show_import(number, with_texts=texts, as_json=as_json)
        return
    from mintmark.vault import bundle_store

    vault = bundle_store.get_vault(caller=resolve.resolve_caller(), pk=number)
    _write_bundle(vault, target=target, folder=folder, as_json=as_json)


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
    """Add your own signature to a bundle: vouch for it.

    It takes a FILE, or the ID of a bundle that is kept here, which somebody has signed who is trusted
    here.
    """
    _check_target(target, folder=None, as_json=as_json)
    bootstrap.open_database()
    from django.conf import settings

    from mintmark.signing import bundles
    from mintmark.vault import bundle_store, inspection

    caller = resolve.resolve_caller()
    raw = bundle_store.countersign(
        caller=caller,
        vault_or_raw=bundle_store.get_vault(caller=caller, pk=int(bundle))
        if bundle.isascii() and bundle.isdigit() and len(bundle) < 19
        else vault_files.read_file(bundle, max_bytes=settings.VAULT_MAX_BYTES),
        team=resolve.resolve_team(name=team) if team is not None else None,
        now=datetime.now(UTC),
    )
    vault_files.write_file(target, raw)
    key_ids = bundles.verify(raw, limits=bundle_store.get_limits()).key_ids
    signers = import_display.build_signers(inspection.find_signers(key_ids))
    if as_json:
        output.print_json({"file": target, "bytes": len(raw), "signed_by": signers})
        return
    output.print_message(
        f"{len(signers)} keys have signed {target} now.", as_json=target == vault_files.STREAM
    )


def _check_target(target: str | None, *, folder: str | None, as_json: bool) -> None:
    if target == vault_files.STREAM and (as_json or folder):
        raise click.BadParameter(
            "standard output takes one thing: name a file", param_hint="--output"
        )
    if folder and target is None:
        raise click.BadParameter("name the folder to make in --output", param_hint="--folder")


def _write_bundle(
    vault: "PromptMarketplaceVault", *, target: str | None, folder: str | None, as_json: bool
) -> None:
    """Write a bundle where it was asked for, and say what it is."""
    from mintmark.vault import bundle_store, folder_export, inspection, keys

    caller = resolve.resolve_caller()
    raw = bundle_store.get_downloadable_file(caller=caller, vault=vault)
    if target is not None and folder is not None:
        signs = vault.team if vault.purpose != vault.Purpose.RECEIPT else None
        own = keys.get_signing_keys(team=signs, now=datetime.now(UTC))
        vault_files.write_folder(
            target,
            folder_export.build_files(
                vault, kind="skill" if folder == "skill" else "dotprompt", signing_keys=own
            ),
        )
    elif target is not None:
        vault_files.write_file(target, raw)
    signers = import_display.build_signers(
        inspection.find_signers(bundle_store.verify_vault(vault))
    )
    references = [
        prompt.reference for prompt in vault.prompt_set.defer("text", "wording").order_by("id")
    ]
    if as_json:
        output.print_json(
            _build_document(vault)
            | {"prompts": references, "signed_by": signers, "bytes": len(raw), "file": target}
        )
        return
    aside = target == vault_files.STREAM
    title = output.escape_unprintable(vault.name)
    output.print_message(
        f"Bundle {vault.pk}, {title} ({vault.purpose}, team {vault.team}): {len(references)} prompts, {len(raw):,} "
        f"bytes, sha256 {vault.digest}",
        as_json=aside,
    )
    for signer in signers:
        output.print_message(f"signed by {import_display.describe_signer(signer)}", as_json=aside)
    if not aside:
        for reference in references:
            click.echo(f"  {output.escape_unprintable(reference)}")
    if target is None:
        output.print_message(
            f"`mintmark vault show {vault.pk} -o FILE` writes its file.", as_json=aside
        )
    elif not aside:
        output.print_message(f"Written to {target}.")


def _build_document(vault: "PromptMarketplaceVault") -> dict[str, Any]:
    return {
        "id": vault.pk,
        "name": vault.name,
        "purpose": vault.purpose,
        "digest": vault.digest,
        "team": vault.team.name,
        "made_by": vault.made_by.name if vault.made_by is not None else None,
        "transfer": vault.receipt_of_id,
        "created_at": vault.created_at,
    }
