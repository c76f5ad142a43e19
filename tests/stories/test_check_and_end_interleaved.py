"""Check that it stands and add, against end all that stand: interleaved by hand, in both orders, for each pair.

See docs/adr/0014. In each order the second waits for the first. Added first: what was added is there to be ended. Ended
first: nothing is added.
"""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from django.db import connection, transaction

from mintmark.common import errors
from mintmark.deployments.injections import GateClosed
from mintmark.deployments.models import Injection, Mandate
from mintmark.market import audit, warranties
from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import (
    PromptSet,
    PromptTokenListing,
    Purchase,
    PurchaseRequest,
    Warranty,
)
from mintmark.registry import codices, contracts, entitlements, labels
from mintmark.registry.models import Entitlement, LabelMove, Prompt
from mintmark.rituals import definitions, dreamframes, leases, run_worker, runner_settings, runs
from mintmark.rituals.cost_budget import CostBudget
from mintmark.rituals.models import CaseRun, RitualRun
from mintmark.signing import bundles, revocation_list
from mintmark.signing.revocation_list import RevocationIssuer, RevokedPrompt
from mintmark.tokens import wallets
from mintmark.vault import bundle_store, keys, revocation_lists
from mintmark.vault.models import BundleImport, RevocationList
from mintmark.webhooks import endpoints, outbox
from mintmark.webhooks.models import Delivery
from tests.bundles import payloads
from tests.factories.market_fixture import Stall
from tests.interleaved import interleave
from tests.vault import remote_installation

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("emptied_past_the_triggers")]

ADDED, ENDED = "added first", "ended first"
orders = pytest.mark.parametrize("order", [ADDED, ENDED])
type Act = Callable[[], object]


@pytest.fixture
def stall(emptied_past_the_triggers: None, transactional_db: None) -> Stall:
    return Stall()


def _run(order: str, *, add: Act, end: Act) -> object:
    """Both, in this order; what the second gave, or its refusal."""
    return interleave(add, end) if order == ADDED else interleave(end, add)


def _refused(outcome: object, *kinds: type[errors.DomainError]) -> bool:
    return isinstance(outcome, kinds)


# What rests on a prompt that stands


def _entomb(stall: Stall) -> Act:
    prompt = Prompt.objects.get(pk=stall.prompt.pk)
    return lambda: stall.market.withdraw_permanently(
        caller=stall.as_(stall.admin), prompt=prompt, reason="harmful", now=stall.now
    )


def _inject(stall: Stall) -> Act:
    """The prompt as it was read before: nobody had withdrawn it."""
    prompt = Prompt.objects.get(pk=stall.prompt.pk)
    assert not hasattr(prompt, "tombstone")
    return lambda: stall.market.inject(
        caller=stall.as_(stall.cast.buyer), prompt=prompt, assistant=stall.cast.scout, now=stall.now
    )


def _buy(stall: Stall, listing: PromptTokenListing) -> Act:
    return lambda: stall.bought(listing)


def _at_work() -> int:
    return Injection.objects.filter(ended_at=None).count()


def _listed() -> int:
    return PromptTokenListing.objects.filter(withdrawn_at=None).count()


def _sound() -> None:
    assert [one for finding in audit.audit() for one in finding.broken] == []


@orders
def test_a_prompt_is_put_to_work_and_withdrawn_for_good(stall: Stall, order: str) -> None:
    stall.bought(stall.listed())
    second = _run(order, add=_inject(stall), end=_entomb(stall))
    assert _refused(second, GateClosed) == (order == ENDED)
    assert Injection.objects.count() == (order == ADDED)
    assert _at_work() == 0
    _sound()


@orders
def test_a_prompt_is_put_to_work_and_the_entitlement_revoked(stall: Stall, order: str) -> None:
    stall.bought(stall.listed())
    entitlement = Entitlement.objects.get()
    second = _run(
        order,
        add=_inject(stall),
        end=lambda: stall.market.revoke_entitlement(
            caller=stall.as_(stall.admin), entitlement=entitlement, reason="abused", now=stall.now
        ),
    )
    assert _refused(second, GateClosed) == (order == ENDED)
    assert _at_work() == 0


@orders
def test_a_prompt_is_put_to_work_and_its_price_goes_back(stall: Stall, order: str) -> None:
    stall.bought(stall.listed(warranty=_warranty(stall)))
    second = _run(
        order,
        add=_inject(stall),
        end=lambda: warranties.refund_open(
            prompt=stall.prompt, actor=stall.principal(stall.cast.seller), now=stall.now
        ),
    )
    assert _refused(second, GateClosed) == (order == ENDED)
    assert _at_work() == 0
    _sound()


@orders
def test_a_prompt_is_listed_and_withdrawn_for_good(stall: Stall, order: str) -> None:
    prompt = Prompt.objects.get(pk=stall.prompt.pk)
    assert not hasattr(prompt, "tombstone")
    second = _run(order, add=lambda: stall.listed(prompt), end=_entomb(stall))
    assert isinstance(second, errors.DomainError) == (order == ENDED)
    assert _listed() == 0
    _sound()


@orders
def test_a_prompt_is_bought_and_withdrawn_for_good(stall: Stall, order: str) -> None:
    listing = stall.listed(warranty=_warranty(stall))
    before = stall.balance(stall.cast.buyer)
    second = _run(order, add=_buy(stall, listing), end=_entomb(stall))
    assert getattr(second, "code", "") == ("price_changed" if order == ENDED else "")
    assert Purchase.objects.count() == (order == ADDED)
    assert not Warranty.objects.filter(state=Warranty.State.OPEN).exists()
    assert stall.balance(stall.cast.buyer) == before  # never charged, or given back
    _sound()


@orders
def test_a_prompt_is_bought_and_its_listing_withdrawn(stall: Stall, order: str) -> None:
    listing = stall.listed()
    second = _run(
        order,
        add=_buy(stall, listing),
        end=lambda: stall.market.withdraw_listing(
            caller=stall.as_(stall.cast.seller), listing=listing, reason="old", now=stall.now
        ),
    )
    assert getattr(second, "code", "") == ("price_changed" if order == ENDED else "")
    assert (Purchase.objects.count(), _listed()) == (order == ADDED, 0)


@orders
def test_a_prompt_is_bought_and_repriced(stall: Stall, order: str) -> None:
    listing = stall.listed()
    changed = PromptTokenListing.objects.get(pk=listing.pk)
    second = _run(
        order,
        add=_buy(stall, listing),
        end=lambda: stall.market.reprice(
            caller=stall.as_(stall.cast.seller), listing=changed, token_cost="11"
        ),
    )
    assert getattr(second, "code", "") == ("price_changed" if order == ENDED else "")
    assert Purchase.objects.count() == (order == ADDED)


@orders
def test_a_prompt_is_granted_and_withdrawn_for_good(stall: Stall, order: str) -> None:
    """Whoever had it when it was withdrawn is told."""
    endpoints.create(
        caller=stall.as_(stall.cast.buyer), team=stall.cast.buyers, url="https://example.com", kinds=[], note="",
        now=stall.now,
    )  # fmt: skip
    prompt = Prompt.objects.get(pk=stall.prompt.pk)
    _run(
        order,
        add=lambda: entitlements.grant(
            caller=stall.as_(stall.cast.seller),
            prompt=prompt,
            team=stall.cast.buyers,
            reason="gift",
        ),
        end=_entomb(stall),
    )
    assert Delivery.objects.filter(kind="prompt.revoked").count() == (order == ADDED)
    assert not entitlements.list_held_grants(team_ids={stall.cast.buyers.pk}).exists()


@orders
def test_a_prompt_is_forked_and_withdrawn_for_good(stall: Stall, order: str) -> None:
    stall.bought(stall.listed())
    parent = Prompt.objects.get(pk=stall.prompt.pk)
    assert not hasattr(parent, "tombstone")
    second = _run(order, add=lambda: stall.forked(parent), end=_entomb(stall))
    assert isinstance(second, errors.DomainError) == (order == ENDED)
    assert Prompt.objects.filter(parent=parent).count() == (order == ADDED)


@orders
def test_a_prompt_is_put_to_work_and_bound_by_a_contract(stall: Stall, order: str) -> None:
    stall.bought(stall.listed())
    codex = codices.register(name="house", clauses=[_no_secrets()])
    prompt = Prompt.objects.get(pk=stall.prompt.pk)
    second = _run(
        order,
        add=_inject(stall),
        end=lambda: contracts.bind(caller=stall.as_(stall.cast.seller), prompt=prompt, codex=codex),
    )
    assert _refused(second, GateClosed) == (order == ENDED)
    assert _at_work() == (order == ADDED)


# Sets


def _curate(stall: Stall) -> PromptSet:
    return stall.market.create_prompt_set(
        caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, name="starter", title="Starter",
        prompts=[stall.prompt], now=stall.now,
    )  # fmt: skip


@orders
def test_a_set_is_made_and_a_listing_in_it_withdrawn(stall: Stall, order: str) -> None:
    listing = stall.listed()
    second = _run(
        order,
        add=lambda: _curate(stall),
        end=lambda: stall.market.withdraw_listing(
            caller=stall.as_(stall.cast.seller), listing=listing, reason="old", now=stall.now
        ),
    )
    assert getattr(second, "code", "") == ("invalid_prompt_set" if order == ENDED else "")
    assert PromptSet.objects.count() == (order == ADDED)


@orders
def test_a_set_is_bought_and_withdrawn(stall: Stall, order: str) -> None:
    listing = stall.listed()
    made = _curate(stall)
    again = PromptSet.objects.get(pk=made.pk)
    second = _run(
        order,
        add=lambda: stall.bought(listing, listing=None, prompt_set=made),
        end=lambda: stall.market.withdraw_prompt_set(
            caller=stall.as_(stall.cast.seller), prompt_set=again, now=stall.now
        ),
    )
    assert getattr(second, "code", "") == ("price_changed" if order == ENDED else "")
    assert Purchase.objects.count() == (order == ADDED)


# What rests on an assistant


def _mandate(stall: Stall, *, purchase: int = 0, floor: float = 0.0) -> Act:
    return lambda: stall.market.set_mandate(
        caller=stall.as_(stall.cast.buyer), assistant=stall.cast.scout, per_purchase_micro=purchase,
        per_day_micro=100_000_000, trust_floor=floor, now=stall.now,
    )  # fmt: skip


@orders
def test_an_assistant_buys_and_its_mandate_is_lowered(stall: Stall, order: str) -> None:
    scout = stall.cast.scout
    _mandate(stall, purchase=50_000_000)()
    wallets.get_or_open(principal=scout.principal, now=stall.now)
    wallets.give(
        caller=stall.as_(stall.cast.buyer), recipient=scout.principal, amount_micro=50_000_000, memo="",
        idempotency_key="k", now=stall.now,
    )  # fmt: skip
    listing = stall.listed()
    second = _run(
        order,
        add=lambda: stall.asked(listing, by=scout),
        end=_mandate(stall, purchase=1),
    )
    assert isinstance(second, PurchaseRequest) == (order == ENDED)
    assert Purchase.objects.count() == (order == ADDED)
    assert Mandate.objects.get().per_purchase_micro == 1


@orders
def test_a_prompt_is_put_to_work_and_the_floor_of_trust_raised(stall: Stall, order: str) -> None:
    stall.bought(stall.listed())
    second = _run(order, add=_inject(stall), end=_mandate(stall, floor=0.9))
    assert _refused(second, GateClosed) == (order == ENDED)


@orders
def test_a_prompt_is_put_to_work_and_its_assistant_bound(stall: Stall, order: str) -> None:
    stall.bought(stall.listed())
    codex = codices.register(name="house", clauses=[_no_secrets()])
    second = _run(
        order,
        add=_inject(stall),
        end=lambda: contracts.bind_assistant(
            caller=stall.as_(stall.cast.buyer), assistant=stall.cast.scout, codex=codex
        ),
    )
    assert _refused(second, GateClosed) == (order == ENDED)


# Labels, webhooks, errands


def test_a_label_is_set_twice_for_the_first_time(stall: Stall) -> None:
    """The second move starts where the first one ended, though neither found a label."""
    later = stall.cast.written("acme/triage", "Sort {ticket}.", parent=stall.cast.prompt)

    def move(to: Prompt) -> Act:
        return lambda: labels.move(
            namespace="acme", name="triage", label="production", prompt=to,
            actor=stall.principal(stall.cast.seller), reason="", now=stall.now,
        )  # fmt: skip

    interleave(move(stall.cast.prompt), move(later))
    moves = LabelMove.objects.order_by("id").values_list("before", "after")
    assert list(moves) == [(None, stall.cast.prompt.pk), (stall.cast.prompt.pk, later.pk)]


@orders
def test_a_webhook_is_told_and_removed(stall: Stall, order: str) -> None:
    caller = stall.as_(stall.cast.seller)
    made = endpoints.create(
        caller=caller, team=stall.cast.sellers, url="https://example.com", kinds=[], note="", now=stall.now
    )  # fmt: skip
    _run(
        order,
        add=lambda: outbox.enqueue(
            kind="sale", team_ids=[stall.cast.sellers.pk], data={}, now=stall.now
        ),
        end=lambda: endpoints.remove(caller=caller, webhook=made.webhook, now=stall.now),
    )
    assert Delivery.objects.count() == 0


class _Board:
    """Where calls are submitted, and nobody answers."""

    def submit(self, work: Any) -> "Future[Any]":
        work.close()
        return Future()


@orders
def test_a_case_begins_and_its_run_is_cancelled(stall: Stall, order: str) -> None:
    run = _running(stall)
    work = run_worker._RunJob(
        job=run, executor=run_worker.prepare_run_executor(run), frames=dreamframes.load_frames(run=run),
        loop_thread=_Board(),  # type: ignore[arg-type]
        worker_id="worker", clock=lambda: stall.now, rng=random.Random(1), stop=threading.Event(),
        on_progress=lambda _: None, on_recorded=stall.market.decide_measured_warranties, at_once=1,
    )  # fmt: skip
    work.budget = CostBudget(cap_micro=None, spent_micro=0)
    piece = work.select_next_items()[0]
    _run(
        order,
        add=lambda: work._start_call(piece),
        end=lambda: leases.cancel(run, cancelled_by="buyer", now=stall.now),
    )
    assert not run.case_runs.filter(state=CaseRun.State.CALLING).exists()


# Bundles and keys


@orders
def test_a_bundle_is_taken_in_and_its_issuer_withdraws_it(stall: Stall, order: str) -> None:
    raw = remote_installation.file(
        payloads.prompt("acme/afar@1", text="From afar: weigh {ticket}.")
    )
    remote_installation.trusted(stall)
    row = remote_installation.received(stall, raw)
    told = bundles.verify(raw).bundle
    gone = revocation_list.build_list(
        issuer=RevocationIssuer(installation=told.issuer.installation, name=told.issuer.name),
        revoked=[
            RevokedPrompt(digest=one.digest, name=one.name, reason="wrong", at="2026-11-01T12:00:00.000000Z")
            for one in told.prompts
        ],
        revoked_keys=[],
    )  # fmt: skip
    listed = revocation_list.sign(gone, keys=[payloads.HOUSE]).to_bytes()
    _run(
        order,
        add=lambda: remote_installation.accepted(stall, row),
        end=lambda: stall.market.apply_revocation_list(
            caller=stall.as_(stall.admin), raw=listed, now=stall.now
        ),
    )
    state = BundleImport.State.ACCEPTED if order == ADDED else BundleImport.State.REFUSED
    assert BundleImport.objects.get().state == state
    digests = [one.digest for one in told.prompts]
    assert not Prompt.objects.filter(digest__in=digests, tombstone=None).exists()
    assert revocation_lists.list_not_yet_withdrawn(RevocationList.objects.get()) == []


@orders
def test_a_bundle_is_taken_in_and_its_key_revoked(stall: Stall, order: str) -> None:
    key = remote_installation.trusted(stall)
    row = remote_installation.received(stall, remote_installation.file())
    _run(
        order,
        add=lambda: remote_installation.accepted(stall, row),
        end=lambda: keys.distrust_key(
            caller=stall.as_(stall.admin), key=key, reason="stolen", now=stall.now
        ),
    )
    state = BundleImport.State.ACCEPTED if order == ADDED else BundleImport.State.REFUSED
    assert BundleImport.objects.get().state == state


@orders
def test_a_bundle_is_signed_and_the_key_revoked(stall: Stall, order: str) -> None:
    caller = stall.as_(stall.cast.seller)
    key = keys.generate_key(caller=caller, team=stall.cast.sellers, now=stall.now)
    vaults_made: list[Any] = []
    _run(
        order,
        add=lambda: vaults_made.append(
            stall.market.export_bundle(
                caller=caller, team=stall.cast.sellers, prompts=[stall.prompt], now=stall.now
            )
        ),
        end=lambda: keys.revoke_key(caller=caller, key=key, reason="lost", now=stall.now),
    )
    signed = bundles.verify(bundle_store.get_raw_file(vaults_made[0])).key_ids
    assert (key.key_id in signed) == (order == ADDED)


@orders
def test_a_team_vouches_and_the_key_it_trusts_is_revoked(stall: Stall, order: str) -> None:
    caller = stall.as_(stall.cast.buyer)
    keys.generate_key(caller=caller, team=stall.cast.buyers, now=stall.now)
    trusted = remote_installation.trusted(stall)
    raw = remote_installation.file()
    second = _run(
        order,
        add=lambda: bundle_store.countersign(
            caller=caller, vault_or_raw=raw, team=stall.cast.buyers, now=stall.now
        ),
        end=lambda: keys.distrust_key(
            caller=stall.as_(stall.admin), key=trusted, reason="stolen", now=stall.now
        ),
    )
    assert isinstance(second, errors.DomainError) == (order == ENDED)


def test_purchases_of_one_prompt_do_not_wait_for_each_other(stall: Stall) -> None:
    listing = stall.listed()
    buyer = stall.as_(stall.third)
    done = threading.Event()

    def other() -> None:
        try:
            stall.market.buy(
                caller=buyer, listing=listing.pk, price_micro=listing.price_micro, idempotency_key="k", now=stall.now,
            )  # fmt: skip
            done.set()
        finally:
            connection.close()

    thread = threading.Thread(target=other, daemon=True)
    with transaction.atomic():
        entitlements.lock_to_add(prompts=[stall.prompt])
        thread.start()
        thread.join(timeout=30)
        assert done.is_set()


def _warranty(stall: Stall) -> WarrantyTerms:
    return WarrantyTerms(ritual=stall.cast.triage, floor=0.6, runs=20, days=14)


def _no_secrets() -> dict[str, Any]:
    return {
        "id": "no-secrets", "text": "Names no secret.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "not-contains", "value": "secret"},
    }  # fmt: skip


def _running(stall: Stall) -> RitualRun:
    caller = stall.as_(stall.cast.buyer)
    runner_settings.configure(
        caller=caller, assistant=stall.cast.scout, setup=runner_settings.RunnerSettingsInput(kind="rehearsal"),
        now=stall.now,
    )  # fmt: skip
    ritual = definitions.load_ritual(
        text="name: urgency\ntag: task:triage\ncases:\n  - {id: a, vars: {ticket: x}, "
        "assert: [{type: icontains, value: x}]}\n"
    )
    runs.start(
        caller=caller, prompt=stall.cast.prompt, assistant=stall.cast.scout, ritual=ritual, now=stall.now
    )  # fmt: skip
    run = leases.acquire(RitualRun, worker_id="worker", now=stall.now)
    assert run is not None
    return run
