"""`mintmark vault owed` and `pay`: royalties that sales here owe to people of other installations."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mintmark.core import errors, money

from . import holders, installation, output

if TYPE_CHECKING:
    from mintmark.accounts.models import Principal

_MOST_DIGITS = 18


@click.command()
@output.json_option
def owed(*, as_json: bool) -> None:
    """List what is owed to people of other installations.

    Each has a wallet here, into which every sale pays what the bundle of its prompt says.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    debts = SymbolicPromptTokenMarketplace().owed_abroad(caller=holders.acting())
    rows = [
        {
            "id": debt.holder.pk,
            "holder": debt.holder.holder,
            "installation": debt.holder.installation,
            "issuer": debt.holder.issuer_name,
            "tokens": output.exact(debt.balance_micro),
        }
        for debt in debts
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["id", "holder", "of", "installation", "tokens"],
        rows=[
            [
                row["id"],
                output.inert(str(row["holder"])),
                output.inert(str(row["issuer"])),
                row["installation"],
                row["tokens"],
            ]
            for row in rows
        ],
        empty="Nothing is owed to anybody of another installation.",
        right=["id", "tokens"],
    )


@click.command()
@click.argument("holder")
@click.argument("tokens")
@click.option("--reason", required=True, help="By which payment; it stands in the book for ever.")
@click.option(
    "--by",
    "person",
    metavar="USER",
    help="Who paid: a treasurer or an administrator. [default: console]",
)
@click.option("--key", help="A key of one's own: the same command with it pays once.")
@output.json_option
def pay(
    *, holder: str, tokens: str, reason: str, person: str | None, key: str | None, as_json: bool
) -> None:
    """Keep that somebody of another installation was paid outside.

    HOLDER is the id that `mintmark vault owed` shows, or the name of his wallet. So many TOKENS leave
    his wallet and circulation. Run twice, it takes them twice, unless a --key says that it is the same
    payment.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.tokens import book

    whom = _abroad(holder)
    amount_micro = money.micro(tokens)
    posted = SymbolicPromptTokenMarketplace().pay_abroad(
        caller=holders.acting(person=person),
        holder=whom,
        amount_micro=amount_micro,
        reason=reason,
        key=key if key is not None else f"console-{secrets.token_hex(16)}",
        now=datetime.now(UTC),
    )
    left_micro = book.balances([whom.pk])[whom.pk]
    if as_json:
        output.print_json(
            {
                "transfer": posted.transfer,
                "paid": posted.is_new,
                "holder": whom.name,
                "tokens": output.exact(amount_micro),
                "owed": output.exact(left_micro),
            }
        )
        return
    did = "are kept as paid" if posted.is_new else "were kept as paid under this key before"
    output.say(
        f"{money.shown(amount_micro)} tokens {did}: transfer {posted.transfer}. {output.inert(whom.name)} is owed "
        f"{money.shown(left_micro)} now."
    )


def _abroad(holder: str) -> "Principal":
    from mintmark.accounts.models import Principal

    abroad = Principal.objects.filter(kind=Principal.Kind.FOREIGN)
    is_id = holder.isascii() and holder.isdigit() and len(holder) <= _MOST_DIGITS
    found = list(abroad.filter(pk=int(holder)) if is_id else abroad.filter(name=holder)[:2])
    if len(found) != 1:
        raise errors.NotFound(
            f"{holder!r} is nobody of another installation who is owed something: see `mintmark vault owed`."
        )
    return found[0]
