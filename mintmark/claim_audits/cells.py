"""Which claims one execution can judge: those about the same prompt, on the same version of a ritual and the same
model, with verdicts on its cases."""

from datetime import datetime

from django.db.models import F, Q, QuerySet

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event
from mintmark.registry.models import Assistant
from mintmark.rituals import runner_settings
from mintmark.rituals.models import RunnerSettings

AUDITED = (Provenance.CLAIM, Provenance.VOUCHED)


def select_auditable() -> QuerySet[Event]:
    """Reported outcomes with verdicts on cases, whose model the installation has reached unchanged since: another
    model, or another judge, would say nothing about them."""
    runner = "assistant__runner"
    judge = f"{runner}__judge"
    is_unchanged = Q(**{f"{judge}__isnull": True}) | Q(
        **{
            f"{judge}__configured_at__lte": F("recorded_at"),
            f"{judge}__assistant__is_reached": True,
        }
    )
    return Event.objects.filter(
        is_unchanged,
        provenance__in=AUDITED,
        kind=EvidenceKind.OUTCOME,
        assistant__is_reached=True,
        prompt__tombstone__isnull=True,
        **{
            f"{runner}__kind__in": runner_settings.list_own_kinds(),
            f"{runner}__configured_at__lte": F("recorded_at"),
        },
    )


def list_same_model(runner: RunnerSettings) -> list[int]:
    """The assistants that are this model at this endpoint, as the installation reaches them."""
    same = Assistant.objects.filter(
        is_reached=True,
        runner__kind=runner.kind,
        runner__base_url=runner.base_url,
        runner__model=runner.model,
        runner__judge=runner.judge_id,
    )
    return list(same.order_by("id").values_list("id", flat=True))


def select_judged(
    *, prompt_id: int, ritual_id: int, assistant_ids: list[int], before: datetime
) -> QuerySet[Event]:
    """The claims about a cell that were recorded before this moment: nobody gains by claiming what was already run."""
    return select_auditable().filter(
        prompt=prompt_id, ritual=ritual_id, assistant__in=assistant_ids, recorded_at__lt=before
    )
