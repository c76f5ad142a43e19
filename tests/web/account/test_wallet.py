"""The wallet: what it holds, its statement and chart, and gifts from it."""

import csv
import io
import re
from typing import Any

import pytest
from django.test import Client

from mintmark.tokens.models import Account, Transfer
from mintmark.web.account import wallet, wallet_statement
from tests.factories.cast import person
from tests.factories.holdings_fixture import Holdings
from tests.web import markup
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def test_the_wallet_shows_balance_and_every_entry_in_plain_words(
    holdings: Holdings, buyer: Client
) -> None:
    page = pages.page(buyer, "/wallet")
    assert pages.held(holdings.cast.buyer) in pages.part(page, "holds")
    statement = pages.part(page, "statement-title")
    words = re.sub(r'<span class="visually-hidden">.*?</span>', "", statement)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", words))
    for line in (
        "sale buyers/incident-line@1 +17.1",
        "given to scout −6",
        "given to scout “for the week” −3",
        "bought acme/digest@1 receipt −3",
        "bought acme/incident-brief@1 receipt −12.5",
        "opening grant +100 100",
    ):
        assert line in text, line
    assert f"/market/receipts/{holdings.receipt.transfer}" in statement


def test_a_royalty_and_a_sale_are_told_apart_and_summed(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    theirs = pages.part(pages.page(seller, "/wallet"), "income")
    assert re.search(r"acme/digest@1</a>.*?<td>sale</td>.*?2\.85<", theirs, re.DOTALL)
    assert re.search(r"incident-line@1</a>.*?<td>royalty</td>.*?1\.9<", theirs, re.DOTALL)
    assert "4.75" in theirs.split("total</th>")[1]
    assert "17.1" in pages.part(pages.page(buyer, "/wallet"), "income")


def test_what_a_kept_warranty_pays_out_is_income_and_a_failed_one_comes_back(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    cast = holdings.cast
    assert "incident-brief" not in pages.part(pages.page(seller, "/wallet"), "income")
    cast.record(cast.outcome(score=0.7, prompt=holdings.brief.pk, runs=8), now=holdings.ago(days=1))
    holdings.market.decide_due_warranties(now=holdings.now)
    page = pages.page(seller, "/wallet")
    assert re.search(r"incident-brief@1</a>.*?11\.875<", pages.part(page, "income"), re.DOTALL)
    assert "paid out: the warranty was met" in page


def test_a_wallet_opens_with_its_grant_and_explains_it(holdings: Holdings) -> None:
    newcomer = holdings.scene.client(person("newcomer"))
    page = pages.page(newcomer, "/wallet")
    assert "opening grant" in page
    assert "Every new user gets 100 credits once" in page
    assert "You have no assistant" in page
    assert Transfer.objects.filter(cause=Transfer.Cause.GRANT).count() == 4


def test_an_empty_wallet_teaches_how_tokens_come_in(holdings: Holdings, settings: Any) -> None:
    settings.OPENING_GRANT_MICRO = 0
    page = pages.page(holdings.scene.client(person("newcomer")), "/wallet")
    assert "mintmark tokens mint newcomer" in page
    assert "No transfers yet" in page


def test_nobody_sees_the_wallet_of_another(holdings: Holdings, stranger: Client) -> None:
    page = pages.page(stranger, "/wallet?before=999999")
    for word in ("scout", "incident", "digest"):
        assert word not in page


def test_the_statement_pages_by_key_as_a_fragment_too(
    holdings: Holdings, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet, "LINES_PER_PAGE", 3)
    seen: list[str] = []
    path = "/wallet"
    while path:
        part = markup.read(buyer.get(path, headers={"HX-Request": "true"} if seen else {}))
        assert ("<html" in part) == (not seen)
        seen += re.findall(r'id="entry-(\d+)"', part)
        more = re.search(r'rel="next" href="([^"#]+)', part)
        path = more[1] if more else ""
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, key=int, reverse=True)


def test_the_statement_as_a_file_is_exact_and_sums_to_the_balance(
    holdings: Holdings, buyer: Client
) -> None:
    answer = buyer.get("/wallet/statement.csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 7
    micro = [round(float(row["amount_tokens"]) * 1e6) for row in rows]
    account = Account.objects.get(pk=holdings.caller(holdings.cast.buyer).principal.pk)
    assert sum(micro) == account.balance_micro
    assert rows[-1]["cause"] == "grant"
    assert rows[-2]["prompts"] == "acme/incident-brief@1"


def test_the_chart_has_a_table_twin_with_the_same_points(holdings: Holdings, buyer: Client) -> None:
    points = wallet_statement.list_balance_points(
        wallet=holdings.caller(holdings.cast.buyer).principal
    )
    page = pages.part(pages.page(buyer, "/wallet"), "over-time")
    assert page.count("<circle") == len(points)
    assert page.split("<tbody>")[1].count("<tr>") == len(points)


def test_a_gift_says_what_it_does_before_and_is_given_once(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    gift = {"move": f"give-{scout.pk}", "amount": "2.5", "memo": "more"}
    _, _, page = pages.post(buyer, "/wallet", do="look", **gift)
    assert "Give 2.5 credits to scout" in page
    assert "Balances after it: you 85.6, scout 16." in page
    assert pages.held(scout) == "13.5"
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key
    seen = {"do": "move", "key": key[1], "seen": f"give-{scout.pk} 2.5"}
    for _ in range(2):
        status, to, _ = pages.post(buyer, "/wallet", **gift, **seen)
        assert (status, to) == (302, "/wallet")
    assert pages.held(scout) == "16"
    assert "scout got 2.5 credits" in pages.page(buyer, "/wallet")


def test_a_gift_that_is_not_what_the_button_said_is_not_given(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    status, _, page = pages.post(
        buyer, "/wallet", do="move", move=f"give-{scout.pk}", amount="25", key="k", seen=f"give-{scout.pk} 2.5",
    )  # fmt: skip
    assert status == 422
    assert "The form was changed after the preview" in page
    assert "Give 25 credits to scout" in page
    assert pages.held(scout) == "13.5"


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "1e30", "0.0000001", "abc", "1000"])
def test_an_amount_that_cannot_be_given_is_refused_on_the_page(
    holdings: Holdings, buyer: Client, amount: str
) -> None:
    scout = holdings.cast.scout
    move = f"give-{scout.pk}"
    status, _, page = pages.post(
        buyer, "/wallet", do="move", move=move, amount=amount, key="k", seen=f"{move} {amount}"
    )
    assert status == 422
    assert 'class="alert"' in page
    assert pages.held(scout) == "13.5"


def test_what_an_assistant_has_not_spent_can_be_taken_back(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    move = f"take-{scout.pk}"
    status, _, _ = pages.post(
        buyer, "/wallet", do="move", move=move, amount="13.5", key="k", seen=f"{move} 13.5"
    )
    assert status == 302
    assert pages.held(scout) == "0"


def test_nobody_moves_tokens_of_an_assistant_of_others(holdings: Holdings, seller: Client) -> None:
    move = f"take-{holdings.cast.scout.pk}"
    status, _, page = pages.post(
        seller, "/wallet", do="move", move=move, amount="1", key="k", seen=f"{move} 1"
    )
    assert status == 422
    assert "Choose one of your assistants" in page
    assert pages.held(holdings.cast.scout) == "13.5"
