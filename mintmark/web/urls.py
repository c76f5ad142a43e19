"""The addresses of the pages."""

from django.contrib.auth import views as auth
from django.urls import path, register_converter

from . import (
    about,
    bundle,
    buying,
    codices,
    comparing,
    comparisons,
    contexts,
    fork,
    injection,
    listing,
    market,
    memories,
    mine,
    otel,
    pair,
    quarantine,
    rating,
    receipt,
    reputation,
    requests,
    rituals,
    runners,
    running,
    runs,
    selling,
    sets,
    start,
    telling,
    theme,
    trust,
    vault_keys,
    vaults,
    verifying,
    wallet,
    webhooks,
)


class Id:
    """A number that a database's 64 bits can hold."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(Id, "id")

urlpatterns = [
    path("", start.page, name="start"),
    path("prompts/<id:prompt_id>/", reputation.to_reputation, name="prompt"),
    path("prompts/<id:prompt_id>/reputation", reputation.page, name="reputation"),
    path("prompts/<id:prompt_id>/evidence.csv", reputation.evidence_file, name="evidence_file"),
    path("assistants/<id:assistant_id>/trust", trust.page, name="trust"),
    path("assistants/<id:assistant_id>/trust.csv", trust.matrix_file, name="trust_file"),
    path("assistants/<id:assistant_id>/trust/<id:prompt_id>", pair.page, name="pair"),
    path("assistants/<id:assistant_id>/context", contexts.page, name="context"),
    path("injections/<id:injection_id>/withdraw", contexts.withdraw, name="withdraw"),
    path("injections/<id:injection_id>/put-back", contexts.put_back, name="put_back"),
    path("prompts/<id:prompt_id>/inject", injection.page, name="inject"),
    path("prompts/<id:prompt_id>/rate", rating.page, name="rate"),
    path("prompts/<id:prompt_id>/fork", fork.page, name="fork"),
    path("prompts/<id:prompt_id>/list", selling.offer, name="list_prompt"),
    path("market/prompts", market.page, name="market"),
    path("market/prompts/<id:listing_id>", listing.page, name="listing"),
    path("market/prompts/<id:listing_id>/buy", buying.listing, name="buy_listing"),
    path("market/prompts/<id:listing_id>/manage", selling.manage, name="manage_listing"),
    path("market/sets", sets.page, name="sets"),
    path("market/sets/new", sets.new, name="new_set"),
    path("market/sets/<slug:name>", sets.one, name="set"),
    path("market/sets/<slug:name>/buy", buying.prompt_set, name="buy_set"),
    path("market/sets/<slug:name>/withdraw", sets.withdraw, name="withdraw_set"),
    path("market/receipts/<id:transfer_id>", receipt.page, name="receipt"),
    path("market/receipts/<id:transfer_id>/bundle", bundle.of_receipt, name="receipt_bundle"),
    path("market/mine", mine.page, name="mine"),
    path("market/requests", requests.page, name="requests"),
    path("wallet", wallet.page, name="wallet"),
    path("wallet/statement.csv", wallet.statement_file, name="wallet_file"),
    path("vaults", vaults.page, name="vaults"),
    path("vaults/new", telling.page, name="new_vault"),
    path("vaults/take-in", quarantine.take_in, name="take_in"),
    path("vaults/imports/<id:import_id>", quarantine.page, name="import"),
    path("vaults/keys", vault_keys.page, name="vault_keys"),
    path("vaults/withdrawals", vault_keys.withdrawn, name="withdrawals"),
    path("vaults/verify", verifying.page, name="verify_bundle"),
    path("vaults/<id:vault_id>", bundle.page, name="vault"),
    path("vaults/<id:vault_id>/file", vaults.file, name="vault_file"),
    path("vaults/<id:vault_id>/folder", vaults.folder, name="vault_folder"),
    path("vaults/<id:vault_id>/countersign", bundle.countersign, name="countersign"),
    path("rituals", rituals.page, name="rituals"),
    path("rituals/new", rituals.new, name="new_ritual"),
    path("rituals/<id:ritual_id>", rituals.one, name="ritual"),
    path("runs", runs.page, name="runs"),
    path("runs/new", running.page, name="new_run"),
    path("runs/<id:run_id>", runs.one, name="run"),
    path("runs/<id:run_id>/cancel", runs.cancel, name="cancel_run"),
    path("runs/<id:run_id>/resume", runs.resume, name="resume_run"),
    path("assistants/<id:assistant_id>/runner", runners.page, name="runner"),
    path("assistants/<id:assistant_id>/memory", memories.page, name="memory"),
    path("comparisons", comparisons.page, name="comparisons"),
    path("comparisons/new", comparing.page, name="new_comparison"),
    path("comparisons/<id:comparison_id>", comparisons.one, name="comparison"),
    path("comparisons/<id:comparison_id>/stop", comparisons.stop, name="stop_comparison"),
    path("comparisons/<id:comparison_id>/resume", comparisons.resume, name="resume_comparison"),
    path("codices", codices.page, name="codices"),
    path("codices/new", codices.new, name="new_codex"),
    path("codices/<id:codex_id>", codices.one, name="codex"),
    path("otel", otel.page, name="otel"),
    path("webhooks", webhooks.page, name="webhooks"),
    path("webhooks/<id:webhook_id>", webhooks.one, name="webhook"),
    path("about/scores", about.scores, name="about_scores"),
    path(
        "sign-in",
        auth.LoginView.as_view(template_name="web/sign_in.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("sign-out", auth.LogoutView.as_view(), name="logout"),
    path("theme", theme.switch, name="theme"),
]
