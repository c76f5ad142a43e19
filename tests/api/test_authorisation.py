"""Who may do what: one table, executed. An endpoint without a row fails the suite.

Every row is tried by everybody in the cast; beside that, each endpoint refuses whoever brings no key, a dead key, a key
without its scope, and a session without its CSRF token.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mintmark.accounts import keys
from mintmark.accounts.models import User
from mintmark.api import app, endpoints
from mintmark.market.models import Purchase
from mintmark.registry import prompts
from mintmark.signing import dsse
from tests.bundles import payloads
from tests.factories.api_world import (
    CLAUSE,
    PREFIX,
    RITUAL,
    Caller,
    World,
    from_elsewhere,
    withdrawals,
)

pytestmark = pytest.mark.both("smoke set: every endpoint")

assert app.api  # the endpoints are declared when the door is built

# operator and author belong to the team `mint`, as does scout; stranger (operator and author there) and outsider to the
# team `rival`; auditor, admin and treasurer to no team. scout and outsider are assistants with keys of their own.
KEY_OF_OTHERS = dsse.get_key_id(payloads.TEAM)
CAST = ("operator", "author", "auditor", "admin", "stranger", "scout", "outsider", "treasurer")


@dataclass(frozen=True)
class Row:
    """A request, and the status it gets from each of the cast, in the order of `CAST`."""

    name: str
    path: Callable[[World], str]
    statuses: tuple[int, ...]
    body: Callable[[World], Any] = lambda world: None


def read(name: str, path: Callable[[World], str]) -> Row:
    """What everybody may read who may read at all."""
    return Row(name, path, (200,) * len(CAST))


TABLE = [
    Row(
        "record_evidence",
        lambda w: "/evidence",
        (200, 403, 403, 200, 403, 200, 403, 403),
        lambda w: w.event_body(),
    ),
    Row(  # a rating in one's own name is everybody's to give; an assistant speaks of itself alone
        "record_evidence",
        lambda w: "/evidence",
        (200, 200, 200, 200, 200, 403, 403, 200),
        lambda w: w.event_body(kind="rating", assistant=None, ritual=None, runs=1),
    ),
    read("export_evidence_csv", lambda w: "/exports/evidence.csv"),
    read("export_evidence_parquet", lambda w: "/exports/evidence.parquet"),
    read("export_scores_csv", lambda w: "/exports/scores.csv"),
    read("export_scores_parquet", lambda w: "/exports/scores.parquet"),
    read("get_event", lambda w: f"/evidence/{w.event}"),
    Row(
        "request_audit",
        lambda w: f"/evidence/{w.claimed()}/audit",
        (201, 403, 403, 201, 403, 403, 403, 403),
    ),
    Row(  # the event can't be run again, which whoever may ask is told
        "request_audit",
        lambda w: f"/evidence/{w.event}/audit",
        (422, 403, 403, 422, 403, 403, 403, 403),
    ),
    read("list_reporters", lambda w: "/reporters"),
    read("get_reporter", lambda w: f"/reporters/{w.scout.team_id}"),
    Row(
        "list_verdicts",
        lambda w: f"/reporters/{w.scout.team_id}/verdicts",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    read("get_audit_policy", lambda w: "/audit-policy"),
    Row(
        "set_audit_policy",
        lambda w: "/audit-policy",
        (403, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"share": 0.01, "budgets": {"USD": 5_000_000}},
    ),
    read("list_prompts", lambda w: "/prompts"),
    read("find_prompt", lambda w: "/prompts/named?ref=mint/summary"),
    read("get_prompt", lambda w: f"/prompts/{w.prompt.pk}"),
    Row(
        "get_prompt_text",
        lambda w: f"/prompts/{w.prompt.pk}/text",
        (200, 200, 403, 200, 403, 200, 403, 403),
    ),
    read("get_prompt_text", lambda w: f"/prompts/{w.open_prompt.pk}/text"),
    Row(
        "register_prompt",
        lambda w: "/prompts",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: {"namespace": "mint", "name": "new", "text": "A new text.", "team": "mint"},
    ),
    Row(  # in the caller's own team, as a child of a text that only its team may read
        "register_prompt",
        lambda w: "/prompts",
        (403, 201, 403, 403, 403, 403, 403, 403),
        lambda w: {"namespace": "other", "name": "fork", "text": "Changed.", "parent": w.prompt.pk},
    ),
    Row(
        "list_near_copies",
        lambda w: f"/prompts/{w.prompt.pk}/near-copies",
        (200, 200, 403, 200, 403, 200, 403, 200),
    ),
    Row(
        "allow_copy",
        lambda w: f"/prompts/{w.open_prompt.pk}/near-copies",
        (403, 403, 403, 201, 403, 403, 403, 201),
        lambda w: {"original": w.copied(), "reason": "both quote the same manual"},
    ),
    Row(  # there is none to decide on, which whoever may decide is told
        "allow_copy",
        lambda w: f"/prompts/{w.prompt.pk}/near-copies",
        (403, 403, 403, 422, 403, 403, 403, 422),
        lambda w: {"original": w.open_prompt.pk, "reason": "both quote the same manual"},
    ),
    read("get_reputation", lambda w: f"/prompts/{w.prompt.pk}/reputation"),
    read("get_score_history", lambda w: f"/prompts/{w.prompt.pk}/history"),
    read("list_prompt_evidence", lambda w: f"/prompts/{w.prompt.pk}/evidence"),
    read("get_lineage", lambda w: f"/prompts/{w.prompt.pk}/lineage"),
    read("get_gains", lambda w: f"/prompts/{w.fork.pk}/gains"),
    read("list_prompt_scores", lambda w: "/standings"),
    read("list_assistants", lambda w: "/assistants"),
    read("find_assistant", lambda w: "/assistants/named?ref=scout"),
    read("get_assistant", lambda w: f"/assistants/{w.scout.pk}"),
    Row(
        "register_assistant",
        lambda w: "/assistants",
        (201, 403, 403, 201, 403, 403, 403, 403),
        lambda w: {"name": "new", "team": "mint"},
    ),
    read("get_trust_matrix", lambda w: f"/assistants/{w.scout.pk}/trust"),
    read("explain_trust", lambda w: f"/assistants/{w.scout.pk}/trust/{w.prompt.pk}"),
    read("get_wording_effects", lambda w: f"/assistants/{w.scout.pk}/wording"),
    read("suggest_prompts", lambda w: f"/assistants/{w.scout.pk}/suggestions"),
    read("rank_prompts", lambda w: "/ranking?assistant=scout&task=summaries"),
    read("list_prompt_assistants", lambda w: f"/prompts/{w.prompt.pk}/assistants"),
    read("get_heat_map", lambda w: f"/rituals/{w.ritual.pk}/heat-map"),
    read("list_rituals", lambda w: "/rituals"),
    read("find_ritual", lambda w: "/rituals/named?ref=summaries"),
    read("get_ritual", lambda w: f"/rituals/{w.ritual.pk}"),
    Row(
        "register_ritual",
        lambda w: "/rituals",
        (201, 403, 403, 201, 201, 403, 403, 403),
        lambda w: {"name": "new", "tag": "task:new"},
    ),
    read("list_codices", lambda w: "/codices"),
    read("find_codex", lambda w: "/codices/named?ref=house"),
    read("get_codex", lambda w: f"/codices/{w.codex.pk}"),
    Row(
        "register_codex",
        lambda w: "/codices",
        (201, 403, 403, 201, 201, 403, 403, 403),
        lambda w: {"name": "new", "clauses": [CLAUSE]},
    ),
    read("get_default_codex", lambda w: "/codices/default"),
    Row(
        "change_default_codex",
        lambda w: "/codices/default",
        (403, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"clauses": [CLAUSE]},
    ),
    Row(
        "check_text",
        lambda w: "/codices/check",
        (200,) * len(CAST),
        lambda w: {"codex": "default", "text": "Say hello."},
    ),
    Row(
        "check_ritual",
        lambda w: "/rituals/check",
        (200,) * len(CAST),
        lambda w: {"text": RITUAL},
    ),
    Row(
        "load_ritual",
        lambda w: "/rituals/load",
        (201, 403, 403, 201, 201, 403, 403, 403),
        lambda w: {"text": RITUAL},
    ),
    read("list_prompt_codices", lambda w: f"/prompts/{w.prompt.pk}/codices"),
    Row(
        "bind_prompt_codex",
        lambda w: f"/prompts/{w.prompt.pk}/codices",
        (403, 200, 403, 200, 403, 403, 403, 403),
        lambda w: {"codex": "house"},
    ),
    Row(
        "unbind_prompt_codex",
        lambda w: f"/prompts/{w.prompt.pk}/codices/{w.codex.pk}",
        (403, 204, 403, 204, 403, 403, 403, 403),
    ),
    read("list_codex_prompts", lambda w: f"/codices/{w.codex.pk}/prompts"),
    read("list_codex_assistants", lambda w: f"/codices/{w.codex.pk}/assistants"),
    read("list_assistant_codices", lambda w: f"/assistants/{w.scout.pk}/codices"),
    Row(  # not even by the assistant itself
        "bind_assistant_codex",
        lambda w: f"/assistants/{w.scout.pk}/codices",
        (200, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"codex": w.codex.pk},
    ),
    Row(
        "unbind_assistant_codex",
        lambda w: f"/assistants/{w.scout.pk}/codices/{w.codex.pk}",
        (204, 403, 403, 204, 403, 403, 403, 403),
    ),
    Row(
        "list_memories",
        lambda w: f"/assistants/{w.scout.pk}/memory",
        (200, 200, 403, 200, 403, 200, 403, 403),
    ),
    Row(
        "store_memory",
        lambda w: f"/assistants/{w.scout.pk}/memory/style",
        (200, 403, 403, 200, 403, 200, 403, 403),
        lambda w: {"text": "Answer briefly."},
    ),
    Row(
        "forget_memory",
        lambda w: f"/assistants/{w.scout.pk}/memory/style",
        (204, 403, 403, 204, 403, 204, 403, 403),
    ),
    Row(
        "get_runner",
        lambda w: f"/assistants/{w.reached()}/runner",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(  # nobody answers there
        "check_runner",
        lambda w: f"/assistants/{w.out_of_reach()}/runner/try",
        (200, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"seconds": 5},
    ),
    Row(
        "configure_runner",
        lambda w: f"/assistants/{w.scout.pk}/runner",
        (200, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"kind": "rehearsal"},
    ),
    read("list_runs", lambda w: "/runs"),
    Row(  # another team's run does not exist
        "get_run",
        lambda w: f"/runs/{w.run()}",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(
        "list_run_cases",
        lambda w: f"/runs/{w.run()}/cases",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(  # what is measured is recorded in a person's name
        "start_run",
        lambda w: "/runs",
        (201, 403, 403, 201, 403, 403, 403, 403),
        lambda w: {"ritual": w.runnable().pk, "prompt": w.prompt.pk, "assistant": "scout"},
    ),
    Row(
        "cancel_run",
        lambda w: f"/runs/{w.run()}/cancel",
        (200, 403, 404, 200, 404, 403, 404, 404),
    ),
    Row(
        "resume_run",
        lambda w: f"/runs/{w.run()}/resume",
        (200, 403, 404, 200, 404, 403, 404, 404),
        lambda w: {"cost_cap": "1.5"},
    ),
    read("list_comparisons", lambda w: "/comparisons"),
    Row(  # another team's comparison does not exist
        "get_comparison",
        lambda w: f"/comparisons/{w.comparison()}",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(
        "start_comparison",
        lambda w: "/comparisons",
        (201, 403, 403, 201, 403, 403, 403, 403),
        lambda w: {
            "ritual": w.runnable().pk,
            "first": w.prompt.pk,
            "second": w.open_prompt.pk,
            "assistant": "scout",
        },
    ),
    Row(
        "stop_comparison",
        lambda w: f"/comparisons/{w.comparison()}/stop",
        (200, 403, 404, 200, 404, 403, 404, 404),
    ),
    Row(
        "resume_comparison",
        lambda w: f"/comparisons/{w.comparison()}/resume",
        (200, 403, 404, 200, 404, 403, 404, 404),
        lambda w: {"most_pairs": 20, "cost_cap": None},
    ),
    read("list_labels", lambda w: "/labels?line=mint/summary"),
    read("list_label_moves", lambda w: "/labels/moves?line=mint/summary"),
    Row(
        "move_label",
        lambda w: "/labels/mint/summary/staging",
        (200, 200, 403, 200, 403, 403, 403, 403),
        lambda w: {"prompt": w.prompt.pk, "reason": "try it"},
    ),
    Row(
        "remove_label",
        lambda w: "/labels/mint/summary/production",
        (204, 204, 403, 204, 403, 403, 403, 403),
    ),
    read("search_listings", lambda w: f"/market/listings?assistant={w.scout.pk}"),
    read("get_listing", lambda w: f"/market/listings/{w.listing.pk}"),
    Row(
        "create_listing",
        lambda w: "/market/listings",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: {"prompt": _unlisted(w), "price": "3.25", "licence": "MIT", "royalty_bp": 500},
    ),
    Row(
        "reprice_listing",
        lambda w: f"/market/listings/{w.listing.pk}/price",
        (403, 200, 403, 200, 403, 403, 403, 403),
        lambda w: {"price": "13"},
    ),
    Row(
        "withdraw_listing",
        lambda w: f"/market/listings/{w.listing.pk}?reason=outdated",
        (403, 204, 403, 204, 403, 403, 403, 403),
    ),
    read("list_sales", lambda w: "/market/sales"),
    read("list_prompt_sets", lambda w: "/market/sets"),
    read("get_prompt_set", lambda w: "/market/sets/starter"),
    Row(
        "create_prompt_set",
        lambda w: "/market/sets",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: {"name": "fresh", "title": "Fresh", "prompts": [w.prompt.pk], "team": "mint"},
    ),
    Row(
        "withdraw_prompt_set",
        lambda w: "/market/sets/starter",
        (403, 204, 403, 204, 403, 403, 403, 403),
    ),
    read("list_purchases", lambda w: "/purchases"),
    Row(  # another team's receipt does not exist
        "get_purchase",
        lambda w: f"/purchases/{w.bought()}",
        (404, 404, 200, 200, 200, 404, 200, 404),
    ),
    Row(  # for the caller's own team: `mint` owns it already; outsider gets a request that waits
        "create_purchase",
        lambda w: "/purchases",
        (409, 409, 403, 403, 201, 409, 201, 403),
        lambda w: {"listing": w.listing.pk, "price": "12.5"},
    ),
    Row(
        "create_purchase",
        lambda w: "/purchases",
        (403, 403, 403, 201, 201, 403, 201, 403),
        lambda w: {"prompt_set": "starter", "price": "14.85", "team": "rival"},
    ),
    read("list_purchase_requests", lambda w: "/purchase-requests"),
    Row(
        "get_purchase_request",
        lambda w: f"/purchase-requests/{w.request.pk}",
        (404, 404, 404, 200, 200, 404, 200, 404),
    ),
    Row(
        "confirm_purchase_request",
        lambda w: f"/purchase-requests/{_payable(w)}/confirm",
        (404, 404, 404, 201, 201, 404, 403, 404),
    ),
    Row(
        "decline_purchase_request",
        lambda w: f"/purchase-requests/{w.request.pk}/decline",
        (404, 404, 404, 200, 200, 404, 403, 404),
    ),
    read("get_wallet", lambda w: "/wallets/me"),
    read("list_wallet_entries", lambda w: "/wallets/me/entries"),
    read("export_wallet_statement", lambda w: "/wallets/me/entries.csv"),
    Row(
        "get_assistant_wallet",
        lambda w: f"/assistants/{w.scout.pk}/wallet",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    Row(
        "list_assistant_wallet_entries",
        lambda w: f"/assistants/{w.scout.pk}/wallet/entries",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    Row(
        "give_tokens",
        lambda w: "/wallets/me/gifts",
        (201, 201, 201, 201, 201, 403, 403, 201),
        lambda w: {"to": "outsider", "amount": "1.5", "memo": "thanks"},
    ),
    Row(  # out of the wallet of an assistant: its operator's to do
        "give_tokens",
        lambda w: "/wallets/me/gifts",
        (403, 403, 403, 201, 201, 403, 403, 403),
        lambda w: {"to": "person:author", "amount": "1", "source": _funded(w)},
    ),
    Row(
        "mint_tokens",
        lambda w: "/wallets/mint",
        (403, 403, 403, 201, 403, 403, 403, 201),
        lambda w: {"to": "scout", "amount": "100", "reason": "the quarter's budget"},
    ),
    Row(
        "get_assistant_context",
        lambda w: f"/assistants/{w.scout.pk}/context",
        (200, 200, 403, 200, 403, 200, 403, 403),
    ),
    Row(
        "list_injections",
        lambda w: f"/assistants/{w.scout.pk}/injections",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    Row(  # an injection of another team does not exist
        "get_injection",
        lambda w: f"/injections/{w.injection.pk}",
        (200, 200, 200, 200, 404, 200, 404, 404),
    ),
    Row(
        "inject_prompt",
        lambda w: f"/assistants/{w.scout.pk}/injections",
        (201, 403, 403, 201, 403, 201, 403, 403),
        lambda w: {"prompt": w.fork.pk, "slot": "brief", "variables": {"text": "the news"}},
    ),
    Row(
        "withdraw_injection",
        lambda w: f"/injections/{w.injection.pk}?reason=outdated",
        (204, 403, 403, 204, 404, 204, 404, 404),
    ),
    Row(
        "list_gates",
        lambda w: f"/prompts/{w.prompt.pk}/gates?assistant=scout",
        (200, 200, 403, 200, 403, 200, 403, 403),
    ),
    Row(  # what stands in the way of one's own assistant
        "list_gates",
        lambda w: f"/prompts/{w.prompt.pk}/gates?assistant=outsider",
        (403, 403, 403, 200, 200, 403, 200, 403),
    ),
    Row(
        "get_mandate",
        lambda w: f"/assistants/{w.scout.pk}/mandate",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    Row(
        "set_mandate",
        lambda w: f"/assistants/{w.scout.pk}/mandate",
        (200, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"per_purchase": "10", "per_day": "20.5", "trust_floor": 0.25},
    ),
    Row(  # in the caller's own team
        "fork_prompt",
        lambda w: f"/prompts/{w.open_prompt.pk}/forks",
        (403, 201, 403, 403, 201, 403, 403, 403),
        lambda w: _fork("Say hello twice."),
    ),
    Row(  # of a text that one may not read
        "fork_prompt",
        lambda w: f"/prompts/{w.prompt.pk}/forks",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: _fork("Sum up {text} twice.", team="mint"),
    ),
    Row(
        "get_prompt_diff",
        lambda w: f"/prompts/{w.fork.pk}/diff",
        (200, 200, 403, 200, 403, 200, 403, 403),
    ),
    Row(  # only one of the two is the caller's to read
        "get_prompt_diff",
        lambda w: f"/prompts/{w.open_prompt.pk}/diff?against={w.prompt.pk}",
        (200, 200, 403, 200, 403, 200, 403, 403),
    ),
    Row(
        "predict_edit_trust",
        lambda w: f"/prompts/{w.prompt.pk}/foresight",
        (200, 200, 403, 200, 403, 200, 403, 403),
        lambda w: {
            "text": "Sum up {text} briefly.",
            "assistants": [w.scout.pk],
            "ritual": "summaries",
        },
    ),
    read("get_foresight_record", lambda w: "/foresight"),
    Row(  # those of `rival` alone have used it and did not write it
        "rate_prompt",
        lambda w: f"/prompts/{w.open_prompt.pk}/ratings",
        (403, 403, 403, 403, 201, 403, 201, 403),
        lambda w: _rating(w),
    ),
    Row(
        "list_prompt_entitlements",
        lambda w: f"/prompts/{w.open_prompt.pk}/entitlements",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    read("list_entitlements", lambda w: "/entitlements"),
    Row(
        "grant_entitlement",
        lambda w: f"/prompts/{w.fork.pk}/entitlements",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: {"team": "rival", "reason": "a trial"},
    ),
    Row(  # to those who are neither the prompt's team nor hold it, it does not exist
        "revoke_entitlement",
        lambda w: f"/entitlements/{w.entitlement.pk}?reason=over",
        (403, 204, 403, 204, 403, 403, 403, 404),
    ),
    Row(  # what was bought
        "revoke_entitlement",
        lambda w: f"/entitlements/{_entitlement_of(w.bought())}?reason=over",
        (403, 403, 403, 204, 403, 403, 403, 404),
    ),
    Row(
        "withdraw_prompt_permanently",
        lambda w: f"/prompts/{w.fork.pk}/tombstone",
        (403, 200, 403, 200, 403, 403, 403, 403),
        lambda w: {"reason": "it leaks"},
    ),
    read("list_vaults", lambda w: "/vaults"),
    Row(  # another team's bundle does not exist, for auditors neither
        "get_vault",
        lambda w: f"/vaults/{w.vault.pk}",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(
        "download_vault_file",
        lambda w: f"/vaults/{w.vault.pk}/file",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(
        "download_vault_folder",
        lambda w: f"/vaults/{w.vault.pk}/folder?kind=dotprompt",
        (200, 200, 404, 200, 404, 200, 404, 404),
    ),
    Row(
        "countersign_vault",
        lambda w: f"/vaults/{w.vault.pk}/countersign",
        (403, 200, 404, 200, 404, 403, 404, 404),
        lambda w: {"team": "mint"},
    ),
    Row(  # for the installation
        "countersign_vault",
        lambda w: f"/vaults/{w.vault.pk}/countersign",
        (403, 403, 404, 200, 404, 403, 404, 404),
        lambda w: {"team": None},
    ),
    Row(
        "create_vault",
        lambda w: "/vaults",
        (201, 201, 403, 201, 403, 403, 403, 403),
        lambda w: {"prompts": [w.fork.pk], "prompt_set": "starter", "team": "mint", "name": "all"},
    ),
    Row(  # a text that is another team's
        "create_vault",
        lambda w: "/vaults",
        (403, 403, 403, 403, 403, 403, 403, 403),
        lambda w: {"prompts": [w.prompt.pk], "team": "rival"},
    ),
    Row(
        "download_purchase_bundle",
        lambda w: f"/purchases/{w.bought()}/bundle",
        (404, 404, 404, 200, 200, 404, 200, 404),
    ),
    Row(
        "upload_bundle",
        lambda w: "/bundle-imports?team=mint",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: from_elsewhere("acme/other@1"),
    ),
    read("list_bundle_imports", lambda w: "/bundle-imports"),
    Row(
        "get_bundle_import",
        lambda w: f"/bundle-imports/{w.waiting.pk}",
        (200, 200, 200, 200, 404, 200, 404, 404),
    ),
    Row(
        "accept_bundle_import",
        lambda w: f"/bundle-imports/{w.waiting.pk}/accept",
        (403, 200, 403, 200, 404, 403, 404, 404),
        lambda w: {"reason": "we know them", "runs": 5, "namespace": "acme"},
    ),
    Row(  # to let its reputation weigh more than this installation is set to
        "accept_bundle_import",
        lambda w: f"/bundle-imports/{w.waiting.pk}/accept",
        (403, 403, 403, 200, 404, 403, 404, 404),
        lambda w: {"reason": "we know them", "runs": 500},
    ),
    Row(
        "refuse_bundle_import",
        lambda w: f"/bundle-imports/{w.waiting.pk}/refuse",
        (403, 200, 403, 200, 404, 403, 404, 404),
        lambda w: {"reason": "nobody asked for it"},
    ),
    read("list_signing_keys", lambda w: "/vault/keys"),
    Row(
        "create_signing_key",
        lambda w: "/vault/keys",
        (403, 201, 403, 201, 403, 403, 403, 403),
        lambda w: {"team": "mint", "note": "for exports"},
    ),
    Row(  # for the installation
        "create_signing_key",
        lambda w: "/vault/keys",
        (403, 403, 403, 201, 403, 403, 403, 403),
        lambda w: {"team": None},
    ),
    Row(
        "rotate_signing_key",
        lambda w: f"/vault/keys/{w.signing_key.key_id}/rotate",
        (403, 201, 403, 201, 404, 403, 404, 404),
    ),
    Row(
        "revoke_signing_key",
        lambda w: f"/vault/keys/{w.signing_key.key_id}/revoke",
        (403, 200, 403, 200, 404, 403, 404, 404),
        lambda w: {"reason": "it was in a backup"},
    ),
    read("list_trusted_keys", lambda w: "/vault/trusted-keys"),
    Row(
        "trust_key",
        lambda w: "/vault/trusted-keys",
        (403, 403, 403, 201, 403, 403, 403, 403),
        lambda w: {"key": KEY_OF_OTHERS, "name": "Acme, team", "reason": "compared by telephone"},
    ),
    Row(
        "revoke_trusted_key",
        lambda w: f"/vault/trusted-keys/{w.trusted_key.key_id}/revoke",
        (403, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"reason": "they lost it"},
    ),
    Row(
        "list_foreign_royalties",
        lambda w: "/royalties/foreign",
        (403, 403, 200, 200, 403, 403, 403, 200),
    ),
    Row(
        "record_foreign_payment",
        lambda w: f"/royalties/foreign/{w.owed()}/payments",
        (403, 403, 403, 201, 403, 403, 403, 201),
        lambda w: {"amount": "2", "reason": "bank transfer 17"},
    ),
    read("list_revocation_lists", lambda w: "/vault/revocation-list/taken"),
    read("get_revocation_list", lambda w: "/vault/revocation-list"),
    Row(
        "apply_revocation_list",
        lambda w: "/vault/revocation-list",
        (403, 403, 403, 201, 403, 403, 403, 403),
        lambda w: withdrawals(),
    ),
    Row(
        "ingest_otlp_logs",
        lambda w: "/otlp/v1/logs?team=mint",
        (200, 403, 403, 200, 403, 200, 403, 403),
        lambda w: {"resourceLogs": []},
    ),
    Row(
        "ingest_otlp_traces",
        lambda w: "/otlp/v1/traces?team=mint",
        (200, 403, 403, 200, 403, 200, 403, 403),
        lambda w: {"resourceSpans": []},
    ),
    Row(
        "get_otlp_mapping",
        lambda w: "/otlp/mapping?team=mint",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    Row(
        "set_otlp_mapping",
        lambda w: "/otlp/mapping?team=mint",
        (200, 403, 403, 200, 403, 403, 403, 403),
        lambda w: {"evaluations": {"Relevance": {"ritual": "summaries", "best": 5.0}}},
    ),
    Row(
        "list_otlp_counts",
        lambda w: "/otlp/arrivals?team=mint",
        (200, 200, 200, 200, 403, 200, 403, 403),
    ),
    Row(
        "reset_otlp_counts",
        lambda w: "/otlp/arrivals?team=mint",
        (204, 403, 403, 204, 403, 403, 403, 403),
    ),
    read("list_webhooks", lambda w: "/webhooks"),
    Row(
        "create_webhook",
        lambda w: "/webhooks",
        (201, 403, 403, 201, 403, 403, 403, 403),
        lambda w: {"url": "https://example.com/hooks", "kinds": ["sale"], "team": "mint"},
    ),
    Row(  # another team's webhook does not exist; an assistant sees none
        "rotate_webhook_secret",
        lambda w: f"/webhooks/{w.webhook()}/rotate",
        (201, 404, 403, 201, 404, 404, 404, 404),
    ),
    Row(
        "disable_webhook",
        lambda w: f"/webhooks/{w.webhook()}/disable",
        (200, 404, 403, 200, 404, 404, 404, 404),
        lambda w: {"reason": "the receiver moved"},
    ),
    Row(
        "enable_webhook",
        lambda w: f"/webhooks/{w.webhook(disabled=True)}/enable",
        (200, 404, 403, 200, 404, 404, 404, 404),
    ),
    Row(
        "remove_webhook",
        lambda w: f"/webhooks/{w.webhook()}",
        (204, 404, 403, 204, 404, 404, 404, 404),
    ),
    Row(
        "get_webhook",
        lambda w: f"/webhooks/{w.webhook()}",
        (200, 404, 200, 200, 404, 404, 404, 404),
    ),
    Row(
        "list_webhook_deliveries",
        lambda w: f"/webhooks/{w.webhook()}/deliveries",
        (200, 404, 200, 200, 404, 404, 404, 404),
    ),
    Row(
        "redeliver_webhook",
        lambda w: f"{w.told()}/replay",
        (200, 404, 403, 200, 404, 404, 404, 404),
    ),
    read("list_keys", lambda w: "/keys"),
    Row("issue_key", lambda w: "/keys", (201,) * len(CAST), lambda w: {"scopes": ["read"]}),
    Row(  # a key for an assistant
        "issue_key",
        lambda w: "/keys",
        (201, 403, 403, 201, 403, 201, 403, 403),
        lambda w: {"scopes": ["read"], "assistant": "scout"},
    ),
    Row(  # ending a key of an assistant; to others it does not exist
        "revoke_key",
        lambda w: f"/keys/{_key_of_scout(w)}",
        (204, 404, 404, 204, 404, 204, 404, 404),
    ),
    read("get_me", lambda w: "/me"),
    read("get_status", lambda w: "/status"),
    read("list_policies", lambda w: "/policies"),
    read("get_error", lambda w: "/errors/forbidden"),
]
# What is open to everybody, without a key.
OPEN = ("/openapi.json", "/docs", "/vault/revocation-list")

ENDPOINTS = {endpoint.operation_id: endpoint for endpoint in endpoints.ENDPOINTS}
WRITES = [row for row in TABLE if ENDPOINTS[row.name].method != "GET"]
GUARDED = [row for row in TABLE if ENDPOINTS[row.name].scope]


def _unlisted(world: World) -> int:
    """A prompt of `mint` that is not on the market."""
    return prompts.register(
        draft=prompts.PromptDraft(
            namespace="mint", name="unlisted", text="Sort {list}.", revision=1
        ),
        author=world.people["author"],
        team=world.mint,
    ).pk


def _payable(world: World) -> int:
    """The request of outsider, which can pay for it."""
    world.funded()
    return world.request.pk


def _funded(world: World) -> int:
    world.funded()
    return world.outsider.pk


def _fork(text: str, **changes: Any) -> dict[str, Any]:
    """A fork that may be made once, however often it is asked for."""
    return {"namespace": "forks", "name": "new", "text": text, "changes": ["@clarity+"]} | changes


def _rating(world: World) -> dict[str, Any]:
    world.used(world.open_prompt)
    return {"stars": 4, "tags": ["@clarity+"], "note": "does what it says"}


def _entitlement_of(transfer: int) -> int:
    return Purchase.objects.get(transfer=transfer).entitlement_id


def _key_of_scout(world: World) -> str:
    return keys.issue(principal=world.scout.principal, scopes=["read"]).key.prefix


def _id(row: Row) -> str:
    return f"{row.name}:{'-'.join(map(str, row.statuses))}"


def sent(world: World, row: Row, caller: Caller, **headers: str) -> HttpResponse:
    """The answer to a row's request, under a new key where the endpoint needs one."""
    endpoint = ENDPOINTS[row.name]
    path, body = row.path(world), row.body(world)
    if endpoint.requires_key:
        headers["Idempotency_Key"] = uuid.uuid4().hex
    return caller.send(endpoint.method, path, body, **headers)


def _tried(world: World, row: Row, caller: Caller) -> int:
    """The status of one attempt, which is undone."""
    with transaction.atomic():
        status = sent(world, row, caller).status_code
        transaction.set_rollback(True)
    return status


def test_every_endpoint_has_a_row() -> None:
    assert {row.name for row in TABLE} == ENDPOINTS.keys()


def test_no_two_endpoints_share_a_name_or_an_address() -> None:
    assert len(ENDPOINTS) == len(endpoints.ENDPOINTS)
    assert len({(e.method, e.path) for e in endpoints.ENDPOINTS}) == len(endpoints.ENDPOINTS)


@pytest.mark.parametrize("row", TABLE, ids=_id)
def test_each_of_the_cast_gets_what_the_table_says(world: World, row: Row) -> None:
    found = tuple(_tried(world, row, world.as_(who)) for who in CAST)
    assert dict(zip(CAST, found, strict=True)) == dict(zip(CAST, row.statuses, strict=True))


def test_without_a_live_key_there_is_nothing(world: World) -> None:
    admin, now = world.people["admin"], timezone.now()
    revoked = keys.issue(principal=admin, scopes=["admin"])
    keys.revoke(key=revoked.key, now=now)
    expired = keys.issue(principal=admin, scopes=["admin"], expires_at=now)
    for row in GUARDED:
        method, path, body = ENDPOINTS[row.name].method, row.path(world), row.body(world)
        for secret in (None, revoked.secret, expired.secret, "mm_00000000_guess", "", "ключ"):
            response = Caller(secret).send(method, path, body)
            assert response.status_code == 401, (row.name, secret)
            assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_key_without_the_scope_is_refused_whatever_its_holder_may(world: World) -> None:
    for row in GUARDED:
        wanted = ENDPOINTS[row.name].scope
        others = tuple(scope for scope in keys.SCOPES if scope not in (wanted, "admin"))
        assert _tried(world, row, world.as_("admin", scopes=others)) == 403, row.name


@pytest.mark.parametrize("row", WRITES, ids=_id)
def test_a_session_writes_with_its_csrf_token_alone(world: World, row: Row) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="admin"))
    session = Caller(None)
    session.client = client
    with transaction.atomic():
        refused = sent(world, row, session)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
        client.get(PREFIX + "/docs")
        token = client.cookies["csrftoken"].value
        accepted = sent(world, row, session, X_CSRFToken=token)
        assert accepted.status_code == row.statuses[CAST.index("admin")]
        transaction.set_rollback(True)


def test_a_session_reads(world: World) -> None:
    client = Client()
    client.force_login(User.objects.get(username="operator"))
    assert client.get(PREFIX + "/me").json()["name"] == "operator"


def test_a_dead_key_is_refused_though_a_session_stands_beside_it(world: World) -> None:
    client = Client()
    client.force_login(User.objects.get(username="admin"))
    response = client.get(PREFIX + "/me", headers={"Authorization": "Bearer mm_dead"})
    assert response.status_code == 401


@pytest.mark.parametrize("path", OPEN)
def test_what_describes_the_door_and_what_was_withdrawn_is_open(db: None, path: str) -> None:
    assert Client().get(PREFIX + path).status_code == 200


def test_nothing_else_is_open() -> None:
    assert {e.path for e in endpoints.ENDPOINTS if not e.scope} == {"/vault/revocation-list"}
