"""`mintmark reporter`."""

from datetime import UTC, datetime
from typing import Any

import click

from . import bootstrap, output


@click.group()
def reporters() -> None:
    """Vouch for those who report outcomes, and see what of their claims held when it was run again."""


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


@reporters.command()
@click.argument("team", required=False)
@output.json_option
def record(*, team: str | None, as_json: bool) -> None:
    """Show what of each team's claims was run again; of TEAM, with its cases side by side."""
    bootstrap.open_database()
    from mintmark.accounts.models import Team
    from mintmark.claim_audits import records

    from . import actor

    caller = actor.get_caller()
    if team is None:
        _print_records([_describe_record(each) for each in records.list_reporters()], as_json)
        return
    row = Team.objects.filter(name=team).first()
    if row is None:
        raise click.BadParameter(
            f"There is no team {team!r}: `mintmark team list` shows them.", param_hint="TEAM"
        )
    summary = records.get_record(team=row)
    verdicts = [
        {
            "event": verdict.event_id,
            "execution": verdict.execution_id,
            "prompt": verdict.prompt.reference,
            "ritual": verdict.ritual,
            "claimed": verdict.claimed,
            "executed": verdict.executed,
            "did_hold": verdict.held,
            "is_credit": verdict.is_credit,
            "recorded_at": verdict.recorded_at,
            "cases": [
                {"case_id": case.case_id, "claimed": case.claimed, "executed": case.executed}
                for case in verdict.cases
            ],
        }
        for verdict in records.list_verdicts(caller=caller, team=row)
    ]
    if as_json:
        output.print_json({**_describe_record(summary), "newest_verdicts": verdicts})
        return
    output.print_message(summary.explain())
    output.print_table(
        columns=["claim", "prompt", "claimed", "run again", "held", "cases"],
        rows=[
            [
                str(verdict["event"]), str(verdict["prompt"]), f"{verdict['claimed']:.2f}",
                f"{verdict['executed']:.2f}", "yes" if verdict["did_hold"] else "NO",
                ", ".join(
                    f"{case['case_id']} {case['claimed']:.2f}/{case['executed']:.2f}"
                    for case in verdict["cases"]  # type: ignore[attr-defined]
                ),
            ]
            for verdict in verdicts
        ],
        empty="No claim of it was run again yet.",
    )  # fmt: skip


@reporters.command()
@click.option("--share", type=float, help="The share of claimed runs to run again, 0 to 0.02.")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="CURRENCY=AMOUNT",
    help="What audits may cost a day in a currency, such as USD=5; repeatable.",
)
@output.json_option
def audits(*, share: float | None, budgets: tuple[str, ...], as_json: bool) -> None:
    """Show what share of claims is run again, and what that may cost; with options, set it.

    An endpoint that costs money is called in a currency with a budget alone. A share of 0 ends audits: what teams
    report then counts as word.
    """
    bootstrap.open_database()
    from mintmark.claim_audits import policy

    from . import actor

    terms = policy.get_terms()
    if share is not None or budgets:
        terms = policy.set_terms(
            caller=actor.get_caller(),
            share=terms.share if share is None else share,
            budgets={**terms.budgets, **dict(map(_parse_budget, budgets))},
            now=datetime.now(UTC),
        )
    if as_json:
        output.print_json(
            {
                "share": terms.share,
                "budgets": dict(terms.budgets),
                "since": terms.since,
                "explanation": terms.explain(),
            }
        )
    else:
        output.print_message(terms.explain())


@reporters.command()
@click.argument("event", type=int)
@output.json_option
def rerun(*, event: int, as_json: bool) -> None:
    """Ask for a re-run of the claim with the id EVENT, once for each claim; the worker makes it."""
    bootstrap.open_database()
    import secrets

    import numpy as np

    from mintmark.claim_audits import requests
    from mintmark.evidence.models import Event

    from . import actor

    claim = Event.objects.select_related("prompt").filter(pk=event).first()
    if claim is None:
        raise click.BadParameter(f"There is no event {event}.", param_hint="EVENT")
    audit = requests.ask_for_audit(
        caller=actor.get_caller(),
        event=claim,
        now=datetime.now(UTC),
        rng=np.random.default_rng(secrets.randbits(128)),
    )
    if as_json:
        output.print_json({"id": audit.pk, "event": event, "state": audit.state})
    else:
        output.print_message(f"The worker runs event {event} again as audit {audit.pk}.")


def _print_records(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["team", "claims", "run again", "held", "taken to be false"],
        rows=[
            [
                row["team"], f"{row['claims']:,}", f"{row['verdicts']:,}", f"{row['held_verdicts']:,}",
                f"{row['false_share']:.0%}" if row["is_proven"] else "not known yet",
            ]
            for row in rows
        ],
        empty="No team has reported a claim that can be run again.",
    )  # fmt: skip


def _describe_record(record: Any) -> dict[str, Any]:
    return {
        "team": record.team.name,
        "claims": record.claims,
        "verdicts": record.verdicts,
        "held_verdicts": record.held,
        "false_share": record.false_share,
        "is_proven": record.is_proven,
        "explanation": record.explain(),
    }


def _parse_budget(text: str) -> tuple[str, int]:
    currency, equals, amount = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r}: write CURRENCY=AMOUNT, such as USD=5.")
    return currency.strip().upper(), output.parse_micro(amount)


def _find_reporter(name: str) -> Any:
    from mintmark.accounts import principals
    from mintmark.accounts.models import User

    user = User.objects.filter(username=name).first()
    if user is None:
        raise click.BadParameter(
            f"There is no person {name!r}: `mintmark user list` shows them.", param_hint="NAME"
        )
    return principals.get_or_create_for_user(user=user)
