"""`mintmark migrate`."""

import click

from . import bootstrap, exit_codes, output


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if there is something to run.")
@output.json_option
@click.pass_context
def migrate(context: click.Context, *, check: bool, as_json: bool) -> None:
    """Create the database's tables, or bring them up to date."""
    bootstrap.open_settings()
    pending = bootstrap.list_pending_migrations()
    if not check:
        bootstrap.migrate()
    if as_json:
        output.print_json({"migrations": pending, "run": not check})
    elif not pending:
        output.print_message("The database is up to date.")
    else:
        outcome = "must be run" if check else "run"
        output.print_message(f"{len(pending)} migrations {outcome}: {', '.join(pending)}")
    if check and pending:
        context.exit(exit_codes.PROBLEM)
