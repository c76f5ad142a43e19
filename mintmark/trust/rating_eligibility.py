"""Whose rating of a prompt may count: raters must be entitled to it, have used it, and not have written it."""

from mintmark.accounts.callers import Caller
from mintmark.common import evidence_kinds
from mintmark.evidence.models import Event
from mintmark.registry import interests

_USE_KINDS = (
    evidence_kinds.EvidenceKind.OUTCOME,
    evidence_kinds.EvidenceKind.REPLAY,
    evidence_kinds.EvidenceKind.APPROVAL,
)


def find_ratable_prompts(*, caller: Caller, prompt_ids: set[int]) -> set[int]:
    """Those of these prompts that the caller may rate with effect: their team is or was entitled and has used the
    prompt, and wrote neither it nor any of its ancestors."""
    used = find_used_prompts(caller=caller, prompt_ids=prompt_ids)
    entitled = {
        pk
        for pk, _ in interests.find_entitled_teams(prompt_ids=used, team_ids=set(caller.team_ids))
    }
    authorship = interests.find_authorship(prompt_ids=entitled)
    return {pk for pk in entitled if not _is_author(caller, authorship[pk])}


def find_used_prompts(*, caller: Caller, prompt_ids: set[int]) -> set[int]:
    """Those of these prompts that an assistant of the caller's teams has recorded use of."""
    recorded = Event.objects.filter(
        prompt__in=prompt_ids, assistant__team__in=caller.team_ids, kind__in=_USE_KINDS
    )
    return set(recorded.values_list("prompt", flat=True))


def has_authored_lineage(*, caller: Caller, prompt_id: int) -> bool:
    """Whether the caller or one of their teams wrote a prompt or any of its ancestors."""
    return _is_author(caller, interests.find_authorship(prompt_ids={prompt_id})[prompt_id])


def _is_author(caller: Caller, authorship: interests.Authorship) -> bool:
    return bool(authorship.team_ids & set(caller.team_ids)) or (
        caller.principal.pk in authorship.author_ids
    )
