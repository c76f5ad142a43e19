"""`mintmark replay`."""

from datetime import UTC, datetime

import click

from . import bootstrap, exit_codes, output


@click.command()
@click.option("--check", is_flag=True, help="Change nothing: compare with what is stored.")
@output.json_option
@click.pass_context
def replay(context: click.Context, *, check: bool, as_json: bool) -> None:
    """Rebuild all scores from the log, or check that this gives the same bits.

    The policy is the one in force. With --check the result is compared, bit for bit, with what is
    stored; the exit code is 1 where they differ. Without it the result takes the place of what is
    stored.
    """
    bootstrap.open_database()
    if check:
        _check(context, as_json=as_json)
    else:
        _rebuild(as_json=as_json)


def _check(context: click.Context, *, as_json: bool) -> None:
    from mintmark.projection import replay as replays

    compared = replays.check(
        progress=lambda events: output.print_step(f"processed {events:,} events")
    )
    if as_json:
        output.print_json(
            {
                "equal": compared.is_equal,
                "policy": compared.policy,
                "events": compared.events,
                "compared": compared.compared,
                "different": compared.different,
                "differences": [
                    dict(zip(("table", "row", "stored", "replayed"), difference, strict=True))
                    for difference in compared.differences
                ],
            }
        )
    else:
        rows = sum(compared.compared.values())
        output.print_message(
            f"{compared.events:,} events processed under policy v{compared.policy}, "
            f"{rows:,} rows compared: "
            + ("equal to the last bit." if compared.is_equal else f"{compared.different:,} differ.")
        )
        for table, row, stored, replayed in compared.differences:
            click.echo(
                f"  {table} {row}:\n    stored   {stored}\n    replayed {replayed}", err=True
            )
    if not compared.is_equal:
        context.exit(exit_codes.PROBLEM)


def _rebuild(*, as_json: bool) -> None:
    from mintmark.projection import policies
    from mintmark.projection import replay as replays

    policy = policies.get_current()
    folded = replays.rebuild(
        policy=policy,
        now=datetime.now(UTC),
        progress=lambda events: output.print_step(f"processed {events:,} events"),
    )
    if as_json:
        output.print_json({"policy": policy.version, "projected": folded})
    else:
        output.print_message(f"{folded:,} events processed again under policy v{policy.version}.")
