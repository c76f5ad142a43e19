"""Wallets over HTTP: what they hold, their statements, gifts, new tokens, and amounts that are none."""

import csv
import io
import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpResponse

from mintmark.accounts.models import User
from mintmark.registry import assistants
from tests.factories.api_world import Caller, World

from .test_bad_input import problem, stored


def give(caller: Caller, *, key: str = "g1", **changes: Any) -> HttpResponse:
    body = {"to": "outsider", "amount": "1.5", "memo": "thanks"} | changes
    return caller.send("POST", "/wallets/me/gifts", body, Idempotency_Key=key)


def rows(response: HttpResponse) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    text = response.getvalue().decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


def test_a_wallet_opens_at_the_first_look_with_the_grant(world: World) -> None:
    assert world.as_("stranger").get("/wallets/me").json()["balance"] == "100"
    assert world.as_("outsider").get("/wallets/me").json()["balance"] == "0"
    assert world.as_("operator").get(f"/assistants/{world.scout.pk}/wallet").json() == {
        "id": world.scout.principal_id, "holder": "scout", "balance": "0",
    }  # fmt: skip


def test_a_gift_moves_tokens_once(world: World) -> None:
    caller = world.as_("stranger")
    first, again = give(caller), give(caller)
    assert (first.status_code, first.json()["to"], first.json()["amount"]) == (
        201,
        "outsider",
        "1.5",
    )
    assert (again["Idempotent-Replayed"], again.content) == ("true", first.content)
    problem(give(caller, amount="2"), 409, "idempotency_key_reused")
    problem(give(caller, memo="another"), 409, "idempotency_key_reused")
    assert caller.get("/wallets/me").json()["balance"] == "98.5"
    (entry,) = caller.get(f"/assistants/{world.outsider.pk}/wallet/entries").json()["items"]
    assert (entry["amount"], entry["balance"], entry["cause"], entry["memo"]) == (
        "1.5", "1.5", "gift", "thanks",
    )  # fmt: skip


def test_an_operator_takes_tokens_back_from_his_assistant(world: World) -> None:
    world.funded("20")
    caller = world.as_("stranger")
    taken = give(caller, to="stranger", amount="5", source="outsider", memo="")
    assert (taken.status_code, caller.get("/wallets/me").json()["balance"]) == (201, "85")


def test_whom_a_gift_is_for_is_told_by_name_or_id(world: World) -> None:
    caller, before = world.as_("stranger"), stored()
    problem(give(caller, to="nobody"), 404, "not_found")
    problem(give(caller, to=999_999), 404, "not_found")
    problem(give(caller, source="nobody"), 404, "not_found")
    assert stored() == before
    assert give(caller, to=world.people["author"].pk, key="by id").json()["to"] == "author"
    User.objects.create(username="outsider")
    assert "person:outsider" in problem(give(caller, key="two"), 404, "not_found")["detail"]
    assert give(caller, to="assistant:outsider", key="three").status_code == 201


def test_a_gift_that_can_not_be_made_moves_nothing(world: World) -> None:
    caller = world.as_("stranger")
    caller.get("/wallets/me")
    world.funded("1")
    before = stored()
    problem(give(caller, to="stranger"), 422, "invalid_amount")
    problem(give(caller, amount="99.000001"), 409, "insufficient_funds")
    problem(give(caller, memo="two\nlines"), 422, "invalid_memo")
    problem(give(caller, source="scout"), 403, "forbidden")
    problem(give(world.as_("outsider"), to="stranger", amount="1"), 403, "forbidden")
    assert stored() == before


def test_a_treasurer_issues_tokens_for_a_reason(world: World) -> None:
    caller = world.as_("treasurer")
    body = {"to": "scout", "amount": "1000", "reason": "the quarter's budget"}
    first = caller.send("POST", "/wallets/mint", body, Idempotency_Key="q4")
    again = caller.send("POST", "/wallets/mint", body, Idempotency_Key="q4")
    assert (first.status_code, again["Idempotent-Replayed"]) == (201, "true")
    (entry,) = world.as_("scout").get("/wallets/me/entries").json()["items"]
    assert (entry["amount"], entry["cause"], entry["memo"]) == (
        "1000", "mint", "the quarter's budget",
    )  # fmt: skip
    nothing_said = caller.send("POST", "/wallets/mint", body | {"reason": " "}, Idempotency_Key="x")
    problem(nothing_said, 422, "invalid_memo")


def test_a_statement_is_paged_without_gaps_and_its_balances_follow(world: World) -> None:
    caller = world.as_("stranger")
    for n in range(7):
        give(caller, key=f"g{n}", amount=f"0.{n + 1}", memo=f"gift {n}")
    entries, cursor = [], ""
    while True:
        page = caller.get(f"/wallets/me/entries?limit=3{cursor}").json()
        entries += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [entry["memo"] for entry in entries] == [f"gift {n}" for n in reversed(range(7))] + [""]
    for newer, older in itertools.pairwise(entries):
        assert Decimal(newer["balance"]) == Decimal(older["balance"]) + Decimal(newer["amount"])


def test_the_statement_as_csv_says_the_same_and_runs_no_formula(world: World) -> None:
    caller = world.as_("stranger")
    for n in range(3):
        give(caller, key=f"g{n}", memo="=HYPERLINK(1)")
    response = caller.get("/wallets/me/entries.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="statement.csv"'
    found = rows(response)
    entries = caller.get("/wallets/me/entries").json()["items"]
    assert [int(row["entry"]) for row in found] == [entry["id"] for entry in entries]
    for row, entry in zip(found, entries, strict=True):
        assert Decimal(row["amount"]) == Decimal(entry["amount"])
        assert Decimal(row["balance"]) == Decimal(entry["balance"])
    assert [row["memo"] for row in found] == ["'=HYPERLINK(1)"] * 3 + [""]
    assert found[0]["amount"] == "-1.500000"


def test_a_statement_is_sent_again_only_when_it_grew(world: World) -> None:
    caller, path = world.as_("stranger"), "/wallets/me/entries.csv"
    assert rows(caller.get(path)) == []
    give(caller)
    first = caller.get(path)
    assert caller.get(path, If_None_Match=first["ETag"]).status_code == 304
    head = caller.send("HEAD", path)
    assert (head.status_code, head.getvalue(), head["ETag"]) == (200, b"", first["ETag"])  # type: ignore[attr-defined]
    give(caller, key="g2")
    assert caller.get(path, If_None_Match=first["ETag"]).status_code == 200


NO_AMOUNTS: list[Any] = [
    "NaN", "sNaN", "Infinity", "-Infinity", "-1", "-0.000001", "0", "0.0", "", " ", "1e30", "1" + "0" * 30, "9" * 61,
    "1000000000.000001", "0.0000001", "12,5", "twelve", "0x10", "1/2", 12.5, 12, True, None, ["1"], {"tokens": 1},
]  # fmt: skip


def test_an_amount_that_is_none_is_refused_with_its_place(world: World) -> None:
    author, treasurer = world.as_("author"), world.as_("treasurer")
    operator, listing = world.as_("operator"), world.listing.pk
    before = stored()
    for wrong in NO_AMOUNTS:
        for caller, method, path, body, place in (
            (author, "POST", "/market/listings", {"prompt": world.fork.pk, "price": wrong}, "price"),
            (author, "PUT", f"/market/listings/{listing}/price", {"price": wrong}, "price"),
            (author, "POST", "/purchases", {"listing": listing, "price": wrong}, "price"),
            (author, "POST", "/wallets/me/gifts", {"to": "outsider", "amount": wrong}, "amount"),
            (treasurer, "POST", "/wallets/mint", {"to": "scout", "amount": wrong, "reason": "r"}, "amount"),
            (operator, "PUT", f"/assistants/{world.scout.pk}/mandate",
             {"per_purchase": wrong, "per_day": "1"}, "per_purchase"),
        ):  # fmt: skip
            if wrong == "0" and place == "per_purchase":
                continue  # a mandate may allow nothing
            found = problem(
                caller.send(method, path, body, Idempotency_Key="k"), 422, "invalid_request"
            )
            assert [where["place"] for where in found["places"]] == [f"body.{place}"], (wrong, path)
    for raw in (b'{"price": NaN}', b'{"price": Infinity}'):
        problem(author.send("PUT", f"/market/listings/{listing}/price", raw), 400, "invalid_json")
    assert stored() == before


def test_a_bound_on_prices_that_is_none_is_refused_with_its_place(world: World) -> None:
    caller = world.as_("stranger")
    for wrong in ("NaN", "-1", "1e30", "x", "1" * 61, "0.0000001"):
        for name in ("price_from", "price_to"):
            found = problem(caller.get(f"/market/listings?{name}={wrong}"), 422, "invalid_request")
            assert [where["place"] for where in found["places"]] == [f"query.{name}"]
    for wrong in ("NaN", "-0.1", "1.1", "inf"):
        problem(caller.get(f"/market/listings?trust_from={wrong}"), 422, "invalid_request")


@pytest.mark.parametrize("price", ["0.000001", "0.1", "999999999.999999", "1000000000", "1e3"])
def test_a_price_is_kept_to_the_last_digit(world: World, price: str) -> None:
    path = f"/market/listings/{world.listing.pk}"
    put = world.as_("author").send("PUT", f"{path}/price", {"price": price})
    shown = json.loads(world.as_("stranger").get(path).content)["price"]
    assert Decimal(put.json()["price"]) == Decimal(shown) == Decimal(price)


def test_a_name_with_a_colon_is_a_name(world: World) -> None:
    assistants.register(name="team:bot", owner=world.people["operator"], team=world.mint)
    assert give(world.as_("stranger"), to="team:bot").json()["to"] == "team:bot"
