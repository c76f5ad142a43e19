"""The addresses of the pages."""

from django.contrib.auth import views as auth
from django.urls import path, register_converter

from . import about, home, theme
from .account import assistant_context, memories, otel, wallet, webhooks
from .market import (
    checkout,
    fork_editor,
    injection_form,
    listing,
    listing_forms,
    my_market,
    prompt_sets,
    prompts,
    purchase_requests,
    rating_form,
    receipt,
)
from .measuring import codices, comparison_form, comparisons, rituals, run_form, runners, runs
from .scores import pair_explanation, reporters, reputation, trust
from .vault import bundle_detail, bundle_form, bundle_imports, bundle_list, bundle_verifier, keys


class IdConverter:
    """A number that a database's 64 bits can hold."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(IdConverter, "id")

urlpatterns = [
    path("", home.show_home, name="start"),
    path("prompts/<id:prompt_id>/", reputation.redirect_to_reputation, name="prompt"),
    path("prompts/<id:prompt_id>/reputation", reputation.show_reputation, name="reputation"),
    path("prompts/<id:prompt_id>/evidence.csv", reputation.download_evidence, name="evidence_file"),
    path("assistants/<id:assistant_id>/trust", trust.show_trust, name="trust"),
    path("assistants/<id:assistant_id>/trust.csv", trust.download_matrix, name="trust_file"),
    path(
        "assistants/<id:assistant_id>/trust/<id:prompt_id>",
        pair_explanation.explain_pair,
        name="pair",
    ),
    path("assistants/<id:assistant_id>/context", assistant_context.show_context, name="context"),
    path(
        "injections/<id:injection_id>/withdraw",
        assistant_context.withdraw_injection,
        name="withdraw",
    ),
    path(
        "injections/<id:injection_id>/put-back",
        assistant_context.restore_injection,
        name="put_back",
    ),
    path("prompts/<id:prompt_id>/inject", injection_form.inject_prompt, name="inject"),
    path("prompts/<id:prompt_id>/rate", rating_form.rate_prompt, name="rate"),
    path("prompts/<id:prompt_id>/fork", fork_editor.fork_prompt, name="fork"),
    path("prompts/<id:prompt_id>/list", listing_forms.create_listing, name="list_prompt"),
    path("market/prompts", prompts.show_market, name="market"),
    path("market/prompts/<id:listing_id>", listing.show_listing, name="listing"),
    path("market/prompts/<id:listing_id>/buy", checkout.buy_listing, name="buy_listing"),
    path(
        "market/prompts/<id:listing_id>/manage", listing_forms.manage_listing, name="manage_listing"
    ),
    path("market/sets", prompt_sets.list_sets, name="sets"),
    path("market/sets/new", prompt_sets.create_set, name="new_set"),
    path("market/sets/<slug:name>", prompt_sets.show_set, name="set"),
    path("market/sets/<slug:name>/buy", checkout.buy_prompt_set, name="buy_set"),
    path("market/sets/<slug:name>/withdraw", prompt_sets.withdraw_set, name="withdraw_set"),
    path("market/receipts/<id:transfer_id>", receipt.show_receipt, name="receipt"),
    path(
        "market/receipts/<id:transfer_id>/bundle",
        bundle_detail.create_receipt_bundle,
        name="receipt_bundle",
    ),
    path("market/mine", my_market.show_my_market, name="mine"),
    path("market/requests", purchase_requests.manage_requests, name="requests"),
    path("wallet", wallet.show_wallet, name="wallet"),
    path("wallet/statement.csv", wallet.download_statement, name="wallet_file"),
    path("vaults", bundle_list.list_vaults, name="vaults"),
    path("vaults/new", bundle_form.create_bundle, name="new_vault"),
    path("vaults/take-in", bundle_imports.upload_bundle, name="take_in"),
    path("vaults/imports/<id:import_id>", bundle_imports.show_import, name="import"),
    path("vaults/keys", keys.manage_keys, name="vault_keys"),
    path("vaults/withdrawals", keys.download_revocation_list, name="withdrawals"),
    path("vaults/verify", bundle_verifier.verify_bundle, name="verify_bundle"),
    path("vaults/<id:vault_id>", bundle_detail.show_vault, name="vault"),
    path("vaults/<id:vault_id>/file", bundle_list.download_file, name="vault_file"),
    path("vaults/<id:vault_id>/folder", bundle_list.download_folder, name="vault_folder"),
    path("vaults/<id:vault_id>/countersign", bundle_detail.countersign, name="countersign"),
    path("rituals", rituals.list_rituals, name="rituals"),
    path("rituals/new", rituals.create_ritual, name="new_ritual"),
    path("rituals/<id:ritual_id>", rituals.show_ritual, name="ritual"),
    path("runs", runs.list_runs, name="runs"),
    path("runs/new", run_form.create_run, name="new_run"),
    path("runs/<id:run_id>", runs.show_run, name="run"),
    path("runs/<id:run_id>/cancel", runs.cancel_run, name="cancel_run"),
    path("runs/<id:run_id>/resume", runs.resume_run, name="resume_run"),
    path("assistants/<id:assistant_id>/runner", runners.configure_runner, name="runner"),
    path("assistants/<id:assistant_id>/memory", memories.manage_memory, name="memory"),
    path("comparisons", comparisons.list_comparisons, name="comparisons"),
    path("comparisons/new", comparison_form.create_comparison, name="new_comparison"),
    path("comparisons/<id:comparison_id>", comparisons.show_comparison, name="comparison"),
    path(
        "comparisons/<id:comparison_id>/stop", comparisons.stop_comparison, name="stop_comparison"
    ),
    path(
        "comparisons/<id:comparison_id>/resume",
        comparisons.resume_comparison,
        name="resume_comparison",
    ),
    path("codices", codices.list_codices, name="codices"),
    path("codices/new", codices.create_codex, name="new_codex"),
    path("codices/<id:codex_id>", codices.show_codex, name="codex"),
    path("reporters", reporters.list_reporters, name="reporters"),
    path("reporters/<id:team_id>", reporters.show_reporter, name="reporter"),
    path("evidence/<id:event_id>/audit", reporters.request_audit, name="request_audit"),
    path("otel", otel.manage_mapping, name="otel"),
    path("webhooks", webhooks.list_webhooks, name="webhooks"),
    path("webhooks/<id:webhook_id>", webhooks.show_webhook, name="webhook"),
    path("about/scores", about.explain_scores, name="about_scores"),
    path(
        "sign-in",
        auth.LoginView.as_view(template_name="web/sign_in.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("sign-out", auth.LogoutView.as_view(), name="logout"),
    path("theme", theme.switch_theme, name="theme"),
]
