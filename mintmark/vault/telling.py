"""What a bundle tells: prompts with their lineage, terms and measured reputation, as `core.bundles` shapes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

import pydantic
from django.conf import settings
from django.db.models import Max

from mintmark.accounts.models import Team
from mintmark.core import bundles, errors, kinds
from mintmark.core.bundles import Bundle
from mintmark.evidence import seals
from mintmark.evidence.models import Event
from mintmark.registry.models import Prompt
from mintmark.reputation import policies
from mintmark.reputation.answers import Summary
from mintmark.reputation.ledger import PromptReputationLedger

from . import identity, keys
from .models import ForeignPrompt

type Rights = Literal["author", "passed_on", "bought"]
type _Derivation = Literal["root", "revision", "fork"]

_PART = 1_000


class InvalidExport(errors.Refusal):
    """A bundle can't be made of this; nothing was kept."""

    code = "invalid_export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a prompt is told: its licence (SPDX), by which right, and what sales of it owe, nearest generation first."""

    licence: str
    rights: Rights
    royalties: tuple[bundles.Royalty, ...]


def told(
    *,
    prompts: Sequence[Prompt],
    terms: Mapping[int, Terms],
    team: Team | None,
    purpose: Literal["export", "receipt"],
    name: str,
    title: str,
    description: str,
    with_events: bool,
    receipt: bundles.Receipt | None,
    licences_of_ancestors: Callable[[Sequence[Prompt]], Mapping[int, str]] | None = None,
) -> Bundle:
    """The bundle of these prompts, in their order; `terms` by prompt id, `team` None where the installation tells it.

    Ancestors that are not among them are told without their text, under the licences that `licences_of_ancestors` says
    by id (else: their own). Nothing in it depends on when it is called but what is known of the prompts.
    `InvalidExport` where something of it fits no bundle.
    """
    check_number(len(prompts))
    _check_words(name=name, title=title, description=description)
    ancestors = _ancestors(prompts)
    licences = licences_of_ancestors(ancestors) if licences_of_ancestors is not None else {}
    family = {prompt.pk: prompt for prompt in [*prompts, *ancestors]}
    authors = _authors(list(family.values()))
    as_of = _as_of(prompts, receipt=receipt)
    ledger = PromptReputationLedger()
    summaries = ledger.summaries(prompts=prompts, now=as_of)
    events = _events(prompts) if with_events else None
    try:
        return Bundle(
            version=bundles.VERSION,
            purpose=purpose,
            prompt_set=bundles.PromptSet(name=name, title=title, description=description),
            issuer=bundles.Issuer(
                installation=identity.installation(),
                name=settings.INSTALLATION_NAME,
                team=team.name if team is not None else "",
            ),
            as_of=moment(as_of),
            policy=policies.in_force().version,
            evidence_seal=_seal(),
            prompts=tuple(
                bundles.Prompt(
                    name=prompt.reference,
                    digest=prompt.digest,
                    text=prompt.text,
                    title=prompt.title,
                    licence=terms[prompt.pk].licence,
                    variables=tuple(prompt.variables),
                    tags=tuple(prompt.tags),
                    parent=_parent(prompt, family),
                    derivation=cast(_Derivation, prompt.derivation),
                    mutation_note=prompt.mutation_note,
                    author=authors[prompt.pk],
                    rights=terms[prompt.pk].rights,
                    royalties=terms[prompt.pk].royalties,
                    reputation=_reputation(summaries[prompt.pk]),
                    events=None if events is None else tuple(events[prompt.pk]),
                )
                for prompt in prompts
            ),
            ancestors=tuple(
                bundles.Ancestor(
                    name=prompt.reference,
                    digest=prompt.digest,
                    parent=_parent(prompt, family),
                    derivation=cast(_Derivation, prompt.derivation),
                    mutation_note=prompt.mutation_note,
                    author=authors[prompt.pk],
                    licence=licences.get(prompt.pk, prompt.licence),
                )
                for prompt in ancestors
            ),
            receipt=receipt,
        )
    except pydantic.ValidationError as wrong:
        raise InvalidExport(_said(wrong)) from None


def moment(at: datetime) -> str:
    """A time as bundles say it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_number(prompts: int) -> None:
    """Refuse fewer prompts, or more, than a bundle takes."""
    if not prompts:
        raise InvalidExport("There is nothing to tell: name at least one prompt.")
    if prompts > bundles.MOST_PROMPTS:
        raise InvalidExport(
            f"{prompts:,} prompts are too many for one bundle, which takes {bundles.MOST_PROMPTS:,}: make several."
        )


def _check_words(*, name: str, title: str, description: str) -> None:
    for what, value, most in (("name", name, 200), ("title", title, 200)):
        if len(value) > most or not value.isprintable():
            raise InvalidExport(
                f"The {what} {value[:60]!r} fits no bundle: take up to {most} printable characters."
            )
    if not name.strip():
        raise InvalidExport("A bundle needs a name, such as that of the set.")
    if len(description) > 4_000 or "\0" in description:
        raise InvalidExport(
            f"The description has {len(description):,} characters; take up to 4,000, and no NUL."
        )


def _ancestors(prompts: Sequence[Prompt]) -> list[Prompt]:
    """All that these descend from and that is not among them, up to the roots, in the order of registration."""
    known = {prompt.pk for prompt in prompts}
    found: list[Prompt] = []
    missing = {prompt.parent_id for prompt in prompts if prompt.parent_id is not None} - known
    while missing:
        rows: list[Prompt] = []
        wanted = sorted(missing)
        for start in range(0, len(wanted), _PART):
            part = wanted[start : start + _PART]
            rows += Prompt.objects.filter(pk__in=part).defer("text", "wording")
        found += rows
        known |= missing
        missing = {row.parent_id for row in rows if row.parent_id is not None} - known
    return sorted(found, key=lambda prompt: prompt.pk)


def _authors(prompts: Sequence[Prompt]) -> dict[int, str]:
    """Who wrote each: by name, and of what came from elsewhere as it was told there."""
    found: dict[int, str] = {}
    ids = [prompt.pk for prompt in prompts]
    for start in range(0, len(ids), _PART):
        part = ids[start : start + _PART]
        found.update(Prompt.objects.filter(pk__in=part).values_list("pk", "author__name"))
        foreign = ForeignPrompt.objects.filter(prompt__in=part, registered=True).order_by("id")
        found.update(foreign.values_list("prompt", "author"))
    return found


def _as_of(prompts: Sequence[Prompt], *, receipt: bundles.Receipt | None) -> datetime:
    newest = [prompt.created_at for prompt in prompts]
    if receipt is not None:
        newest.append(datetime.fromisoformat(receipt.bought_at))
    ids = [prompt.pk for prompt in prompts]
    for start in range(0, len(ids), _PART):
        events = Event.objects.filter(prompt__in=ids[start : start + _PART], admissible=True)
        recorded = events.aggregate(at=Max("recorded_at"))["at"]
        if recorded is not None:
            newest.append(recorded)
    return max(newest)


def _events(prompts: Sequence[Prompt]) -> dict[int, list[bundles.Event]]:
    """The evidence that counts, in its order; whose it is, under names that hold within this bundle alone."""
    pseudonym = keys.pseudonyms(digests=[prompt.digest for prompt in prompts])
    found: dict[int, list[bundles.Event]] = {prompt.pk: [] for prompt in prompts}
    ids = list(found)
    for start in range(0, len(ids), _PART):
        rows = Event.objects.filter(prompt__in=ids[start : start + _PART], admissible=True)
        for event in rows.select_related("ritual", "assistant").order_by("xid", "id"):
            ran = event.assistant
            found[event.prompt_id].append(
                bundles.Event(
                    kind=kinds.Kind(event.kind).name.lower(),
                    score_ppm=_ppm(event.score),
                    runs=event.runs,
                    occurred_at=moment(event.occurred_at),
                    ritual=str(event.ritual) if event.ritual else "",
                    assistant=pseudonym(ran.principal_id) if ran else "",
                    actor=pseudonym(event.actor_id),
                )
            )
    return found


def _reputation(summary: Summary) -> bundles.Reputation:
    return bundles.Reputation(
        trust_ppm=_ppm(summary.trust.value),
        low_ppm=_ppm(summary.trust.low),
        high_ppm=_ppm(summary.trust.high),
        average_ppm=_ppm(summary.average),
        task=summary.home.tag if summary.home is not None else "",
        outcomes=round(summary.counted["outcome"]),
        replays=round(summary.counted["replay"]),
        approvals=round(summary.counted["approval"]),
        ratings=round(summary.counted["rating"]),
    )


def _parent(prompt: Prompt, family: Mapping[int, Prompt]) -> str | None:
    return family[prompt.parent_id].reference if prompt.parent_id is not None else None


def _seal() -> str:
    head = seals.head()
    return str(head) if head.number else ""


def _ppm(score: float) -> int:
    return min(bundles.MILLION, max(0, round(score * bundles.MILLION)))


def _said(wrong: pydantic.ValidationError) -> str:
    first = wrong.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place[:80]} {str(first['input'])[:80]!r} fits no bundle: {first['msg'][:200]}."
