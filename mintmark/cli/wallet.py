"""`mintmark wallet`."""

from typing import TYPE_CHECKING, Any

import click

from mintmark.core import money

from . import holders, installation, output

if TYPE_CHECKING:
    from mintmark.accounts.models import Principal


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
    """Show a wallet with its newest entries, or all that tokens are in.

    HOLDER is a person's sign-in name or an assistant's name. Without one: every wallet, the accounts
    of the house, and their sum, which is 0 since each token in a wallet is owed by the issuance.
    """
    installation.open_database()
    if holder is None:
        _show_all(as_json=as_json)
    else:
        _show(holders.named(holder=holder), entries=entries, as_json=as_json)


def _show(principal: "Principal", *, entries: int, as_json: bool) -> None:
    from mintmark.tokens import book, wallets

    held = book.balances([principal.pk])
    lines: list[dict[str, Any]] = [
        {
            "entry": entry.pk,
            "at": entry.transfer.posted_at,
            "transfer": entry.transfer_id,
            "cause": entry.transfer.cause,
            "memo": entry.transfer.memo,
            "tokens": entry.amount_micro,
            "balance": entry.balance_micro,
        }
        for entry in wallets.statement(principal=principal)[:entries]
    ]
    if as_json:
        output.print_json(
            {
                "holder": principal.name,
                "kind": principal.kind,
                "opened": bool(held),
                "balance": output.exact(held.get(principal.pk, 0)),
                "entries": [
                    line | {name: output.exact(line[name]) for name in ("tokens", "balance")}
                    for line in lines
                ],
            }
        )
        return
    if not held:
        output.say(f"{principal.name} has no wallet yet: it opens with its first use.")
        return
    output.say(f"{principal.name} holds {money.shown(held[principal.pk])} tokens.")
    if not entries:
        return
    output.print_table(
        columns=["when", "cause", "for", "tokens", "balance"],
        rows=[
            [
                f"{line['at']:%Y-%m-%d %H:%M}",
                line["cause"],
                line["memo"],
                f"{'+' if line['tokens'] > 0 else ''}{money.shown(line['tokens'])}",
                money.shown(line["balance"]),
            ]
            for line in lines
        ],
        empty="Nothing has moved yet.",
        right=["tokens", "balance"],
    )


def _show_all(*, as_json: bool) -> None:
    from mintmark.tokens.models import Account

    # In one look: between two, a sale would make the sum another than 0.
    accounts = list(Account.objects.select_related("owner").order_by("-balance_micro", "id"))
    wallets = [
        (account.owner.name, account.owner.kind, account.balance_micro)
        for account in accounts
        if account.owner is not None
    ]
    of_the_house = {
        kind.value: sum(account.balance_micro for account in accounts if account.kind == kind)
        for kind in (Account.Kind.TREASURY, Account.Kind.ESCROW, Account.Kind.ISSUANCE)
    }
    total = sum(account.balance_micro for account in accounts)
    if as_json:
        output.print_json(
            {
                "wallets": [
                    {"holder": name, "kind": kind, "balance": output.exact(micro)}
                    for name, kind, micro in wallets
                ],
                **{kind: output.exact(micro) for kind, micro in of_the_house.items()},
                "sum": output.exact(total),
            }
        )
        return
    says = {
        "treasury": "fees of sales",
        "escrow": "prices that wait for their warranties",
        "issuance": "all that was ever issued, owed",
    }
    output.print_table(
        columns=["account", "", "tokens"],
        rows=[
            *[[name, kind, money.shown(micro)] for name, kind, micro in wallets],
            *[[kind, says[kind], money.shown(micro)] for kind, micro in of_the_house.items()],
            ["sum", "", money.shown(total)],
        ],
        empty="",
        right=["tokens"],
    )
