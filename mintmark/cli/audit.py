"""`mintmark audit`."""

from datetime import UTC, datetime

import click

from . import exits, installation, output


@click.command()
@output.json_option
@click.pass_context
def audit(context: click.Context, *, as_json: bool) -> None:
    """Check every invariant of the books.

    Reads everything, changes nothing. The exit code is 1 if one is broken.
    """
    installation.open_database()
    from mintmark.trust import audit as audits

    findings = audits.audit(now=datetime.now(UTC), progress=output.step)
    if as_json:
        output.print_json(
            {
                "holds": all(finding.holds for finding in findings),
                "findings": [
                    {
                        "code": finding.code,
                        "says": finding.says,
                        "checked": finding.checked,
                        "holds": finding.holds,
                        "broken": list(finding.broken),
                    }
                    for finding in findings
                ],
            }
        )
    else:
        output.print_table(
            columns=["", "invariant", "checked"],
            rows=[
                ["holds" if finding.holds else "BROKEN", finding.says, f"{finding.checked:,}"]
                for finding in findings
            ],
            right=["checked"],
            empty="There is nothing to check.",
        )
        for finding in findings:
            for broken in finding.broken:
                click.echo(f"! {finding.code}: {broken}", err=True)
    if not all(finding.holds for finding in findings):
        context.exit(exits.PROBLEM)
