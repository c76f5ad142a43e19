"""Disclosure: by which right a team tells a prompt elsewhere, and on which terms."""

from collections.abc import Mapping, Sequence
from itertools import batched

from mintmark.accounts.models import Team
from mintmark.core import bundles, errors, licences
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.vault.models import ForeignPrompt
from mintmark.vault.telling import InvalidExport, Rights, Terms

from . import lineage
from .lineage import LicenceForbids

_AT_ONCE = 1_000


def rights(*, prompts: Sequence[Prompt], team: Team) -> dict[int, Rights]:
    """By which right each prompt is told, by id: as one's own, or passed on. Refused, with a row for each, where there
    is none: `Forbidden`, `LicenceForbids`, `InvalidExport` (withdrawn), whichever is first."""
    served, dead, theirs = _known([prompt.pk for prompt in prompts], team=team)
    licence = lineage.licences_of(prompts=prompts, team_id=team.pk)
    found: dict[int, Rights] = {}
    refused: list[tuple[type[errors.Refusal], errors.Row]] = []
    kind: type[errors.Refusal]
    for n, prompt in enumerate(prompts):
        is_own = prompt.team_id == team.pk and prompt.pk not in theirs
        if prompt.pk in dead:
            kind, why = InvalidExport, f"{prompt.reference} was withdrawn for good."
        elif prompt.pk not in served:
            kind, why = errors.Forbidden, f"{prompt.reference} is not the team's to use: buy it."
        elif not is_own and not licences.allowed(licence[prompt.pk]).allows_passing_on:
            kind = LicenceForbids
            why = f"The licence of {prompt.reference} ({licence[prompt.pk]}) does not let the team pass it on."
        else:
            found[prompt.pk] = "author" if is_own else "passed_on"
            continue
        row = errors.Row(row=n, field="prompts", value=prompt.reference, message=why)
        refused.append((kind, row))
    if refused:
        kind, first = refused[0]
        more = f" ({len(refused)} of {len(prompts)} prompts can't be exported.)"
        raise kind(
            first["message"] + (more if len(prompts) > 1 else ""), rows=[row for _, row in refused]
        )
    return found


def rights_of_buyer(*, prompts: Sequence[Prompt], team: Team) -> dict[int, Rights]:
    """By which right what a team bought is told to it: to pass on where the licence lets it, else as bought."""
    licence = lineage.licences_of(prompts=prompts, team_id=team.pk)
    return {
        prompt.pk: "passed_on"
        if licences.allowed(licence[prompt.pk]).allows_passing_on
        else "bought"
        for prompt in prompts
    }


def terms(
    *, prompts: Sequence[Prompt], team: Team, rights: Mapping[int, Rights]
) -> dict[int, Terms]:
    """The licence and royalties of each prompt as a bundle tells them, by id. Of what is not the team's own, sales
    elsewhere owe its seller what forks here would."""
    licence = lineage.licences_of(prompts=prompts, team_id=team.pk)
    royalties = lineage.royalties(prompts=prompts)
    others = [prompt for prompt in prompts if prompt.team_id != team.pk]
    listed = lineage.listings_for(prompts=others, team_id=team.pk)
    found = {}
    for prompt in prompts:
        owed = [(one.reference, one.holder.name, one.rate_bp) for one in royalties[prompt.pk]]
        listing = listed.get(prompt.pk)
        if listing is not None and listing.royalty_bp:
            owed.insert(0, (prompt.reference, listing.seller.name, listing.royalty_bp))
        found[prompt.pk] = Terms(
            licence=licence[prompt.pk],
            rights=rights[prompt.pk],
            royalties=tuple(
                bundles.Royalty(ancestor=ancestor, holder=holder, rate_bp=rate_bp)
                for ancestor, holder, rate_bp in owed
            ),
        )
    return found


def _known(ids: Sequence[int], *, team: Team) -> tuple[set[int], set[int], set[int]]:
    """Of these prompts: those served to the team, those withdrawn for good, those that came from elsewhere."""
    served: set[int] = set()
    dead: set[int] = set()
    theirs: set[int] = set()
    for part in batched(ids, _AT_ONCE):
        rows = Prompt.objects.filter(pk__in=part)
        readable = rows.filter(entitlements.served_to(team_ids={team.pk}))
        served.update(readable.values_list("pk", flat=True))
        dead.update(rows.filter(tombstone__isnull=False).values_list("pk", flat=True))
        foreign = ForeignPrompt.objects.filter(prompt__in=part, registered=True)
        theirs.update(foreign.values_list("prompt", flat=True))
    return served, dead, theirs
