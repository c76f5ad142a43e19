"""Recording evidence, and settling at once the warranties that it decides: what every edge calls."""

from collections.abc import Sequence
from datetime import datetime

from mintmark.accounts.callers import Caller
from mintmark.common import evidence_kinds
from mintmark.trust import intake
from mintmark.trust.intake import EvidenceClaim, RecordResult

from . import warranties

_OUTCOME = evidence_kinds.EvidenceKind.OUTCOME.name.lower()


def record_evidence(
    *, caller: Caller, claims: Sequence[EvidenceClaim], source: str, now: datetime
) -> RecordResult:
    """Append a batch of claims to the log, all of it or nothing; then settle the warranties that its outcomes decide,
    each in a transaction of its own. Raises what `intake.record` does."""
    result = intake.record(caller=caller, claims=claims, source=source, now=now)
    # Nothing but a new outcome decides a warranty: other batches cost no query.
    if result.batch is not None and any(claim.kind == _OUTCOME for claim in claims):
        warranties.decide_measured(batch=result.batch, now=now)
    return result
