"""The cast of the API's tests: two teams, one of every role, an assistant each, and something of everything to read."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mintmark.accounts import callers, keys, principals
from mintmark.accounts.models import Membership, Principal, Role, Team, User
from mintmark.common import amounts
from mintmark.deployments.models import Injection
from mintmark.evidence.log import CaseVerdict
from mintmark.evidence.models import Event
from mintmark.market import foreign_royalties
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, PurchaseRequest
from mintmark.projection import projector
from mintmark.registry import assistants, codices, entitlements, labels, prompts, rituals
from mintmark.registry.models import Assistant, Codex, Entitlement, NearCopy, Prompt, Ritual
from mintmark.rituals import comparisons, definitions, runner_settings, runs
from mintmark.signing import bundles, dsse, revocation_list
from mintmark.tokens import wallets
from mintmark.trust import intake
from mintmark.vault import keys as vault_keys
from mintmark.vault import quarantine
from mintmark.vault.models import BundleImport, PromptMarketplaceVault, SigningKey, TrustedKey
from mintmark.webhooks import endpoints, outbox
from mintmark.webhooks.models import Delivery
from tests.bundles import payloads
from tests.factories import cast

PREFIX = "/api/v1"
CLAUSE = {
    "id": "no-hype", "text": "No superlatives.", "severity": "warn", "applies_to": "output", "check": {"kind": "judge"},
}  # fmt: skip

RITUAL = """
name: length
tag: task:summarise
cases:
  - {id: long, vars: {text: A long text of many words.}, assert: [{type: contains, value: e}]}
  - {id: short, vars: {text: A word.}, assert: [{type: equals, value: nothing}]}
"""


@dataclass
class World:
    """What stands before each test; `secrets` are bearer keys by the name of their holder.

    `prompt` (with a warranty) and `fork` are private to `mint` and on the market, alone and together as a set; `scout`
    runs `prompt`; `outsider` asked for it beyond its mandate; `rival` may use `open_prompt`, as everybody may. `vault`
    is an export of `mint`, `waiting` a bundle from elsewhere in its quarantine, signed by `trusted_key`.
    """

    mint: Team
    rival: Team
    scout: Assistant
    outsider: Assistant
    prompt: Prompt
    fork: Prompt
    open_prompt: Prompt
    ritual: Ritual
    codex: Codex
    event: int
    people: dict[str, Principal]
    listing: PromptTokenListing
    listing_of_fork: PromptTokenListing
    prompt_set: PromptSet
    injection: Injection
    entitlement: Entitlement
    request: PurchaseRequest
    vault: PromptMarketplaceVault
    waiting: BundleImport
    signing_key: SigningKey
    trusted_key: TrustedKey
    secrets: dict[str, str] = field(default_factory=dict)

    def as_(self, who: str, *, scopes: tuple[str, ...] = ("admin",)) -> "Caller":
        """A client that holds a key of `who`."""
        holder = {"scout": self.scout.principal, "outsider": self.outsider.principal}.get(who)
        secret = keys.issue(principal=holder or self.people[who], scopes=scopes).secret
        return Caller(secret)

    def acting(self, who: str) -> callers.Caller:
        """The caller of a verb, with every scope."""
        holder = {"scout": self.scout.principal, "outsider": self.outsider.principal}.get(who)
        return _acting(holder or self.people[who])

    def bought(self, *, by: str = "stranger", key: str = "bought") -> int:
        """The transfer by which `rival` bought the fork."""
        receipt = SymbolicPromptTokenMarketplace().buy(
            caller=self.acting(by),
            listing=self.listing_of_fork.pk,
            price_micro=self.listing_of_fork.price_micro,
            idempotency_key=key,
            now=timezone.now(),
        )
        assert not isinstance(receipt, PurchaseRequest)
        return receipt.transfer

    def funded(self, tokens: str = "50") -> None:
        """Give `outsider` tokens from its operator."""
        wallets.give(
            caller=self.acting("stranger"), recipient=self.outsider.principal, amount_micro=amounts.to_micro(tokens),
            memo="", idempotency_key=f"fund {tokens}", now=timezone.now(),
        )  # fmt: skip

    def owed(self, *, name: str = "Ann", key: str = "owed") -> int:
        """The id of somebody of another installation who is owed three tokens."""
        now = timezone.now()
        issuer = bundles.BundleIssuer(
            installation=payloads.INSTALLATION, name="Mintmark of Acme", team=""
        )
        holder = foreign_royalties.get_or_create_holder(issuer=issuer, name=name, now=now)
        wallets.mint(
            caller=self.acting("treasurer"), recipient=holder, amount_micro=3_000_000, reason="a sale",
            idempotency_key=key, now=now,
        )  # fmt: skip
        return holder.pk

    def reached(self) -> int:
        """The id of scout, who is reached as a rehearsal from now on."""
        runner_settings.configure(
            caller=self.acting("operator"), assistant=self.scout,
            setup=runner_settings.RunnerSettingsInput(kind="rehearsal"), now=timezone.now(),
        )  # fmt: skip
        return self.scout.pk

    def out_of_reach(self) -> int:
        """The id of scout, whose endpoint is a port of this machine on which nobody listens."""
        setup = runner_settings.RunnerSettingsInput(
            kind="openai", base_url="http://127.0.0.1:9/v1", model="m-1"
        )
        runner_settings.configure(
            caller=self.acting("operator"), assistant=self.scout, setup=setup, now=timezone.now()
        )
        return self.scout.pk

    def runnable(self) -> Ritual:
        """A ritual of two cases, and scout reached."""
        self.reached()
        return definitions.load_ritual(text=RITUAL)

    def claimed(self) -> int:
        """The id of an outcome of scout with verdicts on cases, which the installation can run again."""
        if (known := Event.objects.filter(key="claimed").first()) is not None:
            return known.pk
        ritual, now = definitions.load_ritual(text=RITUAL), timezone.now()
        setup = runner_settings.RunnerSettingsInput(
            kind="openai", base_url="http://127.0.0.1:9/v1", model="m-1"
        )
        runner_settings.configure(
            caller=self.acting("admin"), assistant=self.scout, setup=setup, now=now
        )
        cases = tuple(
            CaseVerdict(case.id, 1.0) for case in definitions.get_definition(ritual).cases
        )
        claim = intake.EvidenceClaim(
            kind="outcome", prompt=self.open_prompt.pk, assistant=self.scout.pk, ritual=ritual.pk, score=1.0,
            runs=len(cases), cases=cases, key="claimed", occurred_at=now,
        )  # fmt: skip
        return intake.record(
            caller=self.acting("operator"), claims=[claim], source="tests", now=now
        ).event

    def copied(self) -> int:
        """The id of a prompt of `mint` that the open prompt is taken for a near-copy of."""
        NearCopy.objects.get_or_create(
            prompt=self.open_prompt, original=self.prompt, defaults={"likeness": 0.9}
        )
        return self.prompt.pk

    def run(self) -> int:
        """The id of a run of the prompt by scout, which waits for a worker."""
        return runs.start(
            caller=self.acting("operator"), prompt=self.prompt, assistant=self.scout, ritual=self.runnable(),
            now=timezone.now(), idempotency_key="run",
        ).pk  # fmt: skip

    def webhook(self, *, disabled: bool = False) -> int:
        """The id of a webhook of `mint`."""
        caller, now = self.acting("operator"), timezone.now()
        made = endpoints.create(
            caller=caller, team=self.mint, url="https://example.com/hooks", kinds=[], note="", now=now
        )  # fmt: skip
        if disabled:
            endpoints.disable(caller=caller, webhook=made.webhook, reason="it moved", now=now)
        return made.webhook.pk

    def told(self) -> str:
        """The path of a delivery of it that was given up."""
        webhook = self.webhook()
        outbox.enqueue(
            kind="sale", team_ids=[self.mint.pk], data={"transfer": 1}, now=timezone.now()
        )
        Delivery.objects.update(state=Delivery.State.FAILED)
        return f"/webhooks/{webhook}/deliveries/{Delivery.objects.get(webhook=webhook).pk}"

    def comparison(self) -> int:
        """The id of a comparison by scout, which waits for a worker."""
        return comparisons.start(
            caller=self.acting("operator"), first=self.prompt, second=self.open_prompt, assistant=self.scout,
            ritual=self.runnable(), now=timezone.now(), idempotency_key="comparison",
        ).pk  # fmt: skip

    def used(self, prompt: Prompt) -> None:
        """Record that `outsider` used a prompt."""
        claim = intake.EvidenceClaim(
            kind="approval", prompt=prompt.pk, assistant=self.outsider.pk, score=1.0, key=f"use {prompt.pk}",
            occurred_at=prompt.created_at,
        )  # fmt: skip
        intake.record(
            caller=self.acting("stranger"), claims=[claim], source="tests", now=timezone.now()
        )

    def event_body(self, **changes: Any) -> dict[str, Any]:
        """An outcome that the operator and the assistant may record."""
        return {
            "kind": "outcome",
            "prompt": self.prompt.pk,
            "assistant": self.scout.pk,
            "ritual": self.ritual.pk,
            "score": 0.75,
            "runs": 4,
            "key": "a-new-key",
        } | changes


class Caller:
    """The client of one key: JSON out, JSON in."""

    def __init__(self, secret: str | None) -> None:
        self.client = Client()
        self.headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Send `body` as JSON, or as it is if it is bytes."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        found: HttpResponse = self.client.generic(
            method,
            PREFIX + path,
            raw,
            content_type="application/json" if body is not None else "",
            headers=self.headers | {name.replace("_", "-"): text for name, text in headers.items()},
        )
        return found


def built() -> World:
    """Build the world."""
    mint = Team.objects.create(name="mint")
    rival = Team.objects.create(name="rival")
    people = {
        "operator": _person("operator", mint, Role.OPERATOR),
        "author": _person("author", mint, Role.AUTHOR),
        "auditor": _person("auditor", None, Role.AUDITOR),
        "admin": _person("admin", None, Role.ADMIN),
        "stranger": _person("stranger", rival, Role.OPERATOR, Role.AUTHOR),
        "treasurer": _person("treasurer", None, Role.TREASURER),
    }
    ritual = rituals.register(name="summaries", tag="task:summarise")
    scout = assistants.register(name="scout", owner=people["operator"], team=mint, model="m-1")
    outsider = assistants.register(name="outsider", owner=people["stranger"], team=rival)
    codex = codices.register(name="house", clauses=[CLAUSE])
    author = people["author"]
    prompt = prompts.register(
        draft=prompts.PromptDraft(
            namespace="mint", name="summary", text="Sum up {text}.", title="Summary",
            tags=["task:summarise", "@clarity+"],
        ),
        author=author,
        team=mint,
    )  # fmt: skip
    fork = prompts.register(
        draft=prompts.PromptDraft(
            namespace="mint", name="brief", text="Sum up {text} in a line.", parent=prompt
        ),
        author=author,
        team=mint,
    )
    open_prompt = prompts.register(
        draft=prompts.PromptDraft(
            namespace="mint", name="open", text="Say hello.", is_open=True, licence="CC0-1.0"
        ),
        author=author,
        team=mint,
    )
    now = timezone.now()
    labels.move(
        namespace="mint", name="summary", label="production", prompt=prompt, actor=author,
        reason="first", now=now,
    )  # fmt: skip
    receipt = intake.record(
        caller=_acting(people["operator"]),
        claims=[
            intake.EvidenceClaim(
                kind="outcome", prompt=p.pk, assistant=scout.pk, ritual=ritual.pk, score=score,
                runs=10, key=f"seed-{n}", occurred_at=now - timedelta(days=n),
            )
            for n, (p, score) in enumerate([(prompt, 0.8), (fork, 0.9), (prompt, 0.7)])
        ],
        source="tests",
        now=now,
    )  # fmt: skip
    market = SymbolicPromptTokenMarketplace()
    seller = _acting(author)
    promise = WarrantyTerms(ritual=ritual, floor=0.5, runs=8, days=14)
    listing = market.list_prompt(
        caller=seller,
        offer=ListingOffer(
            prompt=prompt, token_cost="12.5", licence="MIT", royalty_bp=1_000, warranty=promise
        ),
        now=now,
    )
    listing_of_fork = market.list_prompt(
        caller=seller, offer=ListingOffer(prompt=fork, token_cost="4", licence="MIT"), now=now
    )
    prompt_set = market.create_prompt_set(
        caller=seller, team=mint, name="starter", title="To start with", prompts=[prompt, fork], discount_bp=1_000,
        now=now,
    )  # fmt: skip
    injection = market.inject(
        caller=_acting(people["operator"]), prompt=prompt, assistant=scout, variables={"text": "a secret memo"},
        now=now,
    )  # fmt: skip
    entitlement = entitlements.grant(
        caller=seller, prompt=open_prompt, team=rival, reason="to try it"
    )
    request = market.buy(
        caller=_acting(outsider.principal), listing=listing.pk, price_micro=listing.price_micro,
        idempotency_key="asked", now=now,
    )  # fmt: skip
    assert isinstance(request, PurchaseRequest)
    signing_key = vault_keys.generate_key(caller=seller, team=mint, now=now)
    trusted_key = vault_keys.trust_key(
        caller=_acting(people["admin"]), key_id=dsse.get_key_id(payloads.HOUSE), name="Acme", reason="by telephone",
        now=now,
    )  # fmt: skip
    vault = market.export_bundle(
        caller=seller, team=mint, prompts=[prompt, open_prompt], name="two", now=now
    )
    waiting = quarantine.receive_bundle(caller=seller, team=mint, raw=from_elsewhere(), now=now)
    return World(
        mint=mint, rival=rival, scout=scout, outsider=outsider, prompt=prompt, fork=fork,
        open_prompt=open_prompt, ritual=ritual, codex=codex, event=receipt.event, people=people, listing=listing,
        listing_of_fork=listing_of_fork, prompt_set=prompt_set, injection=injection, entitlement=entitlement,
        request=request, vault=vault, waiting=waiting, signing_key=signing_key, trusted_key=trusted_key,
    )  # fmt: skip


def from_elsewhere(line: str = "acme/memo@1", **changes: Any) -> bytes:
    """A bundle of another installation, with one text."""
    return payloads.sealed(
        [payloads.prompt(line, text="Sum up {memo} in a line.", variables=["memo"])], **changes
    )


def withdrawals(*, sequence: int = 1, name: str = "acme/memo@1") -> bytes:
    """What that installation withdrew: its text."""
    told = payloads.prompt(name, text="Sum up {memo} in a line.")
    listed = revocation_list.build_list(
        issuer=revocation_list.RevocationIssuer(
            installation=payloads.INSTALLATION, name="Mintmark of Acme"
        ),
        revoked=[
            revocation_list.RevokedPrompt(
                digest=told["digest"], name=name, reason="it leaks", at=payloads.MOMENT
            )
        ],
        revoked_keys=[],
    )
    grown = listed.model_copy(update={"sequence": sequence})
    return revocation_list.sign(grown, keys=[payloads.HOUSE]).to_bytes()


def folded() -> World:
    """The world once scores include its evidence; what was written must be settled."""
    world = built()
    projector.wait_for(world.event, seconds=20, now=timezone.now())
    return world


def _acting(principal: Principal) -> callers.Caller:
    return callers.from_key(key=keys.issue(principal=principal, scopes=["admin"]).key)


def _person(name: str, team: Team | None, *roles: Role) -> Principal:
    user = User.objects.create(username=name)
    for role in roles:
        Membership.objects.create(user=user, team=team, role=role)
    principal = principals.get_or_create_for_user(user=user)
    if name in ("operator", "stranger", "admin"):
        cast.vouch_for(user)
    return principal
