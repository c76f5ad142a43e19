"""`mintmark royalties`: royalties that sales here owe to people of other installations."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mintmark.common import amounts, errors

from . import bootstrap, output, resolve

if TYPE_CHECKING:
    from mintmark.accounts.models import Principal

_MAX_DIGITS = 18


@click.group()
def royalties() -> None:
    """List and pay what sales here owe to people of other installations."""


@royalties.command()
@output.json_option
def owed(*, as_json: bool) -> None:
    """List what is owed to people of other installations.

    Each has a wallet here, into which every sale pays what the bundle of its prompt says.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    debts = SymbolicPromptTokenMarketplace().list_foreign_balances(caller=resolve.resolve_caller())
    rows = [
        {
            "id": debt.holder.pk,
            "holder": debt.holder.holder,
            "installation": debt.holder.installation,
            "issuer": debt.holder.issuer_name,
            "tokens": output.format_exact(debt.balance_micro),
        }
        for debt in debts
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["id", "holder", "of", "installation", "credits"],
        rows=[
            [
                row["id"],
                output.escape_unprintable(str(row["holder"])),
                output.escape_unprintable(str(row["issuer"])),
                row["installation"],
                row["tokens"],
            ]
            for row in rows
        ],
        empty="Nothing is owed to anybody of another installation.",
        right=["id", "credits"],
    )


@royalties.command()
@click.argument("holder")
@click.argument("amount", metavar="CREDITS")
@click.option("--reason", required=True, help="By which payment; kept in the ledger permanently.")
@click.option(
    "--by",
    "person",
    metavar="USER",
    help="Who paid: a treasurer or an administrator. [default: console]",
)
@click.option(
    "--key", help="An idempotency key of your choice: the same command with it pays once."
)
@output.json_option
def pay(
    *, holder: str, amount: str, reason: str, person: str | None, key: str | None, as_json: bool
) -> None:
    """Record that somebody of another installation was paid outside Mintmark.

    HOLDER is the id that `mintmark royalties owed` shows, or the name of the wallet. The CREDITS leave
    that wallet and circulation. Run twice, the command takes them twice, unless both runs have the same
    --key.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.tokens import book

    remote_principal = _get_remote_principal(holder)
    amount_micro = amounts.to_micro(amount)
    posted = SymbolicPromptTokenMarketplace().record_foreign_payment(
        caller=resolve.resolve_caller(person=person),
        holder=remote_principal,
        amount_micro=amount_micro,
        reason=reason,
        idempotency_key=key if key is not None else f"console-{secrets.token_hex(16)}",
        now=datetime.now(UTC),
    )
    left_micro = book.get_balances([remote_principal.pk])[remote_principal.pk]
    if as_json:
        output.print_json(
            {
                "transfer": posted.transfer,
                "paid": posted.is_new,
                "holder": remote_principal.name,
                "tokens": output.format_exact(amount_micro),
                "owed": output.format_exact(left_micro),
            }
        )
        return
    did = "are recorded as paid" if posted.is_new else "were recorded as paid under this key before"
    output.print_message(
        f"{amounts.format_tokens(amount_micro)} credits {did}: transfer {posted.transfer}. "
        f"{output.escape_unprintable(remote_principal.name)} is owed {amounts.format_tokens(left_micro)} now."
    )


def _get_remote_principal(holder: str) -> "Principal":
    from mintmark.accounts.models import Principal

    remote_principals = Principal.objects.filter(kind=Principal.Kind.FOREIGN)
    is_id = holder.isascii() and holder.isdigit() and len(holder) <= _MAX_DIGITS
    matches = list(
        remote_principals.filter(pk=int(holder))
        if is_id
        else remote_principals.filter(name=holder)[:2]
    )
    if len(matches) != 1:
        raise errors.NotFound(
            f"{holder!r} is nobody of another installation to whom credits are owed: see `mintmark royalties owed`."
        )
    return matches[0]
