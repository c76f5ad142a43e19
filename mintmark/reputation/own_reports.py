"""Whether a team reported outcomes of a prompt that its own view counts in full, and others' does not."""

from django.db.models import Q

from mintmark.common import evidence_kinds, provenance
from mintmark.evidence.models import Event
from mintmark.registry.models import Prompt


def has_reported(*, team_id: int, prompt: Prompt) -> bool:
    """Whether there is such an outcome; those older than provenance count as reported."""
    return Event.objects.filter(
        ~Q(provenance__in=sorted(provenance.DECISIVE)) | Q(provenance__isnull=True),
        prompt=prompt,
        assistant__team=team_id,
        kind__in=sorted(evidence_kinds.MEASURED),
    ).exists()
