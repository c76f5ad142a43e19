"""`mintmark webhook`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import errors

from . import bootstrap, output, resolve

if TYPE_CHECKING:
    from mintmark.webhooks.models import Webhook

_by_option = click.option(
    "--by", "person", metavar="USER", help="Who does it: an operator. [default: console]"
)


@click.group()
def webhook() -> None:
    """Notify other systems of what happens, over signed webhooks."""


@webhook.command()
@click.argument("team")
@click.argument("url")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    help="Which events are sent; repeat for several. [default: all]",
)
@click.option("--note", default="", help="What it is for.")
@_by_option
@output.json_option
def create(
    *, team: str, url: str, kinds: tuple[str, ...], note: str, person: str | None, as_json: bool
) -> None:
    """Send URL the events that concern TEAM, from now on.

    The secret that verifies the signatures is printed this once and can't be shown again.
    """
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    created_webhook = endpoints.create(
        caller=resolve.resolve_caller(person=person),
        team=resolve.resolve_team(name=team),
        url=url,
        kinds=kinds,
        note=note,
        now=datetime.now(UTC),
    )
    _print_secret(created_webhook.webhook, created_webhook.secret, as_json=as_json)


@webhook.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List all webhooks, newest first."""
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    rows = [_build_document(row) for row in endpoints.list_existing()]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["id", "team", "url", "kinds", "note", "disabled"],
        rows=[
            [
                row["id"],
                row["team"],
                row["url"],
                " ".join(row["kinds"]) or "everything",
                row["note"],
                row["disabled_because"],
            ]
            for row in rows
        ],
        empty="No webhook yet: `mintmark webhook create TEAM URL` makes one.",
        right=["id"],
    )


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@_by_option
@output.json_option
def rotate(*, webhook_id: int, person: str | None, as_json: bool) -> None:
    """Make a new secret for webhook ID; for a day the old one signs too."""
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    rotated_webhook = endpoints.rotate_secret(
        caller=resolve.resolve_caller(person=person),
        webhook=_get_webhook(webhook_id),
        now=datetime.now(UTC),
    )
    _print_secret(rotated_webhook.webhook, rotated_webhook.secret, as_json=as_json)


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why; it is kept.")
@_by_option
@output.json_option
def disable(*, webhook_id: int, reason: str, person: str | None, as_json: bool) -> None:
    """Send webhook ID nothing until it is enabled again. What waits is kept."""
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    ended = endpoints.disable(
        caller=resolve.resolve_caller(person=person),
        webhook=_get_webhook(webhook_id),
        reason=reason,
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(_build_document(ended))
    else:
        output.print_message(
            f"Webhook {ended.pk} of {ended.team} gets nothing until it is enabled again."
        )


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@_by_option
@output.json_option
def enable(*, webhook_id: int, person: str | None, as_json: bool) -> None:
    """Enable webhook ID again that was disabled, by hand or because it answered 410.

    What waited is sent when a worker runs; what happened in between is not sent.
    """
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    again = endpoints.enable(
        caller=resolve.resolve_caller(person=person),
        webhook=_get_webhook(webhook_id),
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(_build_document(again))
    else:
        output.print_message(f"Webhook {again.pk} of {again.team} gets events again.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@_by_option
@output.json_option
def remove(*, webhook_id: int, person: str | None, as_json: bool) -> None:
    """Delete webhook ID permanently, with its secret and its deliveries."""
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    webhook_row = _get_webhook(webhook_id)
    endpoints.remove(
        caller=resolve.resolve_caller(person=person), webhook=webhook_row, now=datetime.now(UTC)
    )
    if as_json:
        output.print_json({"removed": webhook_row.pk})
    else:
        output.print_message(f"Webhook {webhook_row.pk} of {webhook_row.team} is removed.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@output.json_option
def deliveries(*, webhook_id: int, as_json: bool) -> None:
    """List the newest 100 deliveries of webhook ID, sent or waiting."""
    bootstrap.open_database()
    rows = [
        {
            "id": delivery_row.pk,
            "kind": delivery_row.kind,
            "told_at": delivery_row.told_at,
            "state": delivery_row.state,
            "attempts": delivery_row.attempts,
            "status": delivery_row.status,
            "problem": delivery_row.problem,
        }
        for delivery_row in _get_webhook(webhook_id).deliveries.order_by("-id")[:100]
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["id", "kind", "created", "state", "attempts", "status", "problem"],
        rows=[
            [r["id"], r["kind"], f"{r['told_at']:%F %H:%M}", *(r[n] for n in _LAST_COLUMNS)]
            for r in rows
        ],
        empty="Nothing was sent to it yet.",
        right=["id", "attempts", "status"],
    )


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=int)
@click.argument("delivery", type=int)
@_by_option
@output.json_option
def replay(*, webhook_id: int, delivery: int, person: str | None, as_json: bool) -> None:
    """Send DELIVERY of webhook ID again, under the same message id; a worker does it."""
    bootstrap.open_database()
    from mintmark.webhooks import endpoints

    row = _get_webhook(webhook_id).deliveries.select_related("webhook").filter(pk=delivery).first()
    if row is None:
        raise errors.NotFound(f"Webhook {webhook_id} has no delivery {delivery}.")
    again = endpoints.redeliver(
        caller=resolve.resolve_caller(person=person), delivery=row, now=datetime.now(UTC)
    )
    if as_json:
        output.print_json({"id": again.pk, "state": again.state, "due_at": again.due_at})
    else:
        output.print_message(
            f"Delivery {again.pk} is {again.state} and goes out when a worker runs."
        )


_LAST_COLUMNS = ("state", "attempts", "status", "problem")


def _get_webhook(webhook_id: int) -> "Webhook":
    from mintmark.webhooks import endpoints

    webhook_row = endpoints.list_existing().filter(pk=webhook_id).first()
    if webhook_row is None:
        raise errors.NotFound(f"There is no webhook {webhook_id}: see `mintmark webhook list`.")
    return webhook_row


def _print_secret(webhook_row: "Webhook", secret: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(_build_document(webhook_row) | {"secret": secret})
        return
    click.echo(secret)
    output.print_message(
        f"The secret of webhook {webhook_row.pk} of {webhook_row.team}. It can't be shown again: store it with the "
        "receiver now.",
        as_json=True,
    )


def _build_document(webhook_row: "Webhook") -> dict[str, Any]:
    return {
        "id": webhook_row.pk,
        "team": webhook_row.team.name,
        "url": webhook_row.url,
        "kinds": webhook_row.kinds,
        "note": webhook_row.note,
        "disabled_at": webhook_row.disabled_at,
        "disabled_because": webhook_row.disabled_because,
    }
