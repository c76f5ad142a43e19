"""Whatever a page does, an operation of the API does too: a button or a list without a row here fails the suite."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from mintmark.api import door, routes
from mintmark.web import urls

from .scene import Scene

assert door.api  # the operations are declared when the door is built

TEMPLATES = Path(urls.__file__).parent / "templates/web"

# Each form of a page, by the name of the page's address and what its button says that it does, and the operation that
# does the same. What is written with a space is no operation but the reason why there is none.
BUTTONS = {
    "withdraw": "injections.withdrawn",
    "put_back": "injections.injected",
    "context": "mandates.put",
    "inject:inject": "injections.injected",
    "inject:look": "injections.gates",
    "rate": "ratings.rated",
    "fork:register": "forks.forked",
    "fork:look": "foresight.foreseen",
    "list_prompt": "listings.offered",
    "buy_listing": "purchases.bought",
    "buy_set": "purchases.bought",
    "manage_listing:reprice": "listings.repriced",
    "manage_listing:withdraw": "listings.withdrawn",
    "manage_listing:entomb": "entitlements.entombed",
    "new_set": "prompt_sets.curated",
    "withdraw_set": "prompt_sets.withdrawn",
    "receipt_bundle": "vaults.receipt",
    "requests:buy": "purchase_requests.confirmed",
    "requests:decline": "purchase_requests.declined",
    "wallet:move": "wallets.given",
    "wallet:look": "wallets.mine",
    "new_vault:make": "vaults.exported",
    "new_vault:look": "prompts.shown",
    "take_in": "bundle_imports.brought",
    "import:accept": "bundle_imports.accepted",
    "import:refuse": "bundle_imports.refused",
    "vault_keys:make": "vault_keys.made",
    "vault_keys:rotate": "vault_keys.rotated",
    "vault_keys:revoke": "vault_keys.revoked",
    "vault_keys:trust": "vault_keys.trust",
    "vault_keys:distrust": "vault_keys.distrusted",
    "vault_keys:take": "withdrawals.taken",
    "countersign": "vaults.countersigned",
    "new_ritual": "rituals.loaded",
    "new_run:start": "runs.started",
    "new_run:look": "rituals.shown",
    "cancel_run": "runs.cancelled",
    "resume_run": "runs.resumed",
    "runner": "runners.configured",
    "runner:try": "runners.tried",
    "memory:keep": "memories.kept",
    "memory:forget": "memories.forgotten",
    "new_comparison:start": "comparisons.started",
    "new_comparison:look": "comparisons.listed",
    "stop_comparison": "comparisons.stopped",
    "resume_comparison": "comparisons.resumed",
    "codex": "codices.checked",
    "new_codex": "codices.registered",
    "otel:save": "otlp.mapping_put",
    "otel:forget": "otlp.forgotten",
    "webhooks": "webhooks.made",
    "webhook:replay": "webhooks.replayed",
    "webhook:pause": "webhooks.disabled",
    "webhook:enable": "webhooks.enabled",
    "webhook:rotate": "webhooks.rotated",
    "webhook:remove": "webhooks.removed",
    "login": "a key takes the place of a session",
    "logout": "a key takes the place of a session",
    "theme": "the look of this browser",
}
# An admin's form registers the next version of the rule set that binds everybody, where it is named so.
ALSO = ["codices.default_changed"]

# Each page with something to read, and the operations that tell the same.
READS = {
    "start": ["prompts.listed", "assistants.listed", "reputation.standings", "house.status"],
    "reputation": [
        "reputation.shown",
        "reputation.history",
        "reputation.lineage",
        "reputation.gains",
        "reputation.events",
        "trust.holders",
        "contracts.of_prompt",
        "prompts.text",
        "forks.diff",
        "labels.standing",
    ],
    "evidence_file": ["exports.evidence_as_csv"],
    "trust": ["trust.matrix", "trust.heat_map", "trust.wording", "trust.suggestions"],
    "trust_file": ["trust.matrix"],
    "pair": ["trust.explained"],
    "context": ["injections.context", "injections.listed", "mandates.shown"],
    "inject": ["injections.gates"],
    "rate": ["reputation.events"],
    "fork": ["prompts.text", "forks.diff", "foresight.foreseen", "foresight.track_record"],
    "list_prompt": ["prompts.shown"],
    "market": ["listings.listed"],
    "listing": ["listings.shown"],
    "buy_listing": ["listings.shown", "wallets.mine"],
    "manage_listing": ["listings.shown"],
    "sets": ["prompt_sets.listed"],
    "new_set": ["listings.listed"],
    "set": ["prompt_sets.shown"],
    "buy_set": ["prompt_sets.shown", "wallets.mine"],
    "receipt": ["purchases.shown"],
    "mine": ["purchases.listed", "entitlements.held", "injections.listed", "sales.listed"],
    "requests": ["purchase_requests.listed"],
    "wallet": ["wallets.mine", "wallets.entries", "wallets.of_assistant"],
    "wallet_file": ["wallets.statement"],
    "vaults": ["vaults.listed", "bundle_imports.listed"],
    "new_vault": ["prompts.listed"],
    "take_in": ["bundle_imports.listed"],
    "import": ["bundle_imports.shown"],
    "vault_keys": ["vault_keys.listed", "vault_keys.trusted", "withdrawals.listed"],
    "withdrawals": ["withdrawals.issued"],
    "vault": ["vaults.shown"],
    "vault_file": ["vaults.file"],
    "vault_folder": ["vaults.folder"],
    "rituals": ["rituals.listed"],
    "new_ritual": ["rituals.checked"],
    "ritual": ["rituals.shown"],
    "runs": ["runs.listed"],
    "new_run": ["rituals.listed", "assistants.listed"],
    "run": ["runs.shown", "runs.cases"],
    "runner": ["runners.shown"],
    "memory": ["memories.listed"],
    "comparisons": ["comparisons.listed"],
    "new_comparison": ["rituals.listed", "assistants.listed"],
    "comparison": ["comparisons.shown"],
    "codices": ["codices.listed", "codices.default_shown"],
    "new_codex": ["codices.checked"],
    "codex": ["codices.shown", "contracts.prompts_bound", "contracts.assistants_bound"],
    "otel": ["otlp.mapping", "otlp.counted"],
    "webhooks": ["webhooks.listed"],
    "webhook": ["webhooks.shown", "webhooks.deliveries"],
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
_STEP = re.compile(r'name="(?:do|decision)" value="(\w+)"')


def _buttons() -> set[str]:
    """Every form that the templates have, as `BUTTONS` names it."""
    found = set()
    for path in sorted(TEMPLATES.rglob("*.html")):
        for tag, inside in _FORM.findall(path.read_text()):
            if "post" not in tag:
                continue
            named = re.search(r"""action="{% url '(\w+)'""", tag)
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
    assert set(named) - {endpoint.name for endpoint in routes.ENDPOINTS} == set()


def test_an_address_that_there_is_not_would_be_noticed() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("no_such_page")
