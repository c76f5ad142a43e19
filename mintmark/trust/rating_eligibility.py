"""Whose rating of a prompt may count: raters must be entitled to it, have used it, and not have written it."""

from mintmark.accounts.callers import Caller
from mintmark.common import evidence_kinds
from mintmark.evidence.models import Event
from mintmark.registry.models import Entitlement, Prompt

_USE_KINDS = (
    evidence_kinds.EvidenceKind.OUTCOME,
    evidence_kinds.EvidenceKind.REPLAY,
    evidence_kinds.EvidenceKind.APPROVAL,
)
_MAX_DEPTH = 1_000


def find_ratable_prompts(*, caller: Caller, prompt_ids: set[int]) -> set[int]:
    """Those of these prompts that the caller may rate with effect: their team is or was entitled and has used the
    prompt, and wrote neither it nor any of its ancestors."""
    used = find_used_prompts(caller=caller, prompt_ids=prompt_ids)
    entitled = set(
        Entitlement.objects.filter(prompt__in=used, team__in=caller.team_ids).values_list(
            "prompt", flat=True
        )
    ) | set(Prompt.objects.filter(pk__in=used, is_open=True).values_list("pk", flat=True))
    return {pk for pk in entitled if not has_authored_lineage(caller=caller, prompt_id=pk)}


def find_used_prompts(*, caller: Caller, prompt_ids: set[int]) -> set[int]:
    """Those of these prompts that an assistant of the caller's teams has recorded use of."""
    recorded = Event.objects.filter(
        prompt__in=prompt_ids, assistant__team__in=caller.team_ids, kind__in=_USE_KINDS
    )
    return set(recorded.values_list("prompt", flat=True))


def has_authored_lineage(*, caller: Caller, prompt_id: int) -> bool:
    """Whether the caller or one of their teams wrote a prompt or any of its ancestors."""
    ancestor_id: int | None = prompt_id
    for _ in range(_MAX_DEPTH):
        if ancestor_id is None:
            return False
        row = Prompt.objects.values("parent_id", "team_id", "author_id").get(pk=ancestor_id)
        if row["team_id"] in caller.team_ids or row["author_id"] == caller.principal.pk:
            return True
        ancestor_id = row["parent_id"]
    return True
