"""Whatever a page does, an operation of the API does too: a button or a list without a row here fails the suite."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from mintmark.api import app, endpoints
from mintmark.web import urls
from tests.factories.web_scene import Scene

assert app.api  # the operations are declared when the door is built

TEMPLATES = Path(urls.__file__).parent / "templates/web"

# Each form of a page, by the name of the page's address and what its button says that it does, and the operation that
# does the same. What is written with a space is no operation but the reason why there is none.
BUTTONS = {
    "withdraw": "withdraw_injection",
    "put_back": "inject_prompt",
    "context": "set_mandate",
    "inject:inject": "inject_prompt",
    "inject:look": "list_gates",
    "rate": "rate_prompt",
    "fork:register": "fork_prompt",
    "fork:look": "predict_edit_trust",
    "list_prompt": "create_listing",
    "buy_listing": "create_purchase",
    "buy_set": "create_purchase",
    "manage_listing:reprice": "reprice_listing",
    "manage_listing:withdraw": "withdraw_listing",
    "manage_listing:revoke": "withdraw_prompt_permanently",
    "new_set": "create_prompt_set",
    "withdraw_set": "withdraw_prompt_set",
    "receipt_bundle": "download_purchase_bundle",
    "requests:buy": "confirm_purchase_request",
    "requests:decline": "decline_purchase_request",
    "wallet:move": "give_tokens",
    "wallet:look": "get_wallet",
    "new_vault:make": "create_vault",
    "new_vault:look": "get_prompt",
    "take_in": "upload_bundle",
    "import:accept": "accept_bundle_import",
    "import:refuse": "refuse_bundle_import",
    "vault_keys:make": "create_signing_key",
    "vault_keys:rotate": "rotate_signing_key",
    "vault_keys:revoke": "revoke_signing_key",
    "vault_keys:trust": "trust_key",
    "vault_keys:distrust": "revoke_trusted_key",
    "vault_keys:take": "apply_revocation_list",
    "countersign": "countersign_vault",
    "new_ritual": "load_ritual",
    "new_run:start": "start_run",
    "new_run:look": "get_ritual",
    "cancel_run": "cancel_run",
    "resume_run": "resume_run",
    "runner": "configure_runner",
    "runner:try": "check_runner",
    "memory:keep": "store_memory",
    "memory:forget": "forget_memory",
    "new_comparison:start": "start_comparison",
    "new_comparison:look": "list_comparisons",
    "stop_comparison": "stop_comparison",
    "resume_comparison": "resume_comparison",
    "codex": "check_text",
    "new_codex": "register_codex",
    "request_audit": "request_audit",
    "otel:save": "set_otlp_mapping",
    "otel:forget": "reset_otlp_counts",
    "webhooks": "create_webhook",
    "webhook:replay": "redeliver_webhook",
    "webhook:pause": "disable_webhook",
    "webhook:enable": "enable_webhook",
    "webhook:rotate": "rotate_webhook_secret",
    "webhook:remove": "remove_webhook",
    "login": "a key takes the place of a session",
    "logout": "a key takes the place of a session",
    "theme": "the look of this browser",
}
# An admin's form registers the next version of the rule set that binds everybody, where it is named so.
ALSO = ["change_default_codex"]

# Each page with something to read, and the operations that tell the same.
READS = {
    "start": ["list_prompts", "list_assistants", "list_prompt_scores", "get_status"],
    "reputation": [
        "get_reputation",
        "get_score_history",
        "get_lineage",
        "get_gains",
        "list_prompt_evidence",
        "list_prompt_assistants",
        "list_prompt_codices",
        "get_prompt_text",
        "get_prompt_diff",
        "list_labels",
    ],
    "evidence_file": ["export_evidence_csv"],
    "trust": ["get_trust_matrix", "get_heat_map", "get_wording_effects", "suggest_prompts"],
    "trust_file": ["get_trust_matrix"],
    "pair": ["explain_trust"],
    "context": ["get_assistant_context", "list_injections", "get_mandate"],
    "inject": ["list_gates"],
    "rate": ["list_prompt_evidence"],
    "fork": ["get_prompt_text", "get_prompt_diff", "predict_edit_trust", "get_foresight_record"],
    "list_prompt": ["get_prompt"],
    "market": ["search_listings"],
    "listing": ["get_listing"],
    "buy_listing": ["get_listing", "get_wallet"],
    "manage_listing": ["get_listing"],
    "sets": ["list_prompt_sets"],
    "new_set": ["search_listings"],
    "set": ["get_prompt_set"],
    "buy_set": ["get_prompt_set", "get_wallet"],
    "receipt": ["get_purchase"],
    "mine": ["list_purchases", "list_entitlements", "list_injections", "list_sales"],
    "requests": ["list_purchase_requests"],
    "wallet": ["get_wallet", "list_wallet_entries", "get_assistant_wallet"],
    "wallet_file": ["export_wallet_statement"],
    "vaults": ["list_vaults", "list_bundle_imports"],
    "new_vault": ["list_prompts"],
    "take_in": ["list_bundle_imports"],
    "import": ["get_bundle_import"],
    "vault_keys": ["list_signing_keys", "list_trusted_keys", "list_revocation_lists"],
    "withdrawals": ["get_revocation_list"],
    "vault": ["get_vault"],
    "vault_file": ["download_vault_file"],
    "vault_folder": ["download_vault_folder"],
    "rituals": ["list_rituals"],
    "reporters": ["list_reporters", "get_audit_policy"],
    "reporter": ["get_reporter", "list_verdicts"],
    "new_ritual": ["check_ritual"],
    "ritual": ["get_ritual"],
    "runs": ["list_runs"],
    "new_run": ["list_rituals", "list_assistants"],
    "run": ["get_run", "list_run_cases"],
    "runner": ["get_runner"],
    "memory": ["list_memories"],
    "comparisons": ["list_comparisons"],
    "new_comparison": ["list_rituals", "list_assistants"],
    "comparison": ["get_comparison"],
    "codices": ["list_codices", "get_default_codex"],
    "new_codex": ["check_text"],
    "codex": ["get_codex", "list_codex_prompts", "list_codex_assistants"],
    "otel": ["get_otlp_mapping", "list_otlp_counts"],
    "webhooks": ["list_webhooks"],
    "webhook": ["get_webhook", "list_webhook_deliveries"],
}
NOTHING_TO_READ = {
    "prompt": "leads to the reputation page",
    "about_scores": "says what the terms mean",
    "verify_bundle": "verifies in the browser, which uploads nothing",
    "login": "a form",
}

# Files, which are handed out however they are asked for.
HANDED_OUT = {"vault_file", "vault_folder", "withdrawals"}

# Forms that go to the page they are on, or to either of two.
_GOES_TO = {
    "buy.html": ("buy_listing", "buy_set"),
    "list_prompt.html": ("list_prompt",),
    "manage.html": ("manage_listing",),
    "new_comparison.html": ("new_comparison",),
    "new_run.html": ("new_run",),
    "new_set.html": ("new_set",),
    "sign_in.html": ("login",),
    "take_in.html": ("take_in",),
}
_FORM = re.compile(r"<form\b((?:[^>{]|{%.*?%}|{{.*?}})*)>(.*?)</form>", re.DOTALL)
_STEP = re.compile(r'name="(?:do|decision)"\s+value="(\w+)"')


def _buttons() -> set[str]:
    """Every form that the templates have, as `BUTTONS` names it."""
    found = set()
    for path in sorted(TEMPLATES.rglob("*.html")):
        for tag, inside in _FORM.findall(path.read_text()):
            if "post" not in tag:
                continue
            named = re.search(r"""action="{% (?:page_)?url '(\w+)'""", tag)
            targets = (named[1],) if named else _GOES_TO[path.name]
            steps = _STEP.findall(inside)
            for target in targets:
                found |= {f"{target}:{step}" for step in steps} or {target}
    return found


def _methods(client: Client) -> dict[str, set[str]]:
    """What each address takes, as it says itself."""
    found = {}
    for one in urls.urlpatterns:
        values = {name: "word" if name == "name" else 1 for name in one.pattern.converters}
        asking = Client() if one.name == "login" else client
        answer = asking.options(reverse(str(one.name), kwargs=values))
        found[str(one.name)] = set(answer.headers.get("Allow", "").split(", ")) - {"OPTIONS", ""}
    return found


def test_every_button_has_a_row_and_every_row_a_button() -> None:
    assert _buttons() == BUTTONS.keys()


@pytest.mark.django_db
def test_every_address_that_takes_something_is_among_them(scene: Scene) -> None:
    methods = _methods(scene.client(scene.cast.buyer))
    takes = {name for name, allowed in methods.items() if "POST" in allowed}
    assert takes - HANDED_OUT == {name.partition(":")[0] for name in BUTTONS}
    shows = {name for name, allowed in methods.items() if not allowed or "GET" in allowed}
    assert shows - NOTHING_TO_READ.keys() == READS.keys()
    assert NOTHING_TO_READ.keys() <= shows


def test_every_operation_that_is_named_exists() -> None:
    named = [operation for operation in BUTTONS.values() if " " not in operation] + ALSO
    named += [operation for operations in READS.values() for operation in operations]
    assert set(named) - {endpoint.operation_id for endpoint in endpoints.ENDPOINTS} == set()


def test_an_address_that_there_is_not_would_be_noticed() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("no_such_page")
