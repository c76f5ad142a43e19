"""Judges: whose rating of a prompt may count. Only of those who may use it, have used it, and did not write it."""

from mintmark.accounts.callers import Caller
from mintmark.core import kinds
from mintmark.evidence.models import Event
from mintmark.registry.models import Entitlement, Prompt

_USES = (kinds.Kind.OUTCOME, kinds.Kind.REPLAY, kinds.Kind.APPROVAL)
_DEEPEST = 1_000


def admissible(*, caller: Caller, prompt_ids: set[int]) -> set[int]:
    """Those of these prompts on which the caller's judgement may count: his team is or was entitled, has used the
    prompt, and neither wrote it nor any of its ancestors."""
    used = uses(caller=caller, prompt_ids=prompt_ids)
    entitled = set(
        Entitlement.objects.filter(prompt__in=used, team__in=caller.team_ids).values_list(
            "prompt", flat=True
        )
    ) | set(Prompt.objects.filter(pk__in=used, is_open=True).values_list("pk", flat=True))
    return {pk for pk in entitled if not wrote_lineage(caller=caller, prompt_id=pk)}


def uses(*, caller: Caller, prompt_ids: set[int]) -> set[int]:
    """Those of these prompts that an assistant of the caller's teams was recorded to use."""
    recorded = Event.objects.filter(
        prompt__in=prompt_ids, assistant__team__in=caller.team_ids, kind__in=_USES
    )
    return set(recorded.values_list("prompt", flat=True))


def wrote_lineage(*, caller: Caller, prompt_id: int) -> bool:
    """Whether the caller or one of his teams wrote a prompt or any of its ancestors."""
    at: int | None = prompt_id
    for _ in range(_DEEPEST):
        if at is None:
            return False
        row = Prompt.objects.values("parent_id", "team_id", "author_id").get(pk=at)
        if row["team_id"] in caller.team_ids or row["author_id"] == caller.principal.pk:
            return True
        at = row["parent_id"]
    return True
