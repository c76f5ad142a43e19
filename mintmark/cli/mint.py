"""`mintmark mint`."""

import secrets
from datetime import UTC, datetime

import click

from mintmark.common import amounts

from . import bootstrap, output, resolve


@click.command()
@click.argument("holder")
@click.argument("tokens")
@click.option("--reason", required=True, help="Why; it stands in the book for ever.")
@click.option(
    "--by",
    "person",
    metavar="USER",
    help="Who issues them: a treasurer or an administrator. [default: console]",
)
@click.option("--key", help="A key of one's own: the same command with it issues once.")
@output.json_option
def mint(
    *, holder: str, tokens: str, reason: str, person: str | None, key: str | None, as_json: bool
) -> None:
    """Issue new tokens to a wallet, for a reason that is kept.

    HOLDER is a person's sign-in name or an assistant's name (person:NAME or assistant:NAME where both
    have it), TOKENS an amount such as 12.5. Run twice, the command issues twice, unless a --key says
    that it is the same issue: then the second run changes nothing.
    """
    bootstrap.open_database()
    from mintmark.tokens import book, wallets

    to = resolve.resolve_principal(holder=holder)
    amount_micro = amounts.to_micro(tokens)
    posted = wallets.mint(
        caller=resolve.resolve_caller(person=person),
        recipient=to,
        amount_micro=amount_micro,
        reason=reason,
        idempotency_key=key if key is not None else f"console-{secrets.token_hex(16)}",
        now=datetime.now(UTC),
    )
    holds_micro = book.get_balances([to.pk])[to.pk]
    if as_json:
        output.print_json(
            {
                "transfer": posted.transfer,
                "issued": posted.is_new,
                "holder": to.name,
                "tokens": output.format_exact(amount_micro),
                "balance": output.format_exact(holds_micro),
            }
        )
        return
    did = "issued" if posted.is_new else "were issued under this key before"
    output.print_message(
        f"{amounts.format_tokens(amount_micro)} tokens {did}: transfer {posted.transfer}. "
        f"{to.name} holds {amounts.format_tokens(holds_micro)}."
    )
