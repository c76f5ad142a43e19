"""`mintmark replay`."""

from datetime import UTC, datetime

import click

from . import exits, installation, output


@click.command()
@click.option("--check", is_flag=True, help="Change nothing: compare with what is stored.")
@output.json_option
@click.pass_context
def replay(context: click.Context, *, check: bool, as_json: bool) -> None:
    """Fold the whole log anew, or check that it gives the same bits.

    The policy is the one in force. With --check the result is compared, bit for bit, with what is
    stored; the exit code is 1 where they differ. Without it the result takes the place of what is
    stored.
    """
    installation.open_database()
    if check:
        _check(context, as_json=as_json)
    else:
        _rebuild(as_json=as_json)


def _check(context: click.Context, *, as_json: bool) -> None:
    from mintmark.trust import replay as replays

    compared = replays.check(progress=lambda events: output.step(f"folded {events:,} events"))
    if as_json:
        output.print_json(
            {
                "equal": compared.equal,
                "policy": compared.policy,
                "events": compared.events,
                "compared": compared.compared,
                "different": compared.different,
                "differences": [
                    dict(zip(("table", "row", "stored", "replayed"), found, strict=True))
                    for found in compared.differences
                ],
            }
        )
    else:
        rows = sum(compared.compared.values())
        output.say(
            f"{compared.events:,} events folded under policy v{compared.policy}, "
            f"{rows:,} rows compared: "
            + ("equal to the last bit." if compared.equal else f"{compared.different:,} differ.")
        )
        for table, row, stored, replayed in compared.differences:
            click.echo(
                f"  {table} {row}:\n    stored   {stored}\n    replayed {replayed}", err=True
            )
    if not compared.equal:
        context.exit(exits.PROBLEM)


def _rebuild(*, as_json: bool) -> None:
    from mintmark.reputation import policies
    from mintmark.trust import replay as replays

    policy = policies.in_force()
    folded = replays.rebuild(
        policy=policy,
        now=datetime.now(UTC),
        progress=lambda events: output.step(f"folded {events:,} events"),
    )
    if as_json:
        output.print_json({"policy": policy.version, "folded": folded})
    else:
        output.say(f"{folded:,} events folded anew under policy v{policy.version}.")
