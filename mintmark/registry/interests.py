"""Who gains by a prompt's reputation, and who has a right to the prompt."""

from collections.abc import Collection
from dataclasses import dataclass

from mintmark.accounts.models import Membership

from . import near_copies
from .models import Entitlement, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """Who wrote a prompt, any of its ancestors or a near-copy: ids of teams, and of people and assistants."""

    team_ids: frozenset[int]
    author_ids: frozenset[int]


def find_authorship(*, prompt_ids: Collection[int]) -> dict[int, Authorship]:
    """By prompt id, who wrote it or any of its ancestors, or a near-copy of it, or what it is a near-copy of; one query
    a generation, and two."""
    related = near_copies.find_related_teams(prompt_ids=prompt_ids)
    known: dict[int, tuple[int | None, int, int]] = {}
    pending = set(prompt_ids)
    while pending:
        rows = Prompt.objects.filter(pk__in=pending)
        for pk, *row in rows.values_list("id", "parent_id", "team_id", "author_id"):
            known[pk] = (row[0], row[1], row[2])
        parents = (known[pk][0] for pk in pending if pk in known)
        pending = {parent for parent in parents if parent is not None and parent not in known}

    def collect(prompt_id: int) -> Authorship:
        teams, authors = set(related.get(prompt_id, ())), set()
        ancestor: int | None = prompt_id
        while ancestor is not None and ancestor in known:
            ancestor, team, author = known[ancestor]
            teams.add(team)
            authors.add(author)
        return Authorship(team_ids=frozenset(teams), author_ids=frozenset(authors))

    return {prompt_id: collect(prompt_id) for prompt_id in prompt_ids}


def find_own_teams(*, prompts: Collection[Prompt]) -> dict[int, frozenset[int]]:
    """By prompt id, the team that wrote it and the other teams of its author; one query."""
    authors = {prompt.author_id for prompt in prompts}
    teams: dict[int, set[int]] = {author: set() for author in authors}
    rows = Membership.objects.filter(user__principal__in=authors, team__isnull=False)
    for author, team in rows.values_list("user__principal", "team"):
        teams[author].add(team)
    return {prompt.pk: frozenset({prompt.team_id, *teams[prompt.author_id]}) for prompt in prompts}


def find_entitled_teams(
    *, prompt_ids: Collection[int], team_ids: Collection[int]
) -> set[tuple[int, int]]:
    """The pairs (prompt id, team id) where the team is or was entitled to the prompt, or the prompt is open."""
    is_open = Prompt.objects.filter(pk__in=prompt_ids, is_open=True).values_list("id", flat=True)
    granted = Entitlement.objects.filter(prompt__in=prompt_ids, team__in=team_ids)
    return {(pk, team) for pk in is_open for team in team_ids} | set(
        granted.values_list("prompt_id", "team_id")
    )
