"""`mintmark calibrate`."""

from datetime import UTC, datetime

import click

from . import installation, output


@click.command()
@click.option("--note", default="", help="Kept with the policy: why it was learned now.")
@output.json_option
def calibrate(*, note: str, as_json: bool) -> None:
    """Learn the priors from the log, and put them in force as a new policy.

    The log is folded anew under it. Readers see the scores of the policy before until those of the
    new one are complete.
    """
    installation.open_database()
    from mintmark.trust import calibration

    from . import console

    done = calibration.calibrate(
        now=datetime.now(UTC),
        author=console.caller().principal,
        note=note[:400],
        progress=output.step,
    )
    if as_json:
        output.print_json(
            {
                "policy": done.policy.version,
                "before": done.before.version,
                "learned_from": done.learned_from,
                "folded": done.folded,
            }
        )
        return
    output.say(
        f"Policy v{done.policy.version} is in force, learned from {done.learned_from:,} measured "
        f"events (before: v{done.before.version}); {done.folded:,} events folded under it."
    )
