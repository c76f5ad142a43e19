"""What a bundle tells: prompts with their lineage, terms and measured reputation, as `core.bundles` shapes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

import pydantic
from django.conf import settings
from django.db.models import Max, QuerySet

from mintmark.accounts.models import Team
from mintmark.common import errors, evidence_kinds
from mintmark.evidence import checkpoints
from mintmark.evidence.models import Event
from mintmark.projection import policies
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.results import ReputationSummary
from mintmark.signing import bundles
from mintmark.signing.bundles import Bundle

from . import installation, keys
from .models import PromptProvenance

type ExportRight = Literal["author", "passed_on", "bought"]
type _Derivation = Literal["root", "revision", "fork"]

_BATCH_SIZE = 1_000


class InvalidExport(errors.DomainError):
    """A bundle can't be made of this; nothing was kept."""

    code = "invalid_export"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTerms:
    """How a prompt is exported: its licence (SPDX), by which right, what its sales owe, nearest generation first."""

    licence: str
    rights: ExportRight
    royalties: tuple[bundles.BundleRoyalty, ...]


def build_bundle(
    *,
    prompts: Sequence[Prompt],
    terms: Mapping[int, ExportTerms],
    team: Team | None,
    purpose: Literal["export", "receipt"],
    name: str,
    title: str,
    description: str,
    with_events: bool,
    receipt: bundles.BundleReceipt | None,
    licences_of_ancestors: Callable[[Sequence[Prompt]], Mapping[int, str]] | None = None,
) -> Bundle:
    """The bundle of these prompts, in their order; `terms` by prompt id, `team` None where the installation tells it.

    Ancestors that are not among them are exported without their text, under the licences that `licences_of_ancestors`
    says by id (else: their own). Nothing in it depends on when it is called but what is known of the prompts.
    `InvalidExport` where something of it fits no bundle.
    """
    check_prompt_count(len(prompts))
    _check_labels(name=name, title=title, description=description)
    ancestors = _load_ancestors(prompts)
    licences = licences_of_ancestors(ancestors) if licences_of_ancestors is not None else {}
    family = {prompt.pk: prompt for prompt in [*prompts, *ancestors]}
    authors = _load_author_names(list(family.values()))
    as_of = _find_newest_event_time(prompts, receipt=receipt)
    ledger = PromptReputationLedger()
    summaries = ledger.get_summaries(prompts=prompts, now=as_of)
    events = _load_events(prompts) if with_events else None
    try:
        return Bundle(
            version=bundles.VERSION,
            purpose=purpose,
            prompt_set=bundles.BundlePromptSet(name=name, title=title, description=description),
            issuer=bundles.BundleIssuer(
                installation=installation.get_installation_id(),
                name=settings.INSTALLATION_NAME,
                team=team.name if team is not None else "",
            ),
            as_of=format_time(as_of),
            policy=policies.get_current().version,
            evidence_seal=_get_checkpoint(),
            prompts=tuple(
                bundles.BundledPrompt(
                    name=prompt.reference,
                    digest=prompt.digest,
                    text=prompt.text,
                    title=prompt.title,
                    licence=terms[prompt.pk].licence,
                    variables=tuple(prompt.variables),
                    tags=tuple(prompt.tags),
                    parent=_get_parent_reference(prompt, family),
                    derivation=cast(_Derivation, prompt.derivation),
                    mutation_note=prompt.mutation_note,
                    author=authors[prompt.pk],
                    rights=terms[prompt.pk].rights,
                    royalties=terms[prompt.pk].royalties,
                    reputation=_build_reputation(summaries[prompt.pk]),
                    events=None if events is None else tuple(events[prompt.pk]),
                )
                for prompt in prompts
            ),
            ancestors=tuple(
                bundles.BundleAncestor(
                    name=prompt.reference,
                    digest=prompt.digest,
                    parent=_get_parent_reference(prompt, family),
                    derivation=cast(_Derivation, prompt.derivation),
                    mutation_note=prompt.mutation_note,
                    author=authors[prompt.pk],
                    licence=licences.get(prompt.pk, prompt.licence),
                )
                for prompt in ancestors
            ),
            receipt=receipt,
        )
    except pydantic.ValidationError as error:
        raise InvalidExport(_format_error(error)) from None


def format_time(time: datetime) -> str:
    """A time as bundles say it: UTC, to the microsecond."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_prompt_count(prompt_count: int) -> None:
    """Refuse fewer prompts, or more, than a bundle takes."""
    if not prompt_count:
        raise InvalidExport("There is nothing to tell: name at least one prompt.")
    if prompt_count > bundles.MAX_PROMPTS:
        raise InvalidExport(
            f"{prompt_count:,} prompts are too many for one bundle, which takes {bundles.MAX_PROMPTS:,}: make several."
        )


def _check_labels(*, name: str, title: str, description: str) -> None:
    for field_name, value, max_length in (("name", name, 200), ("title", title, 200)):
        if len(value) > max_length or not value.isprintable():
            raise InvalidExport(
                f"The {field_name} {value[:60]!r} fits no bundle: take up to {max_length} printable characters."
            )
    if not name.strip():
        raise InvalidExport("A bundle needs a name, such as that of the set.")
    if len(description) > 4_000 or "\0" in description:
        raise InvalidExport(
            f"The description has {len(description):,} characters; take up to 4,000, and no NUL."
        )


def _load_ancestors(prompts: Sequence[Prompt]) -> list[Prompt]:
    """All that these descend from and that is not among them, up to the roots, in the order of registration."""
    known = {prompt.pk for prompt in prompts}
    ancestors: list[Prompt] = []
    missing = {prompt.parent_id for prompt in prompts if prompt.parent_id is not None} - known
    while missing:
        rows: list[Prompt] = []
        missing_ids = sorted(missing)
        for start in range(0, len(missing_ids), _BATCH_SIZE):
            batch = missing_ids[start : start + _BATCH_SIZE]
            rows += Prompt.objects.filter(pk__in=batch).defer("text", "wording")
        ancestors += rows
        known |= missing
        missing = {row.parent_id for row in rows if row.parent_id is not None} - known
    return sorted(ancestors, key=lambda prompt: prompt.pk)


def _load_author_names(prompts: Sequence[Prompt]) -> dict[int, str]:
    """Who wrote each: by name, and of what came from elsewhere as it was named there."""
    author_by_id: dict[int, str] = {}
    ids = [prompt.pk for prompt in prompts]
    for start in range(0, len(ids), _BATCH_SIZE):
        batch = ids[start : start + _BATCH_SIZE]
        author_by_id.update(Prompt.objects.filter(pk__in=batch).values_list("pk", "author__name"))
        provenance = PromptProvenance.objects.filter(prompt__in=batch, registered=True).order_by(
            "id"
        )
        author_by_id.update(provenance.values_list("prompt", "author"))
    return author_by_id


def select_exported_events(prompt_ids: Sequence[int]) -> QuerySet[Event]:
    """The evidence of these prompts that a bundle carries: what may count for others."""
    return Event.objects.filter_shared().filter(prompt__in=prompt_ids, admissible=True)


def _find_newest_event_time(
    prompts: Sequence[Prompt], *, receipt: bundles.BundleReceipt | None
) -> datetime:
    newest = [prompt.created_at for prompt in prompts]
    if receipt is not None:
        newest.append(datetime.fromisoformat(receipt.bought_at))
    ids = [prompt.pk for prompt in prompts]
    for start in range(0, len(ids), _BATCH_SIZE):
        recorded = select_exported_events(ids[start : start + _BATCH_SIZE]).aggregate(
            at=Max("recorded_at")
        )["at"]
        if recorded is not None:
            newest.append(recorded)
    return max(newest)


def _load_events(prompts: Sequence[Prompt]) -> dict[int, list[bundles.BundleEvent]]:
    """The evidence that counts, in its order; whose it is, under names that hold within this bundle alone."""
    pseudonym = keys.build_pseudonymiser(digests=[prompt.digest for prompt in prompts])
    events_by_prompt: dict[int, list[bundles.BundleEvent]] = {prompt.pk: [] for prompt in prompts}
    ids = list(events_by_prompt)
    for start in range(0, len(ids), _BATCH_SIZE):
        rows = select_exported_events(ids[start : start + _BATCH_SIZE])
        for event in rows.select_related("ritual", "assistant").order_by("xid", "id"):
            assistant = event.assistant
            events_by_prompt[event.prompt_id].append(
                bundles.BundleEvent(
                    kind=evidence_kinds.EvidenceKind(event.kind).name.lower(),
                    score_ppm=_to_ppm(event.score),
                    runs=event.runs,
                    occurred_at=format_time(event.occurred_at),
                    ritual=str(event.ritual) if event.ritual else "",
                    assistant=pseudonym(assistant.principal_id) if assistant else "",
                    actor=pseudonym(event.actor_id),
                )
            )
    return events_by_prompt


def _build_reputation(summary: ReputationSummary) -> bundles.BundleReputation:
    return bundles.BundleReputation(
        trust_ppm=_to_ppm(summary.trust.value),
        low_ppm=_to_ppm(summary.trust.low),
        high_ppm=_to_ppm(summary.trust.high),
        average_ppm=_to_ppm(summary.average),
        task=summary.home.tag if summary.home is not None else "",
        outcomes=round(summary.counted["outcome"]),
        replays=round(summary.counted["replay"]),
        approvals=round(summary.counted["approval"]),
        ratings=round(summary.counted["rating"]),
    )


def _get_parent_reference(prompt: Prompt, family: Mapping[int, Prompt]) -> str | None:
    return family[prompt.parent_id].reference if prompt.parent_id is not None else None


def _get_checkpoint() -> str:
    head = checkpoints.get_head()
    return str(head) if head.number else ""


def _to_ppm(score: float) -> int:
    return min(bundles.MILLION, max(0, round(score * bundles.MILLION)))


def _format_error(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    location = ".".join(map(str, first["loc"]))
    return f"{location[:80]} {str(first['input'])[:80]!r} fits no bundle: {first['msg'][:200]}."
