"""`mintmark replay`."""

from datetime import UTC, datetime

import click

from . import bootstrap, exit_codes, output


@click.command()
@click.option("--check", is_flag=True, help="Change nothing: compare with what is stored.")
@click.option(
    "--explain-change",
    is_flag=True,
    help="Change nothing: say which scores the last policy or formula changed most, and from which runs they come.",
)
@output.json_option
@click.pass_context
def replay(context: click.Context, *, check: bool, explain_change: bool, as_json: bool) -> None:
    """Rebuild all scores from the log, or check that this gives the same bits.

    The policy is the one in force. With --check the result is compared, bit for bit, with what is
    stored; the exit code is 1 where they differ. Without it the result takes the place of what is
    stored.
    """
    if check and explain_change:
        raise click.UsageError("Give --check or --explain-change, not both.")
    bootstrap.open_database()
    if explain_change:
        _explain_change(as_json=as_json)
    elif check:
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


def _explain_change(*, as_json: bool) -> None:
    from mintmark.reputation import score_changes

    compared = score_changes.explain_change()
    if compared is None:
        if as_json:
            output.print_json({})
        else:
            output.print_message("There was no policy before: nothing to compare.")
        return
    if as_json:
        output.print_json(
            {
                "policy_before": compared.before.version,
                "policy_after": compared.after.version,
                "compared": compared.compared,
                "changed": compared.changed,
                "changes": [
                    {
                        "prompt": change.prompt.reference,
                        "event": change.event,
                        "trust_before": change.before,
                        "trust_after": change.after,
                        "runs": dict(change.runs),
                    }
                    for change in compared.changes
                ],
            }
        )
        return
    output.print_message(
        f"Policy v{compared.before.version} to v{compared.after.version} ({compared.after.note}): "
        f"{compared.changed:,} of {compared.compared:,} prompts changed by 0.005 or more."
    )
    output.print_table(
        columns=["prompt", "before", "after", "change", "its measured runs"],
        rows=[
            [
                change.prompt.reference, f"{change.before:.3f}", f"{change.after:.3f}", f"{change.change:+.3f}",
                ", ".join(f"{runs:,} {name.replace('_', ' ')}" for name, runs in change.runs.items()),
            ]
            for change in compared.changes
        ],
        empty="No score changed so much.",
    )  # fmt: skip


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
