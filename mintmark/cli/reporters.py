"""`mintmark reporter`."""

from datetime import UTC, datetime
from typing import Any

import click

from . import bootstrap, output


@click.group()
def reporters() -> None:
    """Vouch for those who report outcomes, and see whom the installation vouches for."""


@reporters.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why; it stays on record.")
@output.json_option
def vouch(*, name: str, reason: str, as_json: bool) -> None:
    """Vouch for the person NAME: what they report from now on counts as if it had been run here.

    Meant for the account of a harness that you run yourself, such as that of your CI.
    """
    bootstrap.open_database()
    from mintmark.trust import vouching

    from . import actor

    row = vouching.vouch_for(
        caller=actor.get_caller(),
        reporter=_find_reporter(name),
        reason=reason,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json({"reporter": row.reporter.name, "reason": row.reason, "ended_at": None})
    else:
        output.print_message(f"What {row.reporter.name} reports from now on counts in full.")


@reporters.command()
@click.argument("name")
@output.json_option
def unvouch(*, name: str, as_json: bool) -> None:
    """Stop vouching for the person NAME: what they report from now on is a claim."""
    bootstrap.open_database()
    from mintmark.trust import vouching

    from . import actor

    row = vouching.end_vouch(
        caller=actor.get_caller(), reporter=_find_reporter(name), now=datetime.now(UTC)
    )
    if as_json:
        output.print_json(
            {"reporter": row.reporter.name, "reason": row.reason, "ended_at": row.ended_at}
        )
    else:
        output.print_message(
            f"What {row.reporter.name} reports from now on is a claim; what is recorded stays as it is."
        )


@reporters.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List whom the installation vouches for, and whom it did."""
    bootstrap.open_database()
    from mintmark.trust import vouching

    from . import actor

    rows = [
        {
            "reporter": row.reporter.name,
            "reason": row.reason,
            "given_by": row.given_by.name,
            "given_at": row.given_at,
            "ended_by": row.ended_by.name if row.ended_by else None,
            "ended_at": row.ended_at,
        }
        for row in vouching.list_vouches(caller=actor.get_caller())
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["reporter", "since", "until", "by", "reason"],
        rows=[
            [
                row["reporter"], f"{row['given_at']:%Y-%m-%d}",
                f"{row['ended_at']:%Y-%m-%d}" if row["ended_at"] else "", row["given_by"], row["reason"],
            ]
            for row in rows
        ],
        empty="Nobody: reports are claims. `mintmark reporter vouch NAME --reason TEXT` vouches for somebody.",
    )  # fmt: skip


def _find_reporter(name: str) -> Any:
    from mintmark.accounts import principals
    from mintmark.accounts.models import User

    user = User.objects.filter(username=name).first()
    if user is None:
        raise click.BadParameter(
            f"There is no person {name!r}: `mintmark user list` shows them.", param_hint="NAME"
        )
    return principals.get_or_create_for_user(user=user)
