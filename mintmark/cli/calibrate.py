"""`mintmark calibrate`."""

from datetime import UTC, datetime

import click

from . import bootstrap, output


@click.command()
@click.option("--note", default="", help="Kept with the policy: why it was learned now.")
@output.json_option
def calibrate(*, note: str, as_json: bool) -> None:
    """Learn the priors from the log, and put them in force as a new policy.

    All scores are rebuilt under it. Readers see the scores of the previous policy until the new
    ones are complete.
    """
    bootstrap.open_database()
    from mintmark.projection import calibration

    from . import actor

    result = calibration.calibrate(
        now=datetime.now(UTC),
        author=actor.get_caller().principal,
        note=note[:400],
        progress=output.print_step,
    )
    if as_json:
        output.print_json(
            {
                "policy": result.policy.version,
                "before": result.before.version,
                "learned_from": result.learned_from,
                "projected": result.folded,
            }
        )
        return
    output.print_message(
        f"Policy v{result.policy.version} is in force, learned from {result.learned_from:,} measured "
        f"events (before: v{result.before.version}); {result.folded:,} events processed under it."
    )
