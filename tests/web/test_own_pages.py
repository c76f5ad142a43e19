"""The pages around what one owns: wallet, mine, requests, contexts, and the desks for injecting and rating."""

import csv
import io
import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from mintmark.accounts.models import User
from mintmark.core import kinds, money
from mintmark.evidence.models import Event
from mintmark.market import mandates
from mintmark.market.models import Injection, Purchase, PurchaseRequest, Warranty
from mintmark.registry.models import Assistant, Codex, Prompt
from mintmark.tokens import wallets
from mintmark.tokens.models import Account, Transfer
from mintmark.web import statements, wallet
from tests.cast import person
from tests.web.holdings import BRIEF, DIGEST, ESCALATE, FORK, Holdings

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.buyer)


@pytest.fixture
def seller(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.seller)


@pytest.fixture
def stranger(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.stranger)


def _page(client: Client, path: str, *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def _part(page: str, heading: str) -> str:
    """The section whose heading has this id."""
    return page.split(f'id="{heading}"')[1].split("</section>")[0]


def _post(client: Client, path: str, **sent: Any) -> tuple[int, str, str]:
    """Status, where it leads, and the page."""
    answer: HttpResponse = client.post(path, sent)  # type: ignore[assignment]
    return answer.status_code, answer.headers.get("Location", ""), answer.content.decode()


def _held(who: User | Assistant) -> str:
    principal = who.principal
    return money.shown(Account.objects.get(pk=principal.pk).balance_micro)


# The wallet


def test_the_wallet_shows_balance_and_every_entry_in_plain_words(
    holdings: Holdings, buyer: Client
) -> None:
    page = _page(buyer, "/wallet")
    assert _held(holdings.cast.buyer) in _part(page, "holds")
    statement = _part(page, "statement-title")
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
    theirs = _part(_page(seller, "/wallet"), "income")
    assert re.search(r"acme/digest@1</a>.*?<td>sale</td>.*?2\.85<", theirs, re.DOTALL)
    assert re.search(r"incident-line@1</a>.*?<td>royalty</td>.*?1\.9<", theirs, re.DOTALL)
    assert "4.75" in theirs.split("in all")[1]
    assert "17.1" in _part(_page(buyer, "/wallet"), "income")


def test_what_a_kept_warranty_pays_out_is_income_and_a_failed_one_comes_back(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    cast = holdings.cast
    assert "incident-brief" not in _part(_page(seller, "/wallet"), "income")
    cast.record(cast.outcome(score=0.7, prompt=holdings.brief.pk, runs=8), now=holdings.ago(days=1))
    holdings.market.settle(now=holdings.now)
    page = _page(seller, "/wallet")
    assert re.search(r"incident-brief@1</a>.*?11\.875<", _part(page, "income"), re.DOTALL)
    assert "paid out: the warranty was kept" in page


def test_a_wallet_opens_with_its_grant_and_explains_it(holdings: Holdings) -> None:
    newcomer = holdings.scene.client(person("newcomer"))
    page = _page(newcomer, "/wallet")
    assert "opening grant" in page
    assert "Everybody starts with 100 tokens, once" in page
    assert "You have no assistant" in page
    assert Transfer.objects.filter(cause=Transfer.Cause.GRANT).count() == 4


def test_an_empty_wallet_teaches_how_tokens_come_in(holdings: Holdings, settings: Any) -> None:
    settings.OPENING_GRANT_MICRO = 0
    page = _page(holdings.scene.client(person("newcomer")), "/wallet")
    assert "mintmark mint newcomer" in page
    assert "Nothing has moved yet" in page


def test_nobody_sees_the_wallet_of_another(holdings: Holdings, stranger: Client) -> None:
    page = _page(stranger, "/wallet?before=999999")
    for word in ("scout", "incident", "digest"):
        assert word not in page


def test_the_statement_pages_by_key_as_a_fragment_too(
    holdings: Holdings, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet, "LINES_A_PAGE", 3)
    seen: list[str] = []
    path = "/wallet"
    while path:
        part = buyer.get(path, headers={"HX-Request": "true"} if seen else {}).content.decode()
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
    points = statements.points(wallet=holdings.caller(holdings.cast.buyer).principal)
    page = _part(_page(buyer, "/wallet"), "over-time")
    assert page.count("<circle") == len(points)
    assert page.split("<tbody>")[1].count("<tr>") == len(points)


def test_a_gift_says_what_it_does_before_and_is_given_once(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    gift = {"move": f"give-{scout.pk}", "amount": "2.5", "memo": "more"}
    _, _, page = _post(buyer, "/wallet", do="look", **gift)
    assert "Give 2.5 tokens to scout" in page
    assert "After it you hold 85.6, scout 16." in page
    assert _held(scout) == "13.5"
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key
    seen = {"do": "move", "key": key[1], "seen": f"give-{scout.pk} 2.5"}
    for _ in range(2):
        status, to, _ = _post(buyer, "/wallet", **gift, **seen)
        assert (status, to) == (302, "/wallet")
    assert _held(scout) == "16"
    assert "scout has 2.5 tokens more" in _page(buyer, "/wallet")


def test_a_gift_that_is_not_what_the_button_said_is_not_given(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    status, _, page = _post(
        buyer, "/wallet", do="move", move=f"give-{scout.pk}", amount="25", key="k", seen=f"give-{scout.pk} 2.5",
    )  # fmt: skip
    assert status == 422
    assert "Something else was typed" in page
    assert "Give 25 tokens to scout" in page
    assert _held(scout) == "13.5"


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "1e30", "0.0000001", "abc", "1000"])
def test_an_amount_that_cannot_be_given_is_refused_on_the_page(
    holdings: Holdings, buyer: Client, amount: str
) -> None:
    scout = holdings.cast.scout
    move = f"give-{scout.pk}"
    status, _, page = _post(
        buyer, "/wallet", do="move", move=move, amount=amount, key="k", seen=f"{move} {amount}"
    )
    assert status == 422
    assert 'class="alert"' in page
    assert _held(scout) == "13.5"


def test_what_an_assistant_has_not_spent_can_be_taken_back(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    move = f"take-{scout.pk}"
    status, _, _ = _post(
        buyer, "/wallet", do="move", move=move, amount="13.5", key="k", seen=f"{move} 13.5"
    )
    assert status == 302
    assert _held(scout) == "0"


def test_nobody_moves_tokens_of_an_assistant_of_others(holdings: Holdings, seller: Client) -> None:
    move = f"take-{holdings.cast.scout.pk}"
    status, _, page = _post(
        seller, "/wallet", do="move", move=move, amount="1", key="k", seen=f"{move} 1"
    )
    assert status == 422
    assert "Choose one of your assistants" in page
    assert _held(holdings.cast.scout) == "13.5"


# Mine


def test_mine_lists_purchases_with_price_receipt_and_how_the_warranty_stands(
    holdings: Holdings, buyer: Client
) -> None:
    bought = _part(_page(buyer, "/market/mine"), "bought")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", bought))
    assert "mean 0.75, promised 0.60 · 12 of 20 runs on triage-cases · 8 days left" in text
    assert "none was given" in text
    assert "12.5" in text
    assert f"/market/receipts/{holdings.receipt.transfer}" in bought


def test_a_warranty_that_failed_says_what_came_back_and_the_use_is_gone(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    cast = holdings.cast
    cast.record(cast.outcome(score=0.0, prompt=holdings.brief.pk, runs=8), now=holdings.ago(days=1))
    holdings.market.settle(now=holdings.now)
    assert Warranty.objects.get().state == "failed"
    page = _page(buyer, "/market/mine")
    assert "Refunded" in _part(page, "bought")
    assert "incident-brief" not in _part(page, "usable")
    assert "incident-brief" not in _part(page, "at-work")
    assert "refunded: the warranty failed" in _page(buyer, "/wallet")
    assert "12.5" in _part(_page(seller, "/market/mine"), "selling")


def test_mine_lists_what_is_sold_with_what_buyers_paid_and_what_waits(
    holdings: Holdings, seller: Client, buyer: Client
) -> None:
    rows = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", _part(_page(seller, "/market/mine"), "selling"))
    )
    assert re.search(r"acme/incident-brief@1 12\.5 1 12\.5 12\.5 – on the market", rows)
    assert re.search(r"acme/escalate@1 9 0 0 – – on the market", rows)
    assert "buyers/incident-line@1" in _part(_page(buyer, "/market/mine"), "selling")


def test_each_list_of_mine_pages_by_its_own_place(
    holdings: Holdings, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.web.mine.ROWS_A_PAGE", 1)
    page = _page(buyer, "/market/mine")
    older = re.search(r'href="([^"#]+)#bought">Older', page)
    assert older
    next_page = _page(buyer, f"/market/mine{older[1]}")
    assert "incident-brief" in _part(next_page, "bought")
    assert "digest" not in _part(next_page, "bought")
    assert ">Newest</a>" in _part(next_page, "bought")
    assert "digest" in _part(next_page, "usable")


def test_a_stranger_owns_nothing_and_learns_the_next_step(
    holdings: Holdings, stranger: Client
) -> None:
    page = _page(stranger, "/market/mine")
    assert "Your teams have bought nothing" in page
    assert "incident" not in page
    assert "Nothing waits" in _page(stranger, "/market/requests")


# Requests


def test_a_request_says_its_price_and_the_wallet_it_comes_from(
    holdings: Holdings, buyer: Client
) -> None:
    page = _page(buyer, "/market/requests")
    assert "scout asks for" in page
    assert "Give it" not in page
    assert "wallet</button>" in page
    assert "Buy for 9 tokens from scout&#x27;s wallet" in page or (
        "Buy for 9 tokens from scout's wallet" in page
    )
    assert "4.5" in page
    assert "declined" in _part(page, "decided")


def test_a_request_is_bought_once(holdings: Holdings, buyer: Client) -> None:
    sent = {"request": holdings.request.pk, "decision": "buy"}
    status, to, _ = _post(buyer, "/market/requests", **sent)
    assert (status, to) == (302, "/market/requests")
    status, _, page = _post(buyer, "/market/requests", **sent)
    assert status == 422
    assert "was confirmed before" in page
    assert _held(holdings.cast.scout) == "4.5"
    assert Purchase.objects.filter(prompt=holdings.escalate).count() == 1


def test_a_declined_request_costs_nothing(holdings: Holdings, buyer: Client) -> None:
    status, _, _ = _post(buyer, "/market/requests", request=holdings.request.pk, decision="decline")
    assert status == 302
    assert PurchaseRequest.objects.get(pk=holdings.request.pk).state == "declined"
    assert _held(holdings.cast.scout) == "13.5"


def test_a_request_beyond_the_wallet_says_what_to_give_first(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    wallets.give(
        caller=holdings.caller(holdings.cast.buyer), source=scout.principal, memo="", key="back",
        to=holdings.caller(holdings.cast.buyer).principal, amount_micro=10_000_000, now=holdings.now,
    )  # fmt: skip
    page = _page(buyer, "/market/requests")
    link = re.search(r'href="(/wallet\?[^"#]+)', page)
    assert link
    assert "Buy for" not in page
    assert "Give 5.5 tokens to scout" in _page(buyer, link[1].replace("&amp;", "&"))
    status, _, page = _post(buyer, "/market/requests", request=holdings.request.pk, decision="buy")
    assert status == 422
    assert PurchaseRequest.objects.get(pk=holdings.request.pk).state == "waiting"


def test_a_request_whose_price_changed_cannot_be_bought(holdings: Holdings, buyer: Client) -> None:
    holdings.market.reprice(
        caller=holdings.caller(holdings.cast.seller),
        listing=holdings.escalate_listing,
        token_cost="10",
    )
    assert "It costs 10 tokens now" in _page(buyer, "/market/requests")
    status, _, page = _post(buyer, "/market/requests", request=holdings.request.pk, decision="buy")
    assert status == 422
    assert "costs 10 tokens now, not 9" in page
    assert _held(holdings.cast.scout) == "13.5"


def test_nobody_decides_for_the_assistants_of_others(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger):
        status, _, _ = _post(
            client, "/market/requests", request=holdings.request.pk, decision="buy"
        )
        assert status == 404
        assert "scout" not in _page(client, "/market/requests")
    assert _held(holdings.cast.scout) == "13.5"


# Contexts


def _context(holdings: Holdings) -> str:
    return f"/assistants/{holdings.cast.scout.pk}/context"


def test_a_context_shows_text_variables_since_when_by_whom_and_the_reason(
    holdings: Holdings, buyer: Client
) -> None:
    page = _page(buyer, _context(holdings))
    assert BRIEF.replace("{incident}", "#4711") in page
    assert "The digest is read by people anyway." in page
    assert "Put to work against trust." in page
    assert "scout fills in: <code>tickets</code>" in page
    assert "replaced by acme/incident-brief@1" in _part(page, "history-title")


def test_a_context_is_for_its_own_team_alone(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger, holdings.scene.client(holdings.cast.auditor)):
        page = _page(client, _context(holdings), status=403)
        part = client.get(f"{_context(holdings)}?before=99999", headers={"HX-Request": "true"})
        assert part.status_code == 403
        for body in (page, part.content.decode()):
            assert "brief" not in body
            assert "#4711" not in body


def test_what_can_no_longer_be_put_back_leads_to_the_gate_that_is_closed(
    holdings: Holdings, buyer: Client
) -> None:
    one = holdings.at_work
    _post(buyer, f"/injections/{one.pk}/withdraw")
    status, to, _ = _post(buyer, f"/injections/{one.pk}/put-back")
    assert status == 302
    page = _page(buyer, to)
    assert "scout asks for 0.90" in page
    assert "Override, and put it to work in scout, slot main" in page
    assert 'value="#4711"' in page


def test_a_withdrawal_offers_to_put_it_back_and_does(holdings: Holdings, buyer: Client) -> None:
    _post(buyer, _context(holdings), per_purchase="5", per_day="10", trust_floor="0.1")
    path = f"/injections/{holdings.at_work.pk}/withdraw"
    for _ in range(2):
        status, to, _ = _post(buyer, path, reason="")
        assert (status, to) == (302, f"{_context(holdings)}?withdrawn={holdings.at_work.pk}")
    page = _page(buyer, to)
    assert "acme/incident-brief@1 is out of scout" in page
    assert "#4711" not in page.split('id="history"')[0]
    back = re.search(r'action="(/injections/\d+/put-back)"', page)
    assert back
    for _ in range(2):
        assert _post(buyer, back[1])[:2] == (302, _context(holdings))
    assert "#4711" in _page(buyer, _context(holdings))
    assert "Put it back" not in _page(buyer, to)
    standing = Injection.objects.filter(prompt=holdings.brief, ended_at__isnull=True)
    assert standing.count() == 1


def test_what_was_overridden_is_put_back_with_its_reason(holdings: Holdings, buyer: Client) -> None:
    one = holdings.overridden
    _, to, _ = _post(buyer, f"/injections/{one.pk}/withdraw", back="mine")
    assert to == f"/market/mine?withdrawn={one.pk}"
    assert "Put it back" in _page(buyer, to)
    _post(buyer, f"/injections/{one.pk}/put-back", back="mine")
    again = Injection.objects.get(prompt=holdings.digest, ended_at__isnull=True)
    assert again.override_reason == one.override_reason


def test_nobody_withdraws_from_the_assistants_of_others(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger):
        assert _post(client, f"/injections/{holdings.at_work.pk}/withdraw")[0] == 403
        assert _post(client, f"/injections/{holdings.before.pk}/put-back")[0] == 403
        assert client.get(f"/injections/{holdings.at_work.pk}/withdraw").status_code == 405
    assert _post(stranger, "/injections/999999/withdraw")[0] == 404
    holdings.at_work.refresh_from_db()
    assert holdings.at_work.ended_at is None


def test_what_was_withdrawn_is_told_to_operators_of_that_assistant_alone(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    _, to, _ = _post(buyer, f"/injections/{holdings.at_work.pk}/withdraw", back="mine")
    assert "Put it back" not in _page(seller, to)


def test_an_operator_sets_what_an_assistant_may_do_by_itself(
    holdings: Holdings, buyer: Client
) -> None:
    sent = {"per_purchase": "7.5", "per_day": "0", "trust_floor": "0.25"}
    status, to, _ = _post(buyer, _context(holdings), **sent)
    assert (status, to) == (302, f"{_context(holdings)}#mandate")
    mandate = mandates.of(assistant=holdings.cast.scout)
    assert (mandate.per_purchase_micro, mandate.per_day_micro) == (7_500_000, 0)
    assert mandate.trust_floor == 0.25
    assert 'value="7.5"' in _page(buyer, _context(holdings))


@pytest.mark.parametrize(
    "wrong",
    [{"trust_floor": "2"}, {"trust_floor": "x"}, {"per_day": "-1"}, {"per_purchase": "NaN"}],
)
def test_limits_that_cannot_be_kept_are_refused_beside_what_was_typed(
    holdings: Holdings, buyer: Client, wrong: dict[str, str]
) -> None:
    sent = {"per_purchase": "7.5", "per_day": "9", "trust_floor": "0.25"} | wrong
    status, _, page = _post(buyer, _context(holdings), **sent)
    assert status == 422
    assert 'role="alert"' in page
    assert f'value="{next(iter(wrong.values()))}"' in page
    assert mandates.of(assistant=holdings.cast.scout).per_purchase_micro == 5_000_000


def test_nobody_sets_limits_for_the_assistants_of_others(
    holdings: Holdings, seller: Client
) -> None:
    sent = {"per_purchase": "7.5", "per_day": "9", "trust_floor": "0.25"}
    assert _post(seller, _context(holdings), **sent)[0] == 403


def test_the_trust_page_links_the_context_for_its_team_alone(
    holdings: Holdings, buyer: Client, stranger: Client
) -> None:
    path = f"/assistants/{holdings.cast.scout.pk}/trust"
    assert _context(holdings) in _page(buyer, path)
    assert _context(holdings) not in _page(stranger, path)


# Inject


def _inject(holdings: Holdings, prompt: Prompt, **more: str) -> dict[str, str]:
    scout = holdings.cast.scout
    slot = more.get("slot", "main")
    return {
        "do": "inject",
        "assistant": str(scout.pk),
        "slot": slot,
        "seen": f"{scout.pk} {slot}",
    } | more


def test_the_desk_shows_every_gate_and_what_is_replaced(holdings: Holdings, buyer: Client) -> None:
    scout = holdings.cast.scout
    page = _page(buyer, f"/prompts/{holdings.forked.pk}/inject?assistant={scout.pk}")
    assert "May its team use it?" in page
    assert "scout asks for 0.90" in page
    assert "no, but it may be overridden" in page
    assert "In the slot <strong>main</strong> stands" in page
    assert "in the place of acme/incident-brief@1" in page
    assert FORK not in page


def test_a_prompt_is_put_to_work_once_with_its_variables(holdings: Holdings, buyer: Client) -> None:
    sent = _inject(holdings, holdings.forked, slot="line", override_reason="tried by hand") | {
        "var.incident": "#12"
    }
    for _ in range(2):
        status, to, _ = _post(buyer, f"/prompts/{holdings.forked.pk}/inject", **sent)
        assert (status, to) == (302, _context(holdings))
    one = Injection.objects.get(prompt=holdings.forked)
    assert (one.slot, one.variables, one.overridden) == ("line", {"incident": "#12"}, ["trust"])
    assert "served from the next" in _page(buyer, _context(holdings))


def test_a_closed_gate_wants_a_reason(holdings: Holdings, buyer: Client) -> None:
    sent = _inject(holdings, holdings.forked)
    status, _, page = _post(buyer, f"/prompts/{holdings.forked.pk}/inject", **sent)
    assert status == 422
    assert "An operator may override this with a reason" in page
    assert not Injection.objects.filter(prompt=holdings.forked).exists()


def test_what_was_not_bought_cannot_be_put_to_work_and_its_clauses_tell_nothing(
    holdings: Holdings, buyer: Client
) -> None:
    spy = Codex.objects.create(
        name="spy",
        clauses=[
            {
                "id": "a", "text": "says wake", "severity": "block", "applies_to": "prompt",
                "check": {"kind": "not-contains", "value": "wake"},
            }
        ],
    )  # fmt: skip
    spy.assistants.add(holdings.cast.scout)
    path = f"/prompts/{holdings.escalate.pk}/inject"
    shown = _page(buyer, f"{path}?assistant={holdings.cast.scout.pk}")
    assert "buy it first" in shown
    assert "Buy it for 9 tokens" in shown
    assert 'value="inject"' not in shown
    status, _, page = _post(
        buyer, path, **_inject(holdings, holdings.escalate, override_reason="because")
    )
    assert status == 422
    for body in (shown, page):
        assert "says wake" not in body
        assert ESCALATE not in body


def test_another_assistant_than_the_button_said_is_looked_at_first(
    holdings: Holdings, buyer: Client
) -> None:
    sent = _inject(holdings, holdings.digest, slot="other") | {"seen": "1 main"}
    status, _, page = _post(buyer, f"/prompts/{holdings.digest.pk}/inject", **sent)
    assert status == 422
    assert "Something else was chosen" in page
    assert not Injection.objects.filter(slot="other").exists()


@pytest.mark.parametrize("slot", ["Main", "9", "a b", "x" * 65])
def test_a_slot_that_cannot_be_named_so_is_refused(
    holdings: Holdings, buyer: Client, slot: str
) -> None:
    sent = _inject(holdings, holdings.brief, slot=slot)
    status, _, page = _post(buyer, f"/prompts/{holdings.brief.pk}/inject", **sent)
    assert status == 422
    assert "use 1 to 64 of a-z" in page


def test_an_assistant_of_others_is_not_offered_and_not_taken(
    holdings: Holdings, buyer: Client, stranger: Client
) -> None:
    smith = holdings.cast.smith
    path = f"/prompts/{holdings.brief.pk}/inject"
    assert "smith" not in _page(buyer, f"{path}?assistant={smith.pk}")
    sent = _inject(holdings, holdings.brief) | {
        "assistant": str(smith.pk),
        "seen": f"{smith.pk} main",
    }
    assert _post(buyer, path, **sent)[0] == 422
    assert not Injection.objects.filter(assistant=smith).exists()
    assert "You operate no assistant" in _page(stranger, path)
    assert BRIEF not in _page(stranger, path)


def test_the_gates_come_as_a_fragment_while_one_chooses(holdings: Holdings, buyer: Client) -> None:
    answer = buyer.post(
        f"/prompts/{holdings.digest.pk}/inject",
        {"assistant": holdings.cast.scout.pk, "slot": "evening"},
        headers={"HX-Request": "true"},
    )
    part = answer.content.decode()
    assert "<html" not in part
    assert part.lstrip().startswith('<section class="sheet" id="look"')
    assert "It is at work in this slot already" in part


# Rate


def test_a_rating_is_recorded_once_and_the_next_takes_its_place(
    holdings: Holdings, buyer: Client
) -> None:
    path = f"/prompts/{holdings.brief.pk}/rate"
    key = re.search(r'name="key" value="(\w+)"', _page(buyer, path))
    assert key
    sent = {
        "stars": "4",
        "tag": ["@clarity+"],
        "more_tags": "german, @tone-",
        "note": "Good.",
        "key": key[1],
    }
    for _ in range(2):
        status, to, _ = _post(buyer, path, **sent)
        assert (status, to) == (302, f"/prompts/{holdings.brief.pk}/reputation")
    event = Event.objects.get(prompt=holdings.brief, kind=kinds.Kind.RATING)
    assert (event.score, event.tags, event.note) == (
        0.75,
        ["@clarity+", "german", "@tone-"],
        "Good.",
    )
    assert "You gave it 4 stars" in _page(buyer, path)


def test_the_page_says_that_ratings_are_held_to_measurement(
    holdings: Holdings, buyer: Client
) -> None:
    assert "at most a quarter" in _page(buyer, f"/prompts/{holdings.brief.pk}/rate")


@pytest.mark.parametrize(
    "wrong", [{"stars": ""}, {"stars": "6"}, {"more_tags": "NOT A TAG!"}, {"note": "x" * 401}]
)
def test_a_rating_that_cannot_be_kept_is_refused_beside_what_was_typed(
    holdings: Holdings, buyer: Client, wrong: dict[str, str]
) -> None:
    sent = {"stars": "4", "note": "Kept in the form.", "key": "k"} | wrong
    status, _, page = _post(buyer, f"/prompts/{holdings.brief.pk}/rate", **sent)
    assert status == 422
    assert 'role="alert"' in page
    assert not Event.objects.filter(prompt=holdings.brief, kind=kinds.Kind.RATING).exists()


def test_who_may_not_rate_is_told_why_and_what_to_do(
    holdings: Holdings, buyer: Client, seller: Client, stranger: Client
) -> None:
    own = _page(seller, f"/prompts/{holdings.brief.pk}/rate")
    assert "for others to rate" in own
    unused = _page(buyer, f"/prompts/{holdings.digest.pk}/rate")
    assert "record an outcome first" in unused
    assert "/api/v1/evidence" in unused
    unbought = _page(stranger, f"/prompts/{holdings.brief.pk}/rate")
    assert "Buy it for 12.5 tokens" in unbought
    for client, prompt in (
        (seller, holdings.brief),
        (buyer, holdings.digest),
        (stranger, holdings.brief),
    ):
        status, _, _ = _post(client, f"/prompts/{prompt.pk}/rate", stars="5", key="k")
        assert status == 422
    assert not Event.objects.filter(prompt=holdings.brief, kind=kinds.Kind.RATING).exists()


# The reputation's buttons


def test_the_buttons_fit_whoever_reads(
    holdings: Holdings, buyer: Client, seller: Client, stranger: Client
) -> None:
    path = f"/prompts/{holdings.brief.pk}"
    held = _page(buyer, f"{path}/reputation")
    assert f'href="{path}/inject"' in held
    assert f'href="{path}/rate"' in held
    assert "Buy for" not in held
    assert f"/market/prompts/{holdings.brief_listing.pk}" in held
    unbought = _page(stranger, f"{path}/reputation")
    assert "Buy for 12.5 tokens" in unbought
    assert f'href="{path}/inject"' not in unbought
    own = _page(seller, f"{path}/reputation")
    assert f'href="{path}/rate"' not in own
    assert "On the market for 12.5 tokens" in own


def test_an_author_is_offered_to_list_what_is_not_listed(
    holdings: Holdings, seller: Client, buyer: Client
) -> None:
    prompt = holdings.cast.written("acme/unlisted", "Weigh {coin} again.", is_open=False)
    assert f"/prompts/{prompt.pk}/list" in _page(seller, f"/prompts/{prompt.pk}/reputation")
    assert f"/prompts/{prompt.pk}/list" not in _page(buyer, f"/prompts/{prompt.pk}/reputation")


def test_what_was_withdrawn_for_good_offers_nothing(holdings: Holdings, buyer: Client) -> None:
    holdings.market.entomb(
        caller=holdings.caller(holdings.cast.seller), prompt=holdings.digest, reason="leaks names", now=holdings.now,
    )  # fmt: skip
    page = _page(buyer, f"/prompts/{holdings.digest.pk}/reputation")
    assert "Withdrawn for good: leaks names" in page
    assert 'id="ways"' not in page


# Who gets in, and what no page tells

PATHS = (
    "/wallet",
    "/wallet/statement.csv",
    "/market/mine",
    "/market/requests",
    "/assistants/{scout}/context",
    "/prompts/{brief}/inject",
    "/prompts/{brief}/rate",
    "/prompts/{brief}/fork",
)


def _paths(holdings: Holdings) -> list[str]:
    ids = {"scout": holdings.cast.scout.pk, "brief": holdings.brief.pk}
    return [path.format(**ids) for path in PATHS]


def test_nobody_sees_one_of_these_pages_without_signing_in(holdings: Holdings) -> None:
    client = holdings.scene.client(None)
    for path in _paths(holdings):
        assert client.get(path)["Location"].startswith("/sign-in?next=/"), path
        assert client.post(path)["Location"].startswith("/sign-in?next=/"), path
    assert client.post("/injections/1/withdraw")["Location"].startswith("/sign-in")


def test_no_page_tells_a_text_to_those_who_may_not_read_it(
    holdings: Holdings, stranger: Client
) -> None:
    texts = [BRIEF, DIGEST, ESCALATE, FORK]
    lines = [line for text in texts for line in text.splitlines() if len(line) > 20]
    guest = holdings.scene.client(holdings.guest)  # entitled to the fork alone
    for client, secret in (
        (stranger, lines),
        (guest, [DIGEST, ESCALATE, "Say in three sentences"]),
    ):
        for path in _paths(holdings):
            answer = client.get(path)
            body = (
                b"".join(answer.streaming_content)  # type: ignore[attr-defined]
                if answer.streaming
                else answer.content
            ).decode()
            assert not [line for line in secret if line in body], path


def test_no_page_of_these_holds_inline_style_or_script(holdings: Holdings, buyer: Client) -> None:
    for path in _paths(holdings):
        answer = buyer.get(path)
        if answer.streaming:
            continue
        page = answer.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick" not in page
        assert page.count("<script") == page.count("<script src=") > 0
