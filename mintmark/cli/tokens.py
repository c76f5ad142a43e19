"""`mintmark tokens mint` and `mintmark wallet`: credits are issued, and where they are is shown."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import amounts

from . import bootstrap, output, resolve

if TYPE_CHECKING:
    from mintmark.accounts.models import Principal


@click.group()
def tokens() -> None:
    """Issue new credits."""


@tokens.command()
@click.argument("holder")
@click.argument("amount", metavar="CREDITS")
@click.option("--reason", required=True, help="Why; kept in the ledger permanently.")
@click.option(
    "--by",
    "person",
    metavar="USER",
    help="Who issues them: a treasurer or an administrator. [default: console]",
)
@click.option(
    "--key", help="An idempotency key of your choice: the same command with it issues once."
)
@output.json_option
def mint(
    *, holder: str, amount: str, reason: str, person: str | None, key: str | None, as_json: bool
) -> None:
    """Issue new credits to a wallet, for a reason that is kept.

    HOLDER is a person's sign-in name or an assistant's name (person:NAME or assistant:NAME where both
    have it), CREDITS an amount such as 12.5. Run twice, the command issues twice, unless both runs
    have the same --key: then the second run changes nothing.
    """
    bootstrap.open_database()
    from mintmark.tokens import book, wallets

    to = resolve.resolve_principal(holder=holder)
    amount_micro = amounts.to_micro(amount)
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
        f"{amounts.format_tokens(amount_micro)} credits {did}: transfer {posted.transfer}. "
        f"{to.name} holds {amounts.format_tokens(holds_micro)}."
    )


@click.command()
@click.argument("holder", required=False)
@click.option(
    "--entries",
    default=20,
    show_default=True,
    type=click.IntRange(0, 10_000),
    help="How many of the newest entries of HOLDER's wallet to show.",
)
@output.json_option
def wallet(*, holder: str | None, entries: int, as_json: bool) -> None:
    """Show a wallet with its newest entries, or all accounts that hold credits.

    HOLDER is a person's sign-in name or an assistant's name. Without one: every wallet, the accounts
    of the system, and their sum, which is 0 since the issuance account owes every credit in a wallet.
    """
    bootstrap.open_database()
    if holder is None:
        _print_all_wallets(as_json=as_json)
    else:
        _print_wallet(resolve.resolve_principal(holder=holder), entries=entries, as_json=as_json)


def _print_wallet(principal: "Principal", *, entries: int, as_json: bool) -> None:
    from mintmark.tokens import book, wallets

    balances = book.get_balances([principal.pk])
    rows: list[dict[str, Any]] = [
        {
            "entry": entry.pk,
            "at": entry.transfer.posted_at,
            "transfer": entry.transfer_id,
            "cause": entry.transfer.cause,
            "memo": entry.transfer.memo,
            "tokens": entry.amount_micro,
            "balance": entry.balance_micro,
        }
        for entry in wallets.list_entries(principal=principal)[:entries]
    ]
    if as_json:
        output.print_json(
            {
                "holder": principal.name,
                "kind": principal.kind,
                "opened": bool(balances),
                "balance": output.format_exact(balances.get(principal.pk, 0)),
                "entries": [
                    row | {name: output.format_exact(row[name]) for name in ("tokens", "balance")}
                    for row in rows
                ],
            }
        )
        return
    if not balances:
        output.print_message(f"{principal.name} has no wallet yet: it opens with its first use.")
        return
    output.print_message(
        f"{principal.name} holds {amounts.format_tokens(balances[principal.pk])} credits."
    )
    if not entries:
        return
    output.print_table(
        columns=["when", "cause", "for", "credits", "balance"],
        rows=[
            [
                f"{row['at']:%Y-%m-%d %H:%M}",
                row["cause"],
                row["memo"],
                f"{'+' if row['tokens'] > 0 else ''}{amounts.format_tokens(row['tokens'])}",
                amounts.format_tokens(row["balance"]),
            ]
            for row in rows
        ],
        empty="Nothing has moved yet.",
        right=["credits", "balance"],
    )


def _print_all_wallets(*, as_json: bool) -> None:
    from mintmark.tokens.models import Account

    # In one look: between two, a sale would make the sum another than 0.
    accounts = list(Account.objects.select_related("owner").order_by("-balance_micro", "id"))
    wallets = [
        (account.owner.name, account.owner.kind, account.balance_micro)
        for account in accounts
        if account.owner is not None
    ]
    system_balances = {
        kind.value: sum(account.balance_micro for account in accounts if account.kind == kind)
        for kind in (Account.Kind.TREASURY, Account.Kind.ESCROW, Account.Kind.ISSUANCE)
    }
    total = sum(account.balance_micro for account in accounts)
    if as_json:
        output.print_json(
            {
                "wallets": [
                    {"holder": name, "kind": kind, "balance": output.format_exact(micro)}
                    for name, kind, micro in wallets
                ],
                **{kind: output.format_exact(micro) for kind, micro in system_balances.items()},
                "sum": output.format_exact(total),
            }
        )
        return
    descriptions = {
        "treasury": "fees of sales",
        "escrow": "prices that wait for their warranties",
        "issuance": "all that was ever issued, owed",
    }
    output.print_table(
        columns=["account", "", "credits"],
        rows=[
            *[[name, kind, amounts.format_tokens(micro)] for name, kind, micro in wallets],
            *[
                [kind, descriptions[kind], amounts.format_tokens(micro)]
                for kind, micro in system_balances.items()
            ],
            ["sum", "", amounts.format_tokens(total)],
        ],
        empty="",
        right=["credits"],
    )
