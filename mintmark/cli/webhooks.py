"""`mintmark webhook`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.core import errors

from . import holders, installation, output

if TYPE_CHECKING:
    from mintmark.webhooks.models import Webhook

_by = click.option(
    "--by", "person", metavar="USER", help="Who does it: an operator. [default: console]"
)


@click.group()
def webhook() -> None:
    """Tell other systems what happens, over signed webhooks."""


@webhook.command()
@click.argument("team")
@click.argument("url")
@click.option("--kind", "kinds", multiple=True, help="What is told; repeat. [default: everything]")
@click.option("--note", default="", help="What it is for.")
@_by
@output.json_option
def create(
    *, team: str, url: str, kinds: tuple[str, ...], note: str, person: str | None, as_json: bool
) -> None:
    """Tell URL what concerns TEAM, from now on.

    The secret that verifies the signatures is printed this once and can't be shown again.
    """
    installation.open_database()
    from mintmark.webhooks import hooks

    made = hooks.make(
        caller=holders.acting(person=person),
        team=holders.team(name=team),
        url=url,
        kinds=kinds,
        note=note,
        now=datetime.now(UTC),
    )
    _print_secret(made.webhook, made.secret, as_json=as_json)


@webhook.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List all webhooks, newest first."""
    installation.open_database()
    from mintmark.webhooks import hooks

    found = [_shown(one) for one in hooks.standing()]
    if as_json:
        output.print_json(found)
        return
    output.print_table(
        columns=["id", "team", "url", "kinds", "note", "disabled"],
        rows=[
            [
                one["id"],
                one["team"],
                one["url"],
                " ".join(one["kinds"]) or "everything",
                one["note"],
                one["disabled_because"],
            ]
            for one in found
        ],
        empty="No webhook yet: `mintmark webhook create TEAM URL` makes one.",
        right=["id"],
    )


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@_by
@output.json_option
def rotate(*, webhook_id: int, person: str | None, as_json: bool) -> None:
    """Make a new secret for webhook ID; for a day the one before signs beside it."""
    installation.open_database()
    from mintmark.webhooks import hooks

    made = hooks.rotate(
        caller=holders.acting(person=person), webhook=_named(webhook_id), now=datetime.now(UTC)
    )
    _print_secret(made.webhook, made.secret, as_json=as_json)


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why; it is kept.")
@_by
@output.json_option
def disable(*, webhook_id: int, reason: str, person: str | None, as_json: bool) -> None:
    """Tell webhook ID nothing, from now until it is enabled again. What waits is kept."""
    installation.open_database()
    from mintmark.webhooks import hooks

    ended = hooks.disable(
        caller=holders.acting(person=person),
        webhook=_named(webhook_id),
        reason=reason,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(_shown(ended))
    else:
        output.say(f"Webhook {ended.pk} of {ended.team} is told nothing until it is enabled again.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@_by
@output.json_option
def enable(*, webhook_id: int, person: str | None, as_json: bool) -> None:
    """Tell webhook ID again that was disabled, by hand or because it answered 410.

    What waited is sent when a worker runs; what happened in between is not told.
    """
    installation.open_database()
    from mintmark.webhooks import hooks

    again = hooks.enable(
        caller=holders.acting(person=person), webhook=_named(webhook_id), now=datetime.now(UTC)
    )
    if as_json:
        output.print_json(_shown(again))
    else:
        output.say(f"Webhook {again.pk} of {again.team} is told again what happens.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@_by
@output.json_option
def remove(*, webhook_id: int, person: str | None, as_json: bool) -> None:
    """Forget webhook ID for good, with its secret and what it was told."""
    installation.open_database()
    from mintmark.webhooks import hooks

    gone = _named(webhook_id)
    hooks.remove(caller=holders.acting(person=person), webhook=gone, now=datetime.now(UTC))
    if as_json:
        output.print_json({"removed": gone.pk})
    else:
        output.say(f"Webhook {gone.pk} of {gone.team} is removed.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@output.json_option
def deliveries(*, webhook_id: int, as_json: bool) -> None:
    """List the newest 100 things that webhook ID was told, or is yet to be."""
    installation.open_database()
    rows = [
        {
            "id": one.pk,
            "kind": one.kind,
            "told_at": one.told_at,
            "state": one.state,
            "attempts": one.attempts,
            "status": one.status,
            "problem": one.problem,
        }
        for one in _named(webhook_id).deliveries.order_by("-id")[:100]
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["id", "kind", "told", "state", "attempts", "status", "problem"],
        rows=[
            [r["id"], r["kind"], f"{r['told_at']:%F %H:%M}", *(r[n] for n in _TAIL)] for r in rows
        ],
        empty="It was told nothing yet.",
        right=["id", "attempts", "status"],
    )


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@click.argument("delivery", type=int)
@_by
@output.json_option
def replay(*, webhook_id: int, delivery: int, person: str | None, as_json: bool) -> None:
    """Send DELIVERY of webhook ID again, under the same message id; a worker does it."""
    installation.open_database()
    from mintmark.webhooks import hooks

    row = _named(webhook_id).deliveries.select_related("webhook").filter(pk=delivery).first()
    if row is None:
        raise errors.NotFound(f"Webhook {webhook_id} has no delivery {delivery}.")
    again = hooks.replay(caller=holders.acting(person=person), delivery=row, now=datetime.now(UTC))
    if as_json:
        output.print_json({"id": again.pk, "state": again.state, "due_at": again.due_at})
    else:
        output.say(f"Delivery {again.pk} is {again.state} and goes out when a worker runs.")


_TAIL = ("state", "attempts", "status", "problem")


def _named(webhook_id: int) -> "Webhook":
    from mintmark.webhooks import hooks

    found = hooks.standing().filter(pk=webhook_id).first()
    if found is None:
        raise errors.NotFound(f"There is no webhook {webhook_id}: see `mintmark webhook list`.")
    return found


def _print_secret(made: "Webhook", secret: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(_shown(made) | {"secret": secret})
        return
    click.echo(secret)
    output.say(
        f"The secret of webhook {made.pk} of {made.team}. It can't be shown again: store it with the receiver now.",
        as_json=True,
    )


def _shown(one: "Webhook") -> dict[str, Any]:
    return {
        "id": one.pk,
        "team": one.team.name,
        "url": one.url,
        "kinds": one.kinds,
        "note": one.note,
        "disabled_at": one.disabled_at,
        "disabled_because": one.disabled_because,
    }
