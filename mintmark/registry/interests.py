"""Who gains by a prompt's reputation, and who has a right to the prompt."""

from collections.abc import Collection

from .models import Entitlement, Prompt

_MAX_DEPTH = 1_000


def find_interested_teams(*, prompt_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """By prompt id, the teams that wrote the prompt or any of its ancestors."""
    known: dict[int, tuple[int | None, int]] = {}
    pending = set(prompt_ids)
    for _ in range(_MAX_DEPTH):
        rows = Prompt.objects.filter(pk__in=pending).values_list("id", "parent_id", "team_id")
        known.update((pk, (parent, team)) for pk, parent, team in rows)
        pending = {parent for parent, _ in known.values() if parent is not None} - known.keys()
        if not pending:
            break
    teams: dict[int, frozenset[int]] = {}
    for prompt_id in prompt_ids:
        found: set[int] = set()
        ancestor: int | None = prompt_id
        for _ in range(_MAX_DEPTH):
            if ancestor is None or ancestor not in known:
                break
            ancestor, team = known[ancestor]
            found.add(team)
        teams[prompt_id] = frozenset(found)
    return teams


def find_entitled_teams(
    *, prompt_ids: Collection[int], team_ids: Collection[int]
) -> set[tuple[int, int]]:
    """The pairs (prompt id, team id) where the team wrote the prompt, or is or was entitled to it, or it is open."""
    prompts = Prompt.objects.filter(pk__in=prompt_ids).values_list("id", "team_id", "is_open")
    pairs = {
        (pk, team)
        for pk, owner, is_open in prompts
        for team in team_ids
        if is_open or team == owner
    }
    granted = Entitlement.objects.filter(prompt__in=prompt_ids, team__in=team_ids)
    return pairs | set(granted.values_list("prompt_id", "team_id"))
