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
from mintmark.common import amounts, errors
from mintmark.deployments import mandates
from mintmark.deployments.models import Mandate
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.tokens import wallets
from mintmark.tokens.models import Account

from .. import csv_response, decorators, query_params
from ..charts import balance
from . import wallet_statement

LINES_PER_PAGE = 25
_ROWS_AT_ONCE = 500
GIVE, TAKE = "give", "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantWallet:
    """One of the caller's assistants: what it holds and may spend, in micro-tokens; and whether he operates it."""

    assistant: Assistant
    balance_micro: int
    mandate: Mandate
    is_operated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferForm:
    """Tokens about to move between the caller and one of his assistants, as typed. `seen` is what the button said when
    it was pressed; `key` makes the same press twice one gift."""

    direction: str
    assistant: int | None
    amount: str
    memo: str
    confirmed_fingerprint: str
    idempotency_key: str

    @property
    def move(self) -> str:
        """Which way to whom, as the form's choice has it."""
        return f"{self.direction}-{self.assistant}" if self.assistant is not None else ""

    @property
    def fingerprint(self) -> str:
        """What a button must have said for this gift to be meant."""
        return f"{self.move} {self.amount}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPreview:
    """What a gift would do: the amount, and both balances after it, in micro-tokens."""

    assistant: Assistant
    amount_micro: int
    own_after_micro: int
    its_after_micro: int


@decorators.form_view
def show_wallet(request: HttpRequest) -> HttpResponseBase:
    """`/wallet`, the next part of its statement, and the step before tokens are given."""
    caller, now = decorators.get_caller(request), timezone.now()
    wallet = wallets.get_or_open(principal=caller.principal, now=now)
    before = query_params.parse_integer(request.GET, "before")
    if before is not None and request.headers.get("HX-Request") == "true":
        return render(
            request, "web/wallet.html#statement", _build_statement(caller.principal, before)
        )
    assistant_wallets = _list_assistant_wallets(caller)
    form = _parse_form(request)
    preview, error_message = None, ""
    if form.amount:
        try:
            preview = preview_transfer(form, wallet=wallet, assistant_wallets=assistant_wallets)
        except errors.DomainError as error:
            error_message = error.message
    if request.method == "POST" and request.POST.get("do") == "move" and preview:
        if form.fingerprint == form.confirmed_fingerprint:
            try:
                _transfer(caller, form, preview, now=now)
            except errors.DomainError as error:
                error_message = error.message
            else:
                messages.success(request, _describe_transfer(form, preview))
                return redirect("wallet")
        else:
            error_message = (
                "The form was changed after the preview. Check the new preview and press again."
            )
    transfer_context = {
        "gift": form,
        "consequence": preview,
        "problem": error_message,
        "key": uuid.uuid4().hex,
    }
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/wallet.html#step", transfer_context)
    context = (
        build_context(caller, wallet=wallet, assistant_wallets=assistant_wallets, before=before)
        | transfer_context
    )
    return render(request, "web/wallet.html", context, status=422 if error_message else 200)


@decorators.get_view
def download_statement(request: HttpRequest) -> HttpResponseBase:
    """`/wallet/statement.csv`: every entry, newest first, exact."""
    principal = decorators.get_caller(request).principal
    return csv_response.build_csv_response(
        name="statement.csv", columns=FILE_COLUMNS, rows=_iterate_csv_rows(principal)
    )


def build_context(
    caller: Caller,
    *,
    wallet: Account,
    assistant_wallets: Sequence[AssistantWallet],
    before: int | None,
) -> dict[str, Any]:
    """All that the page shows of a wallet."""
    principal = caller.principal
    points = wallet_statement.list_balance_points(wallet=principal)
    income = wallet_statement.list_income(wallet=principal)
    return {
        "wallet": wallet,
        "grant_micro": settings.OPENING_GRANT_MICRO,
        "points": list(reversed(points)),
        "steps": balance.build_balance_chart(points=points),
        "income": income,
        "income_micro": sum(income_row.amount_micro for income_row in income),
        "holders": assistant_wallets,
        **_build_statement(principal, before),
    }


def preview_transfer(
    form: TransferForm, *, wallet: Account, assistant_wallets: Sequence[AssistantWallet]
) -> TransferPreview:
    """What a gift would do; refused where it could not be made."""
    amount_micro = amounts.to_micro(form.amount)
    assistant_wallet = next(
        (candidate for candidate in assistant_wallets if candidate.assistant.pk == form.assistant),
        None,
    )
    if assistant_wallet is None:
        raise errors.NotFound("Choose one of your assistants.")
    sign = 1 if form.direction == GIVE else -1
    own_after_micro = wallet.balance_micro - sign * amount_micro
    its_after_micro = assistant_wallet.balance_micro + sign * amount_micro
    if min(own_after_micro, its_after_micro) < 0:
        giver, balance_micro = (
            ("You have", wallet.balance_micro)
            if form.direction == GIVE
            else (f"{assistant_wallet.assistant} has", assistant_wallet.balance_micro)
        )
        raise amounts.InvalidAmount(
            f"{giver} {amounts.format_tokens(balance_micro)} credits. Enter at most this amount."
        )
    return TransferPreview(
        assistant=assistant_wallet.assistant,
        amount_micro=amount_micro,
        own_after_micro=own_after_micro,
        its_after_micro=its_after_micro,
    )


def _parse_form(request: HttpRequest) -> TransferForm:
    """The form as it was sent; an address may choose the assistant and the amount beforehand."""
    data = request.POST if request.method == "POST" else request.GET
    direction, _, number = data.get("move", "").partition("-")
    return TransferForm(
        direction=TAKE if direction == TAKE else GIVE,
        assistant=int(number)
        if number.isascii() and number.isdigit() and len(number) < 19
        else None,
        amount=data.get("amount", "").strip()[:64],
        memo=data.get("memo", "").strip(),
        confirmed_fingerprint=data.get("seen", ""),
        idempotency_key=data.get("key", ""),
    )


def _transfer(
    caller: Caller, form: TransferForm, preview: TransferPreview, *, now: datetime
) -> None:
    its = preview.assistant.principal
    wallets.give(
        caller=caller,
        recipient=its if form.direction == GIVE else caller.principal,
        source=None if form.direction == GIVE else its,
        amount_micro=preview.amount_micro,
        memo=form.memo,
        idempotency_key=form.idempotency_key,
        now=now,
    )


def _describe_transfer(form: TransferForm, preview: TransferPreview) -> str:
    amount = amounts.format_tokens(preview.amount_micro)
    if form.direction == GIVE:
        return f"{preview.assistant} got {amount} credits. You can take back what it has not spent."
    return f"You took {amount} credits back from {preview.assistant}."


def _list_assistant_wallets(caller: Caller) -> list[AssistantWallet]:
    own_assistants = assistants.list_own(caller=caller).select_related("principal").order_by("name")
    balances = dict(
        Account.objects.filter(pk__in=own_assistants.values("principal")).values_list(
            "pk", "balance_micro"
        )
    )
    return [
        AssistantWallet(
            assistant=assistant,
            balance_micro=balances.get(assistant.principal_id, 0),
            mandate=mandates.get_mandate(assistant=assistant),
            is_operated=caller.has_role(Role.OPERATOR, team_id=assistant.team_id),
        )
        for assistant in own_assistants
    ]


def _build_statement(principal: Principal, before: int | None) -> dict[str, Any]:
    fetched_entries = list(
        wallets.list_entries(principal=principal, before=before)[: LINES_PER_PAGE + 1]
    )
    shown_entries = fetched_entries[:LINES_PER_PAGE]
    return {
        "lines": wallet_statement.build_lines(entries=shown_entries, wallet=principal),
        "more": shown_entries[-1].pk if len(fetched_entries) > LINES_PER_PAGE else None,
        "before": before,
    }


FILE_COLUMNS = (
    "entry", "posted_at", "cause", "what", "prompts", "memo", "amount_tokens", "balance_tokens", "transfer",
)  # fmt: skip


def _iterate_csv_rows(principal: Principal) -> Iterator[Sequence[object]]:
    before: int | None = None
    while entries := list(wallets.list_entries(principal=principal, before=before)[:_ROWS_AT_ONCE]):
        for statement_line in wallet_statement.build_lines(entries=entries, wallet=principal):
            entry = statement_line.entry
            yield (
                entry.pk, entry.transfer.posted_at.isoformat(), entry.transfer.cause, statement_line.description,
                " ".join(prompt.reference for prompt in statement_line.prompts), entry.transfer.memo,
                amounts.to_tokens(entry.amount_micro), amounts.to_tokens(entry.balance_micro), entry.transfer_id,
            )  # fmt: skip
        before = entries[-1].pk
