"""`mintmark vault import`, `accept` and `refuse`: files from elsewhere."""

from datetime import UTC, datetime

import click

from . import bootstrap, exit_codes, import_display, output, resolve, vault_files

_RUNS_HELP = "As how many measured runs its reputation counts at most. [default: MINTMARK_IMPORTED_REPUTATION_RUNS]"
_NAMESPACE_HELP = "Put its lines under this namespace."


@click.command(name="import")
@click.argument("file")
@click.option("--team", required=True, help="The team whose prompts they become.")
@click.option(
    "--accept", "at_once", is_flag=True, help="Accept it at once, if nothing needs a look."
)
@click.option("--reason", default="", help="With --accept: why.")
@click.option(
    "--runs", type=click.IntRange(0), help=f"With --accept: {_RUNS_HELP[0].lower()}{_RUNS_HELP[1:]}"
)
@click.option(
    "--namespace", help=f"With --accept: {_NAMESPACE_HELP[0].lower()}{_NAMESPACE_HELP[1:]}"
)
@output.json_option
@click.pass_context
def import_(
    context: click.Context,
    *,
    file: str,
    team: str,
    at_once: bool,
    reason: str,
    runs: int | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Import a bundle's FILE: it is checked, and waits in quarantine.

    Nothing of it is used until it is accepted. With --accept that is done at once where nothing was
    found that somebody should look at first; else it waits. FILE may be - for standard input. The
    exit code is 1 if the file is refused, or was to be accepted and waits.
    """
    if not at_once and (reason or runs is not None or namespace):
        raise click.BadParameter(
            "this is for taking it in: say --accept as well", param_hint="--accept"
        )
    bootstrap.open_database()
    from django.conf import settings

    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.vault import quarantine
    from mintmark.vault.models import BundleImport

    caller, now = resolve.resolve_caller(), datetime.now(UTC)
    raw = vault_files.read_file(file, max_bytes=settings.VAULT_MAX_BYTES)
    output.print_step("Checking")
    row = quarantine.receive_bundle(
        caller=caller, team=resolve.resolve_team(name=team), raw=raw, now=now
    )
    if at_once and row.state == BundleImport.State.WAITING and not row.findings:
        output.print_step("Taking in")
        row = SymbolicPromptTokenMarketplace().accept_bundle(
            caller=caller, bundle_import=row, reason=reason, runs=runs, namespace=namespace, now=now
        )
    if as_json:
        output.print_json(import_display.build_document(row))
    else:
        import_display.print_import(row)
        if row.state == BundleImport.State.WAITING:
            output.print_message(
                f"`mintmark vault show --import {row.pk} --texts` shows it; then `mintmark vault accept` or `refuse`."
            )
    is_done = row.state == (BundleImport.State.ACCEPTED if at_once else BundleImport.State.WAITING)
    if row.state == BundleImport.State.REFUSED or (at_once and not is_done):
        context.exit(exit_codes.PROBLEM)


@click.command()
@click.argument("number", metavar="IMPORT", type=click.IntRange(1))
@click.option(
    "--reason",
    default="",
    help="Why; kept. Needed where an unknown key signed, or a text hides characters.",
)
@click.option("--runs", type=click.IntRange(0), help=_RUNS_HELP)
@click.option("--namespace", help=_NAMESPACE_HELP)
@output.json_option
@click.pass_context
def accept(
    context: click.Context,
    *,
    number: int,
    reason: str,
    runs: int | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Accept what waits in quarantine, all of it or nothing.

    The file is checked again, with the keys as they are trusted now; the exit code is 1 if it is
    refused by that.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.vault import quarantine
    from mintmark.vault.models import BundleImport

    caller = resolve.resolve_caller()
    row = SymbolicPromptTokenMarketplace().accept_bundle(
        caller=caller,
        bundle_import=quarantine.get_import(caller=caller, pk=number),
        reason=reason,
        runs=runs,
        namespace=namespace,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(import_display.build_document(row))
    else:
        import_display.print_import(row)
    if row.state == BundleImport.State.REFUSED:
        context.exit(exit_codes.PROBLEM)


@click.command()
@click.argument("number", metavar="IMPORT", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why; all that is kept of it.")
@output.json_option
def refuse(*, number: int, reason: str, as_json: bool) -> None:
    """Refuse what waits in quarantine; the reason alone is kept."""
    bootstrap.open_database()
    from mintmark.vault import quarantine

    caller = resolve.resolve_caller()
    row = quarantine.refuse_import(
        caller=caller,
        bundle_import=quarantine.get_import(caller=caller, pk=number),
        reason=reason,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(import_display.build_document(row))
    else:
        import_display.print_import(row)
