"""Trade over HTTP beside buying: search, put to work, warranties, forks, ratings, revocation."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mintmark.deployments.models import Injection
from mintmark.market.models import Warranty
from mintmark.registry import codices, prompts
from mintmark.registry.models import Entitlement, Prompt
from tests.factories.api_world import Caller, World

from .test_bad_input import problem, stored
from .test_purchases import balance, buy


def found(caller: Caller, query: str) -> list[str]:
    """The references of the listings that a search finds, in its order."""
    page = caller.get(f"/market/listings?{query}").json()
    return [item["prompt"]["reference"] for item in page["items"]]


def offered(world: World, name: str, price: str, **changes: Any) -> Any:
    """The answer to offering a new private prompt of `mint`."""
    row = prompts.register(
        draft=prompts.PromptDraft(
            namespace="mint", name=name, text=f"Text of {name}.", tags=[f"@{name}"]
        ),
        author=world.people["author"],
        team=world.mint,
    )
    body = {"prompt": row.pk, "price": price, "licence": "MIT"} | changes
    return world.as_("author").send("POST", "/market/listings", body)


SUMMARY, BRIEF = "mint/summary@1", "mint/brief@1"


def test_listings_are_found_by_words_tag_task_licence_price_and_warranty(
    folded_world: World,
) -> None:
    world = folded_world
    assert offered(world, "odd", "3", licence="CC-BY-4.0").status_code == 201
    caller = world.as_("stranger")
    for query, expected in (
        ("search=SUMM", {SUMMARY}),
        ("tag=@clarity%2B", {SUMMARY}),
        ("tag=@odd", {"mint/odd@1"}),
        (f"ritual={world.ritual.pk}", {SUMMARY, BRIEF}),
        ("licence=CC-BY-4.0", {"mint/odd@1"}),
        ("price_from=3.000001&price_to=4", {BRIEF}),
        ("warranty=true", {SUMMARY}),
        ("trust_from=1", set()),
        ("search=nothing", set()),
    ):
        assert set(found(caller, query)) == expected, query
    facets = caller.get("/market/listings").json()["facets"]
    assert {facet["value"]: facet["count"] for facet in facets["licences"]} == {"MIT": 2, "CC-BY-4.0": 1}  # fmt: skip
    none = caller.get("/market/listings?trust_from=1").json()
    assert (none["total"], none["facets"]["licences"]) == (0, [])


def test_the_text_is_not_searched(world: World) -> None:
    for word in ("Sum", "line.", "{text}"):
        assert found(world.as_("stranger"), f"search={word}") == (
            [SUMMARY] if word == "Sum" else []
        )


def test_every_order_is_paged_without_gaps(world: World) -> None:
    for n in range(5):
        offered(world, f"p{n}", f"{n % 3 + 1}.5")
    caller = world.as_("stranger")
    for order in ("trust", "adoption", "newest", "price", "-price"):
        path = f"/market/listings?order={order}&assistant={world.scout.pk}"
        whole = caller.get(path).json()
        pages, cursor = [], ""
        while True:
            page = caller.get(f"{path}&limit=2{cursor}").json()
            pages += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert [item["id"] for item in pages] == [item["id"] for item in whole["items"]], order
        assert len({item["id"] for item in pages}) == whole["total"] == 7
    prices = [float(item["price"]) for item in caller.get("/market/listings?order=price").json()["items"]]  # fmt: skip
    assert prices == sorted(prices)


def test_a_cursor_of_another_order_is_refused(world: World) -> None:
    caller = world.as_("stranger")
    cursor = caller.get("/market/listings?order=price&limit=1").json()["next_cursor"]
    for order in ("-price", "trust", "newest", "adoption"):
        path = f"/market/listings?order={order}&cursor={cursor}"
        problem(caller.get(path), 400, "invalid_cursor")


def test_a_card_says_what_the_caller_has_of_it(world: World) -> None:
    world.bought()
    cards = {
        who: world.as_(who).get(f"/market/listings/{world.listing_of_fork.pk}").json()
        for who in ("author", "stranger", "auditor")
    }
    assert {who: (card["is_own"], card["entitled"]) for who, card in cards.items()} == {
        "author": (True, True), "stranger": (False, True), "auditor": (False, False),
    }  # fmt: skip


def test_a_listing_parts_its_price_and_explains_its_scores(world: World) -> None:
    told = world.as_("stranger").get(f"/market/listings/{world.listing.pk}").json()
    assert [(share["role"], share["amount"]) for share in told["shares"]] == [
        ("fee", "0.625"), ("seller", "11.875"),
    ]  # fmt: skip
    metrics = told["metrics"]
    # scout has evidence and runs it, and is of the team that wrote it: nobody adopts their own.
    assert (metrics["adopters"], metrics["swarm"], metrics["swarm_adoption_score"]) == (0, 0, 0.0)
    assert told["swarm_adoption_score"] == metrics["swarm_adoption_score"]


BAD_OFFERS: list[tuple[dict[str, Any], int, str]] = [
    ({"licence": "Nobody-1.0"}, 422, "unknown_licence"),
    ({"royalty_bp": 5_001}, 422, "invalid_request"),
    ({"royalty_bp": -1}, 422, "invalid_request"),
    ({"royalty_bp": 10**400}, 422, "invalid_request"),
    ({"max_discount_bp": 9_001}, 422, "invalid_request"),
    ({"preview": "p" * 401}, 422, "invalid_request"),
    ({"prompt": 999_999}, 404, "not_found"),
    ({"prompt": "mint/open@1"}, 422, "invalid_listing"),
    ({"prompt": "mint/summary@1"}, 409, "already_listed"),
    ({"warranty": {"ritual": "nothing", "floor": 0.5, "runs": 1, "days": 1}}, 404, "not_found"),
    ({"warranty": {"ritual": "summaries", "floor": 0, "runs": 1, "days": 1}}, 422, "invalid_request"),
    ({"warranty": {"ritual": "summaries", "floor": 0.5, "runs": 1, "days": 366}}, 422, "invalid_request"),
    ({"warranty": {"ritual": "summaries", "floor": 0.5}}, 422, "invalid_request"),
]  # fmt: skip


def test_what_can_not_be_offered_is_refused(world: World) -> None:
    row = prompts.register(
        draft=prompts.PromptDraft(namespace="mint", name="new", text="New."),
        author=world.people["author"],
        team=world.mint,
    )
    before = stored()
    for changes, status, code in BAD_OFFERS:
        body = {"prompt": row.pk, "price": "1", "licence": "MIT"} | changes
        problem(world.as_("author").send("POST", "/market/listings", body), status, code)
    theirs = {"prompt": row.pk, "price": "1", "licence": "MIT"}
    problem(world.as_("stranger").send("POST", "/market/listings", theirs), 403, "forbidden")
    assert stored() == before


def test_what_is_not_owned_can_not_be_put_to_work(world: World) -> None:
    caller, path = world.as_("stranger"), f"/assistants/{world.outsider.pk}/injections"
    before = stored()
    for body in (
        {"prompt": world.prompt.pk},
        {"prompt": world.prompt.pk, "override_reason": "now"},
    ):
        refused = problem(caller.send("POST", path, body), 403, "gate_closed")
        assert "buy it first" in refused["detail"]
    theirs = f"/assistants/{world.scout.pk}/injections"
    problem(caller.send("POST", theirs, {"prompt": world.open_prompt.pk}), 403, "forbidden")
    assert stored() == before


def test_what_is_put_to_work_is_in_the_context_until_it_is_withdrawn(world: World) -> None:
    world.bought()
    operator, assistant = world.as_("stranger"), world.as_("outsider")
    context = f"/assistants/{world.outsider.pk}/context"
    empty = assistant.get(context)
    assert empty.json()["items"] == []
    body = {"prompt": world.fork.pk, "variables": {"text": "the news"}}
    made = operator.send("POST", f"/assistants/{world.outsider.pk}/injections", body)
    assert made.status_code == 201
    where = made["Location"].removeprefix("/api/v1")
    assert operator.get(where).json() == made.json()
    served = assistant.get(context, If_None_Match=empty["ETag"])
    assert [item["text"] for item in served.json()["items"]] == ["Sum up the news in a line."]
    problem(operator.send("DELETE", where), 422, "invalid_reason")
    for _ in range(2):  # the second time changes nothing
        assert operator.send("DELETE", f"{where}?reason=outdated").status_code == 204
    gone = assistant.get(context, If_None_Match=served["ETag"])
    assert (gone.status_code, gone.json()["items"]) == (200, [])
    history = operator.get(f"/assistants/{world.outsider.pk}/injections").json()["items"]
    assert [(row["end_reason"], row["ended_by"]) for row in history] == [("outdated", "stranger")]


def test_what_would_be_huge_once_it_is_filled_in_is_not_put_to_work(world: World) -> None:
    often = prompts.register(
        draft=prompts.PromptDraft(
            namespace="mint", name="often", text="{word} " * 1_000, is_open=True
        ),
        author=world.people["author"],
        team=world.mint,
    )
    operator, path = world.as_("stranger"), f"/assistants/{world.outsider.pk}/injections"
    before = stored()
    body = {"prompt": often.pk, "variables": {"word": "x" * 20_000}}
    refused = problem(operator.send("POST", path, body), 422, "invalid_injection")
    assert "20,001,000 characters" in refused["detail"]
    assert "at most 500,000" in refused["detail"]
    assert stored() == before
    body["variables"] = {"word": "x" * 499}
    assert operator.send("POST", path, body).status_code == 201


@pytest.mark.parametrize("step", ["revoked", "entombed"])
def test_what_is_taken_away_is_gone_at_the_next_request(world: World, step: str) -> None:
    world.bought()
    operator, assistant = world.as_("stranger"), world.as_("outsider")
    path = f"/assistants/{world.outsider.pk}"
    operator.send("POST", f"{path}/injections", {"prompt": world.fork.pk})
    assert len(assistant.get(f"{path}/context").json()["items"]) == 1
    if step == "revoked":
        held = Entitlement.objects.get(prompt=world.fork, team=world.rival)
        problem(world.as_("author").send("DELETE", f"/entitlements/{held.pk}?reason=x"), 403, "forbidden")  # fmt: skip
        taken = world.as_("admin").send("DELETE", f"/entitlements/{held.pk}?reason=fraud")
        assert taken.status_code == 204
    else:
        for reason in ("it leaks", "again"):
            path_of_it = f"/prompts/{world.fork.pk}/tombstone"
            put = world.as_("author").send("PUT", path_of_it, {"reason": reason})
            assert (put.status_code, put.json()["reason"]) == (200, "it leaks")
        assert BRIEF not in found(operator, "")
    assert assistant.get(f"{path}/context").json()["items"] == []
    problem(operator.get(f"/prompts/{world.fork.pk}/text"), 403, "forbidden")
    again = operator.send("POST", f"{path}/injections", {"prompt": world.fork.pk})
    problem(again, 403, "gate_closed")


def test_a_given_prompt_is_used_until_its_author_takes_it_back(world: World) -> None:
    author, caller = world.as_("author"), world.as_("stranger")
    path = f"/prompts/{world.fork.pk}/entitlements"
    given = author.send("POST", path, {"team": "rival", "reason": "a trial"})
    assert given.status_code == 201
    assert author.send("POST", path, {"team": "rival", "reason": "again"}).json() == given.json()
    assert caller.get(f"/prompts/{world.fork.pk}/text").status_code == 200
    problem(author.send("POST", path, {"team": "nobody", "reason": "x"}), 404, "not_found")
    problem(author.send("POST", path, {"team": "rival", "reason": ""}), 422, "invalid_reason")
    end = f"/entitlements/{given.json()['id']}"
    problem(caller.send("DELETE", f"{end}?reason=mine"), 403, "forbidden")
    assert author.send("DELETE", f"{end}?reason=over").status_code == 204
    problem(caller.get(f"/prompts/{world.fork.pk}/text"), 403, "forbidden")
    (row,) = author.get(path).json()["items"]
    assert (row["reason"], row["end_reason"]) == ("a trial", "over")


def test_an_operator_passes_by_a_gate_for_a_reason_that_is_kept(world: World) -> None:
    operator, path = world.as_("operator"), f"/assistants/{world.scout.pk}"
    mandate = {"per_purchase": "0", "per_day": "0", "trust_floor": 1.0}
    assert operator.send("PUT", f"{path}/mandate", mandate).status_code == 200
    gates = operator.get(f"/prompts/{world.fork.pk}/gates?assistant=scout").json()["items"]
    assert {gate["name"]: gate["open"] for gate in gates} == {
        "entitlement": True, "contract": True, "trust": False,
    }  # fmt: skip
    body = {"prompt": world.fork.pk, "slot": "brief"}
    problem(operator.send("POST", f"{path}/injections", body), 403, "gate_closed")
    with_reason = body | {"override_reason": "measured by hand"}
    problem(world.as_("scout").send("POST", f"{path}/injections", with_reason), 403, "gate_closed")
    made = operator.send("POST", f"{path}/injections", with_reason).json()
    assert (made["overridden"], made["override_reason"]) == (["trust"], "measured by hand")


def test_what_clauses_find_in_a_text_is_told_to_those_alone_who_may_use_it(world: World) -> None:
    clause = {
        "id": "probe", "text": "Says sum.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "not-contains", "value": "in a line"},
    }  # fmt: skip
    codices.register(name="probe", clauses=[clause]).assistants.add(world.outsider)
    caller, path = world.as_("stranger"), f"/prompts/{world.fork.pk}/gates?assistant=outsider"
    before = caller.get(path)
    assert "in a line" not in before.content.decode()
    body = {"prompt": world.fork.pk}
    refused = caller.send("POST", f"/assistants/{world.outsider.pk}/injections", body)
    assert "in a line" not in problem(refused, 403, "gate_closed")["detail"]
    world.bought()
    gates = {gate["name"]: gate for gate in caller.get(path).json()["items"]}
    assert "in a line" in gates["contract"]["message"]


@pytest.mark.parametrize(
    "changes",
    [{"slot": "Not A Slot"}, {"slot": ""}, {"variables": {"nothing": "x"}}, {"variables": {"text": "x" * 20_001}},
     {"variables": {"text": "a\u0000b"}}],
)  # fmt: skip
def test_an_injection_that_does_not_fit_is_refused(world: World, changes: dict[str, Any]) -> None:
    body = {"prompt": world.fork.pk} | changes
    answer = world.as_("operator").send("POST", f"/assistants/{world.scout.pk}/injections", body)
    holds_nul = "\0" in changes.get("variables", {}).get("text", "")
    problem(answer, 422, "invalid_request" if holds_nul else "invalid_injection")
    assert Injection.objects.count() == 1


def outcome(world: World, **changes: Any) -> dict[str, Any]:
    """What outsider measured of the prompt with a warranty (0.5 on 8 runs)."""
    return world.event_body(**({"assistant": "outsider", "runs": 8} | changes))


def test_outcomes_below_the_floor_refund_the_price_at_once(world: World) -> None:
    caller = world.as_("stranger")
    wanted = {"listing": world.listing.pk, "price": "12.5"}
    assert buy(caller, world, **wanted).status_code == 201
    assert balance(caller) == "87.5"
    caller.send("POST", "/evidence", outcome(world, score=0.25, runs=7, key="o1"))
    assert balance(caller) == "87.5"  # one run more decides
    caller.send("POST", "/evidence", [outcome(world, score=0.25, key="o2")])
    assert balance(caller) == "100"
    problem(caller.get(f"/prompts/{world.prompt.pk}/text"), 403, "forbidden")
    (bought,) = caller.get("/purchases").json()["items"]
    assert (bought["warranty"]["state"], bought["ended_at"] is None) == ("failed", False)
    told = caller.get(f"/market/listings/{world.listing.pk}").json()
    assert told["warranties"] == {"open": 0, "fulfilled": 0, "failed": 1}
    (dispute,) = told["disputes"]
    assert (dispute["team"], dispute["floor"], dispute["score"]) == ("rival", 0.5, 0.25)
    assert buy(caller, world, key="k2", **wanted).status_code == 201


def test_outcomes_above_the_floor_pay_the_seller(world: World) -> None:
    buy(world.as_("stranger"), world, listing=world.listing.pk, price="12.5")
    author = world.as_("author")
    assert balance(author) == "100"
    world.as_("outsider").send("POST", "/evidence", outcome(world, score=0.75))
    assert balance(author) == "100"  # what an assistant says of itself decides nothing
    world.as_("stranger").send("POST", "/evidence", outcome(world, score=0.75))
    assert balance(author) == "111.875"


def test_only_outcomes_ask_for_warranties_and_that_in_one_look(world: World) -> None:
    """Where none waits for what was measured."""
    caller = world.as_("operator")
    queries = []
    for kind in ("approval", "outcome"):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            caller.send("POST", "/evidence", world.event_body(kind=kind, key=kind))
        queries.append([q["sql"] for q in captured if Warranty._meta.db_table in q["sql"]])
    assert [len(found) for found in queries] == [0, 1]


def test_a_rating_takes_a_use_and_is_not_for_ones_own(world: World) -> None:
    caller, path = world.as_("stranger"), f"/prompts/{world.open_prompt.pk}/ratings"
    body, before = {"stars": 4, "tags": ["tone"], "note": "fine"}, stored()
    refused = caller.send("POST", path, body, Idempotency_Key="r1")
    assert "record an outcome first" in problem(refused, 403, "not_yours_to_rate")["detail"]
    own = world.as_("author").send("POST", path, body, Idempotency_Key="r1")
    problem(own, 403, "not_yours_to_rate")
    unbought = f"/prompts/{world.prompt.pk}/ratings"
    problem(caller.send("POST", unbought, body, Idempotency_Key="r1"), 403, "not_yours_to_rate")
    assert stored() == before

    world.used(world.open_prompt)
    made = caller.send("POST", path, body, Idempotency_Key="r1")
    assert made.status_code == 201
    event = caller.get(made["Location"].removeprefix("/api/v1")).json()
    assert (event["kind"], event["score"], event["note"], event["admissible"]) == (
        "rating", 0.75, "fine", True,
    )  # fmt: skip
    again = caller.send("POST", path, body, Idempotency_Key="r1")
    assert (again["Idempotent-Replayed"], again.json()["event"]) == ("true", event["id"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"stars": 0}, "invalid_request"), ({"stars": 6}, "invalid_request"), ({"stars": 4.5}, "invalid_request"),
     ({"stars": True}, "invalid_request"), ({"tags": ["t"] * 11}, "invalid_request"),
     ({"note": "n" * 401}, "invalid_request"), ({"tags": ["Not a tag"]}, "invalid_rating")],
)  # fmt: skip
def test_a_rating_that_does_not_fit_is_refused(
    world: World, changes: dict[str, Any], code: str
) -> None:
    world.used(world.open_prompt)
    path, body = f"/prompts/{world.open_prompt.pk}/ratings", {"stars": 4} | changes
    problem(world.as_("stranger").send("POST", path, body, Idempotency_Key="r"), 422, code)


def fork_body(**changes: Any) -> dict[str, Any]:
    return {
        "namespace": "rival",
        "name": "brief",
        "text": "Sum up {text}.",
        "changes": ["@length-"],
    } | changes


def test_a_fork_owes_what_was_agreed_and_its_sale_pays_it(world: World) -> None:
    caller = world.as_("stranger")
    buy(caller, world, listing=world.listing.pk, price="12.5")
    path = f"/prompts/{world.prompt.pk}/forks"
    body = fork_body(text="Sum up {text} twice.")
    made, again = (caller.send("POST", path, body, Idempotency_Key="f") for _ in range(2))
    assert (made.status_code, again.content) == (201, made.content)
    fork = made.json()
    assert [(term["holder"], term["rate_bp"]) for term in fork["owes"]] == [("author", 1_000)]
    assert (fork["derivation"], fork["parent"], fork["mutation_note"]) == (
        "fork", world.prompt.pk, "@length-",
    )  # fmt: skip
    body = {"prompt": fork["id"], "price": "20"}
    listing = caller.send("POST", "/market/listings", body).json()
    assert [(share["role"], share["amount"]) for share in listing["shares"]] == [
        ("fee", "1"), ("royalty", "1.9"), ("seller", "17.1"),
    ]  # fmt: skip
    author = world.as_("author")
    before = float(balance(author))
    third = {"listing": listing["id"], "price": "20", "team": "mint"}
    assert buy(world.as_("admin"), world, **third).status_code == 201
    assert float(balance(author)) == before + 1.9
    (newest, *_) = author.get("/wallets/me/entries").json()["items"]
    assert (newest["amount"], newest["cause"], newest["memo"]) == (
        "1.9", "purchase", "rival/brief@1",
    )  # fmt: skip


def test_a_fork_that_may_not_be_made_is_refused(world: World) -> None:
    caller = world.as_("stranger")
    closed = offered(world, "closed", "1", licence="").json()
    buy(caller, world, listing=closed["id"], price="1", key="c")
    world.bought()
    before = stored()
    for prompt, body, status, code in (
        (world.prompt.pk, fork_body(), 403, "forbidden"),
        (closed["prompt"]["id"], fork_body(), 403, "licence_forbids"),
        (world.fork.pk, fork_body(text=world.fork.text), 422, "invalid_fork"),
        (world.fork.pk, fork_body(changes=[]), 422, "invalid_fork"),
        (world.fork.pk, fork_body(changes=["clarity"]), 422, "invalid_fork"),
        (world.fork.pk, fork_body(text=" "), 422, "invalid_prompt"),
        (world.fork.pk, fork_body(forked_by="scout"), 403, "forbidden"),
        (world.fork.pk, fork_body(team="mint"), 403, "forbidden"),
        (world.fork.pk, fork_body(namespace="mint"), 403, "forbidden"),
    ):
        problem(caller.send("POST", f"/prompts/{prompt}/forks", body), status, code)
    assert stored() == before


def test_a_text_of_another_team_is_forked_where_its_terms_are_kept(world: World) -> None:
    world.bought()
    body = {"namespace": "rival", "name": "brief", "text": "Changed.", "parent": world.fork.pk}
    refused = problem(world.as_("stranger").send("POST", "/prompts", body), 403, "forbidden")
    assert f"/api/v1/prompts/{world.fork.pk}/forks" in refused["detail"]
    assert not Prompt.objects.filter(namespace="rival").exists()


def test_a_diff_is_shown_to_those_who_may_read_both_texts(world: World) -> None:
    lines = world.as_("author").get(f"/prompts/{world.fork.pk}/diff").json()["lines"]
    assert [(line["kind"], line["text"]) for line in lines if line["kind"] in "+-"] == [
        ("-", "Sum up {text}."), ("+", "Sum up {text} in a line."),
    ]  # fmt: skip
    world.bought()
    caller = world.as_("stranger")
    problem(caller.get(f"/prompts/{world.fork.pk}/diff"), 403, "forbidden")
    path = f"/prompts/{world.fork.pk}/diff?against={world.open_prompt.pk}"
    assert caller.get(path).json()["before"]["reference"] == "mint/open@1"
    rootless = caller.get(f"/prompts/{world.open_prompt.pk}/diff")
    assert problem(rootless, 422, "invalid_request")["places"][0]["place"] == "query.against"


def test_foresight_is_of_the_callers_own_assistants_unless_others_are_named(
    folded_world: World,
) -> None:
    world, path = folded_world, f"/prompts/{folded_world.prompt.pk}/foresight"
    caller, before = world.as_("author"), stored()
    told = caller.send("POST", path, {"text": "Sum up {text} in three bullet points."}).json()
    assert [item["assistant"]["name"] for item in told["items"]] == ["scout"]
    (item,) = told["items"]
    explained = (
        sum(effect["effect"] for effect in item["effects"]) + item["hashed"] + item["spread"]
    )
    assert explained == pytest.approx(item["change"]["value"], abs=1e-12)
    assert told["as_of"] == world.event
    named = {
        "text": "Sum it up.",
        "assistants": ["outsider", world.scout.pk],
        "ritual": "summaries",
    }
    told = caller.send("POST", path, named).json()
    assert [item["assistant"]["name"] for item in told["items"]] == ["outsider", "scout"]
    assert world.as_("admin").send("POST", path, {"text": "Sum it up."}).json()["items"] == []
    problem(caller.send("POST", path, {"text": " "}), 422, "invalid_prompt")
    problem(caller.send("POST", path, named | {"assistants": ["nobody"]}), 404, "not_found")
    assert stored() == before
    assert caller.get("/foresight").json()["record"] is None


def test_ids_that_are_not_the_callers_to_see_look_like_none(world: World) -> None:
    caller, transfer = world.as_("author"), world.bought()
    held = Entitlement.objects.get(prompt=world.fork, team=world.rival)
    other = world.as_("treasurer")
    for who, method, path in (
        (caller, "GET", "/purchases/{}"),
        (caller, "GET", "/purchase-requests/{}"),
        (caller, "POST", "/purchase-requests/{}/confirm"),
        (other, "GET", "/injections/{}"),
        (other, "DELETE", "/injections/{}?reason=x"),
        (other, "DELETE", "/entitlements/{}?reason=x"),
    ):
        there = {"purchases": transfer, "purchase-requests": world.request.pk, "injections": world.injection.pk,
                 "entitlements": held.pk}[path.split("/")[1]]  # fmt: skip
        seen = problem(who.send(method, path.format(there)), 404, "not_found")
        none = problem(who.send(method, path.format(999_999)), 404, "not_found")
        assert seen["detail"].replace(str(there), "N") == none["detail"].replace("999999", "N")


def test_sets_of_others_need_their_consent_to_a_discount(world: World) -> None:
    caller = world.as_("stranger")
    body = {"name": "mine", "title": "Mine", "prompts": [BRIEF], "discount_bp": 100}
    refused = problem(caller.send("POST", "/market/sets", body), 422, "invalid_prompt_set")
    assert "allows sets a discount of 0 percent" in refused["detail"]
    made = caller.send("POST", "/market/sets", body | {"discount_bp": 0})
    assert (made.status_code, made.json()["total"]) == (201, "4")
    again = caller.send("POST", "/market/sets", body | {"discount_bp": 0})
    problem(again, 422, "invalid_prompt_set")
    problem(caller.send("POST", "/market/sets", body | {"prompts": ["x/y"]}), 404, "not_found")
    names = [row["name"] for row in caller.get("/market/sets").json()["items"]]
    assert names == ["mine", "starter"]
