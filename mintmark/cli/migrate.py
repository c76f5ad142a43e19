"""`mintmark migrate`."""

import click

from . import exits, installation, output


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if there is something to run.")
@output.json_option
@click.pass_context
def migrate(context: click.Context, *, check: bool, as_json: bool) -> None:
    """Create the database's tables, or bring them up to date."""
    installation.open_settings()
    pending = installation.pending_migrations()
    if not check:
        installation.migrate()
    if as_json:
        output.print_json({"migrations": pending, "run": not check})
    elif not pending:
        output.say("The database is up to date.")
    else:
        done = "must be run" if check else "run"
        output.say(f"{len(pending)} migrations {done}: {', '.join(pending)}")
    if check and pending:
        context.exit(exits.PROBLEM)
