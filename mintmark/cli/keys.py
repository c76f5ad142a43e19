"""`mintmark key`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import errors

from . import bootstrap, output, resolve

if TYPE_CHECKING:
    from mintmark.accounts.models import Key


@click.group()
def keys() -> None:
    """Issue, list and revoke bearer keys."""


@keys.command()
@click.argument("holder")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=["read"],
    show_default=True,
    help="What the key may do: read, evidence, registry, market, admin. Repeat for several.",
)
@click.option("--note", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 36500), help="After how many days it expires.")
@output.json_option
def issue(
    *, holder: str, scopes: tuple[str, ...], note: str, days: int | None, as_json: bool
) -> None:
    """Issue a key to HOLDER, a person's sign-in name or an assistant's name.

    The key is printed this once and can't be shown again. Where a person and an assistant share
    a name, write person:NAME or assistant:NAME.
    """
    bootstrap.open_database()
    from mintmark.accounts import keys as bearer_keys

    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    issued = bearer_keys.issue(
        principal=resolve.resolve_principal(holder=holder),
        scopes=scopes,
        note=note[:200],
        expires_at=expires_at,
    )
    if as_json:
        output.print_json(_build_document(issued.key) | {"secret": issued.secret})
    else:
        click.echo(issued.secret)
        output.print_message(
            f"The key of {issued.key.principal} for {', '.join(issued.key.scopes)}. It is not kept "
            f"here: store it now. `mintmark key revoke {issued.key.prefix}` ends it.",
            as_json=True,
        )


@keys.command(name="list")
@click.argument("holder", required=False)
@output.json_option
def list_(*, holder: str | None, as_json: bool) -> None:
    """List keys, all of them or those of HOLDER, newest first."""
    bootstrap.open_database()
    from mintmark.accounts.models import Key

    key_rows = Key.objects.select_related("principal").order_by("-id")
    if holder is not None:
        key_rows = key_rows.filter(principal=resolve.resolve_principal(holder=holder))
    documents = [_build_document(key) for key in key_rows]
    if as_json:
        output.print_json(documents)
        return
    columns = ["key", "holder", "scopes", "note", "created", "expires", "revoked"]
    output.print_table(
        columns=columns,
        rows=[
            [
                f"{key['prefix']}…",
                key["holder"],
                " ".join(key["scopes"]),
                key["note"],
                *(f"{key[name]:%Y-%m-%d %H:%M}" if key[name] else "" for name in _TIMES),
            ]
            for key in documents
        ],
        empty="No key yet: `mintmark key issue HOLDER` issues one.",
    )


@keys.command()
@click.argument("prefix")
@output.json_option
def revoke(*, prefix: str, as_json: bool) -> None:
    """Revoke the key that starts with PREFIX (as `mintmark key list` shows it), at once."""
    bootstrap.open_database()
    from mintmark.accounts import keys as bearer_keys
    from mintmark.accounts.models import Key

    # A whole key works as well: whoever revokes one often has it at hand.
    key = Key.objects.filter(prefix=prefix.rstrip("…")[:11]).first()
    if key is None:
        raise errors.NotFound(f"No key starts with {prefix[:11]!r}: see `mintmark key list`.")
    ended = bearer_keys.revoke(key=key, now=datetime.now(UTC))
    if as_json:
        output.print_json(_build_document(ended))
    else:
        output.print_message(
            f"{ended.prefix}… of {ended.principal} is revoked since {ended.revoked_at:%c}."
        )


_TIMES = ("created_at", "expires_at", "revoked_at")


def _build_document(key: "Key") -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "holder": key.principal.name,
        "kind": key.principal.kind,
        "scopes": key.scopes,
        "note": key.note,
    } | {name: getattr(key, name) for name in _TIMES}
