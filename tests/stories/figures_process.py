"""What a store holds, in figures: `python -m tests.stories.figures_process` prints JSON, by names that nothing renames.

Every query of the story of an older store is here. The keys stay as they are, whatever the classes come to be called:
they are compared with what the older build wrote (tests/fixtures).
"""

import hashlib
import json
import sys
from collections import Counter
from typing import Any

import django

django.setup()

from django.db.models import Model, Sum  # noqa: E402

from mintmark.accounts.models import Key, Membership, Principal, Team, User  # noqa: E402
from mintmark.api.models import IdempotentResponse  # noqa: E402
from mintmark.deployments import models as deployments  # noqa: E402
from mintmark.evidence.models import Batch, Event  # noqa: E402
from mintmark.evidence.models import EvidenceCheckpoint as EvidenceSeal  # noqa: E402
from mintmark.market import models as market  # noqa: E402
from mintmark.otlp.models import OtlpIngestCount, OtlpScoreMapping  # noqa: E402
from mintmark.projection import prompt_models as reputation  # noqa: E402
from mintmark.projection.pair_models import AssistantPromptTrustMap  # noqa: E402
from mintmark.registry import models as registry  # noqa: E402
from mintmark.rituals import models as rituals  # noqa: E402
from mintmark.tokens.models import Account, Entry, Transfer  # noqa: E402
from mintmark.tokens.models import TokenCheckpoint as TokenSeal  # noqa: E402
from mintmark.vault import models as vault  # noqa: E402
from mintmark.webhooks.models import Delivery, Webhook  # noqa: E402

COUNTED: dict[str, type[Model]] = {
    "users": User,
    "teams": Team,
    "memberships": Membership,
    "principals": Principal,
    "keys": Key,
    "kept answers": IdempotentResponse,
    "batches": Batch,
    "events": Event,
    "seals of the log": EvidenceSeal,
    "prompts": registry.Prompt,
    "tags of prompts": registry.PromptTag,
    "entitlements": registry.Entitlement,
    "tombstones": registry.Tombstone,
    "labels": registry.Label,
    "moves of labels": registry.LabelMove,
    "rituals": registry.Ritual,
    "codices": registry.Codex,
    "contracts with codices": registry.CodexContract,
    "assistants": registry.Assistant,
    "memories": registry.MemoryEntry,
    "policies": reputation.Policy,
    "rows of state": reputation.ProjectionState,
    "effects of events": reputation.EventEffect,
    "reputations over time": reputation.PromptReputationScore,
    "reputations told elsewhere": reputation.ImportedReputation,
    "reputations": reputation.CurrentPromptScore,
    "ratings that count": reputation.ActiveRating,
    "pairs": AssistantPromptTrustMap,
    "accounts": Account,
    "transfers": Transfer,
    "entries": Entry,
    "seals of the token book": TokenSeal,
    "listings": market.PromptTokenListing,
    "sets": market.PromptSet,
    "prompts in sets": market.PromptSetItem,
    "royalties": market.RoyaltyTerm,
    "holders elsewhere": market.ForeignHolder,
    "royalties owed elsewhere": market.ForeignRoyalty,
    "purchases": market.Purchase,
    "warranties": market.Warranty,
    "injections": deployments.Injection,
    "falls": deployments.TrustAlert,
    "mandates": deployments.Mandate,
    "requests": market.PurchaseRequest,
    "runners": rituals.RunnerSettings,
    "runs": rituals.RitualRun,
    "frames": rituals.Dreamframe,
    "cases of runs": rituals.CaseRun,
    "comparisons": rituals.Comparison,
    "halves of pairs": rituals.ComparisonCall,
    "looks": rituals.ComparisonSnapshot,
    "mappings": OtlpScoreMapping,
    "arrivals": OtlpIngestCount,
    "identities": vault.Installation,
    "signing keys": vault.SigningKey,
    "trusted keys": vault.TrustedKey,
    "bundles": vault.PromptMarketplaceVault,
    "signatures of bundles": vault.BundleSignature,
    "imports of bundles": vault.BundleImport,
    "prompts from elsewhere": vault.PromptProvenance,
    "lists of withdrawals": vault.RevocationList,
    "webhooks": Webhook,
    "deliveries": Delivery,
}


def read() -> dict[str, Any]:
    """Counts, scores, prices, balances, as they are stored; floats as they are, to the last bit."""
    return {
        "counts": {name: model._default_manager.count() for name, model in COUNTED.items()},
        "reputation": {
            one.prompt.reference: [
                one.trust_score, one.trust_low, one.trust_high, one.ritual_effectiveness, one.assistant_approval,
                one.runs, one.events,
            ]
            for one in reputation.CurrentPromptScore.objects.select_related("prompt")
        },
        "trust": {
            f"{one.assistant.name} × {one.prompt.reference}": [
                [task.trust, task.trust_low, task.trust_high, task.runs]
                for task in one.tasks.order_by("ritual")
            ]
            for one in AssistantPromptTrustMap.objects.select_related("assistant", "prompt")
        },
        "texts": {one.reference: one.digest for one in registry.Prompt.objects.all()},
        "lineage": {
            one.reference: [one.derivation, one.parent.reference]
            for one in registry.Prompt.objects.select_related("parent")
            if one.parent
        },
        "labels": {
            f"{one.namespace}/{one.name}:{one.label}": one.prompt.reference
            for one in registry.Label.objects.select_related("prompt")
        },
        "entitlements": sorted(
            [one.prompt.reference, one.team.name, one.ended_at is None]
            for one in registry.Entitlement.objects.select_related("prompt", "team")
        ),
        "balances": {
            str(one.owner): one.balance_micro
            for one in Account.objects.filter(owner__isnull=False).select_related("owner")
        },
        "house": {
            one["kind"]: one["micro"]
            for one in Account.objects.filter(owner=None).values("kind").annotate(micro=Sum("balance_micro"))
        },
        "transfers": dict(Counter(Transfer.objects.values_list("cause", flat=True))),
        "kinds of evidence": {
            str(kind): n for kind, n in Counter(Event.objects.values_list("kind", flat=True)).items()
        },
        "listings": sorted(
            [one.prompt.reference, str(one.token_cost), one.swarm_adoption_score, one.codex_usage_score,
             one.symbolic_tag_weight, one.withdrawn_at is None]
            for one in market.PromptTokenListing.objects.select_related("prompt")
        ),
        "warranties": dict(Counter(market.Warranty.objects.values_list("state", flat=True))),
        "at work": sorted(
            [one.assistant.name, one.slot, one.prompt.reference]
            for one in deployments.Injection.objects.filter(ended_at=None).select_related("assistant", "prompt")
        ),
        "comparisons": {
            str(one.key): [one.state, one.counted, hashlib.sha256(one.packed).hexdigest()]
            for one in rituals.Comparison.objects.all()
        },
        "runs": {str(one.key): [one.state, one.spent_micro] for one in rituals.RitualRun.objects.all()},
        "bundles": sorted(
            [one.team.name, one.purpose, one.digest]
            for one in vault.PromptMarketplaceVault.objects.select_related("team")
        ),
        "imports": dict(Counter(vault.BundleImport.objects.values_list("state", flat=True))),
    }  # fmt: skip


if __name__ == "__main__":
    json.dump(read(), sys.stdout)
