"""The page of one's wallet: what it holds, its statement, where income came from, and tokens for one's assistants."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Role
from mintmark.core import errors, money
from mintmark.market import mandates
from mintmark.market.models import Mandate
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.tokens import wallets
from mintmark.tokens.models import Account

from . import doors, files, parameters, statements
from .charts import balance

LINES_A_PAGE = 25
_ROWS_AT_ONCE = 500
GIVE, TAKE = "give", "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One of the caller's assistants: what it holds and may spend, in micro-tokens; and whether he operates it."""

    assistant: Assistant
    balance_micro: int
    mandate: Mandate
    is_operated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """Tokens about to move between the caller and one of his assistants, as typed. `seen` is what the button said when
    it was pressed; `key` makes the same press twice one gift."""

    way: str
    assistant: int | None
    amount: str
    memo: str
    seen: str
    key: str

    @property
    def move(self) -> str:
        """Which way to whom, as the form's choice has it."""
        return f"{self.way}-{self.assistant}" if self.assistant is not None else ""

    @property
    def says(self) -> str:
        """What a button must have said for this gift to be meant."""
        return f"{self.move} {self.amount}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What a gift would do: the amount, and both balances after it, in micro-tokens."""

    assistant: Assistant
    amount_micro: int
    mine_after_micro: int
    its_after_micro: int


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/wallet`, the next part of its statement, and the step before tokens are given."""
    caller, now = doors.caller(request), timezone.now()
    wallet = wallets.opened(principal=caller.principal, now=now)
    before = parameters.whole(request.GET, "before")
    if before is not None and request.headers.get("HX-Request") == "true":
        return render(request, "web/wallet.html#statement", _statement(caller.principal, before))
    holders = _holders(caller)
    gift = _typed(request)
    consequence, problem = None, ""
    if gift.amount:
        try:
            consequence = foretold(gift, wallet=wallet, holders=holders)
        except errors.Refusal as refusal:
            problem = refusal.message
    if request.method == "POST" and request.POST.get("do") == "move" and consequence:
        if gift.says == gift.seen:
            try:
                _move(caller, gift, consequence, now=now)
            except errors.Refusal as refusal:
                problem = refusal.message
            else:
                messages.success(request, _said(gift, consequence))
                return redirect("wallet")
        else:
            problem = (
                "Something else was typed since the button was made. Look again, then press it."
            )
    step = {"gift": gift, "consequence": consequence, "problem": problem, "key": uuid.uuid4().hex}
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/wallet.html#step", step)
    context = read(caller, wallet=wallet, holders=holders, before=before) | step
    return render(request, "web/wallet.html", context, status=422 if problem else 200)


@doors.page
def statement_file(request: HttpRequest) -> HttpResponseBase:
    """`/wallet/statement.csv`: every entry, newest first, exact."""
    principal = doors.caller(request).principal
    return files.table(name="statement.csv", columns=FILE_COLUMNS, rows=_file_rows(principal))


def read(
    caller: Caller, *, wallet: Account, holders: Sequence[Holder], before: int | None
) -> dict[str, Any]:
    """All that the page shows of a wallet."""
    principal = caller.principal
    points = statements.points(wallet=principal)
    income = statements.income(wallet=principal)
    return {
        "wallet": wallet,
        "grant_micro": settings.OPENING_GRANT_MICRO,
        "points": list(reversed(points)),
        "steps": balance.steps(points=points),
        "income": income,
        "income_micro": sum(one.amount_micro for one in income),
        "holders": holders,
        **_statement(principal, before),
    }


def foretold(gift: Gift, *, wallet: Account, holders: Sequence[Holder]) -> Consequence:
    """What a gift would do; refused where it could not be made."""
    amount_micro = money.micro(gift.amount)
    holder = next((one for one in holders if one.assistant.pk == gift.assistant), None)
    if holder is None:
        raise errors.NotFound("Choose one of your assistants.")
    sign = 1 if gift.way == GIVE else -1
    mine = wallet.balance_micro - sign * amount_micro
    its = holder.balance_micro + sign * amount_micro
    if min(mine, its) < 0:
        giver, held = (
            ("You hold", wallet.balance_micro)
            if gift.way == GIVE
            else (f"{holder.assistant} holds", holder.balance_micro)
        )
        raise money.InvalidAmount(f"{giver} {money.shown(held)} tokens; give no more than that.")
    return Consequence(
        assistant=holder.assistant,
        amount_micro=amount_micro,
        mine_after_micro=mine,
        its_after_micro=its,
    )


def _typed(request: HttpRequest) -> Gift:
    """The form as it was sent; an address may choose the assistant and the amount beforehand."""
    given = request.POST if request.method == "POST" else request.GET
    way, _, number = given.get("move", "").partition("-")
    return Gift(
        way=TAKE if way == TAKE else GIVE,
        assistant=int(number)
        if number.isascii() and number.isdigit() and len(number) < 19
        else None,
        amount=given.get("amount", "").strip()[:64],
        memo=given.get("memo", "").strip(),
        seen=given.get("seen", ""),
        key=given.get("key", ""),
    )


def _move(caller: Caller, gift: Gift, consequence: Consequence, *, now: datetime) -> None:
    its = consequence.assistant.principal
    wallets.give(
        caller=caller,
        to=its if gift.way == GIVE else caller.principal,
        source=None if gift.way == GIVE else its,
        amount_micro=consequence.amount_micro,
        memo=gift.memo,
        key=gift.key,
        now=now,
    )


def _said(gift: Gift, consequence: Consequence) -> str:
    amount = money.shown(consequence.amount_micro)
    if gift.way == GIVE:
        return f"{consequence.assistant} has {amount} tokens more. You can take back what it has not spent."
    return f"You took {amount} tokens back from {consequence.assistant}."


def _holders(caller: Caller) -> list[Holder]:
    mine = assistants.of_teams(caller=caller).select_related("principal").order_by("name")
    balances = dict(
        Account.objects.filter(pk__in=mine.values("principal")).values_list("pk", "balance_micro")
    )
    return [
        Holder(
            assistant=one,
            balance_micro=balances.get(one.principal_id, 0),
            mandate=mandates.of(assistant=one),
            is_operated=caller.has_role(Role.OPERATOR, team_id=one.team_id),
        )
        for one in mine
    ]


def _statement(principal: Principal, before: int | None) -> dict[str, Any]:
    found = list(wallets.statement(principal=principal, before=before)[: LINES_A_PAGE + 1])
    shown = found[:LINES_A_PAGE]
    return {
        "lines": statements.lines(entries=shown, wallet=principal),
        "more": shown[-1].pk if len(found) > LINES_A_PAGE else None,
        "before": before,
    }


FILE_COLUMNS = (
    "entry", "posted_at", "cause", "what", "prompts", "memo", "amount_tokens", "balance_tokens", "transfer",
)  # fmt: skip


def _file_rows(principal: Principal) -> Iterator[Sequence[object]]:
    before: int | None = None
    while entries := list(wallets.statement(principal=principal, before=before)[:_ROWS_AT_ONCE]):
        for line in statements.lines(entries=entries, wallet=principal):
            entry = line.entry
            yield (
                entry.pk, entry.transfer.posted_at.isoformat(), entry.transfer.cause, line.what,
                " ".join(prompt.reference for prompt in line.prompts), entry.transfer.memo,
                money.tokens(entry.amount_micro), money.tokens(entry.balance_micro), entry.transfer_id,
            )  # fmt: skip
        before = entries[-1].pk
