"""Ask for a re-run of one claim."""

from datetime import datetime

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.evidence.models import Event, EventCase

from . import cells, choosing, policy
from .models import ClaimAudit


class InvalidAuditRequest(errors.DomainError):
    """A claim can't be run again as asked; the message says why."""

    code = "invalid_audit_request"


def ask_for_audit(
    *, caller: Caller, event: Event, now: datetime, rng: np.random.Generator
) -> ClaimAudit:
    """Queue a re-run of a claim, once for each claim.

    The caller must be a person who is an operator of the team that reported it or of the team that wrote the prompt, or
    an administrator. It costs what an audit costs, within the administrator's budget, and earns a team no credit for a
    claim of its own. Raises `InvalidAuditRequest`.
    """
    caller.require_scope("evidence")
    if caller.principal.user_id is None or not any(
        caller.has_role(Role.OPERATOR, team_id=team)
        for team in (event.cohort, event.prompt.team_id)
    ):
        raise errors.Forbidden(
            "A re-run is asked for by an operator of the team that reported it, or of the team that wrote the prompt."
        )
    terms = policy.get_terms()
    if terms.share == 0:
        raise InvalidAuditRequest(
            "This installation runs no claims again: an administrator set it so."
        )
    has_cases = Exists(EventCase.objects.filter(event=OuterRef("pk")))
    claim = (
        cells.select_auditable()
        .filter(has_cases, pk=event.pk)
        .select_related("assistant", "ritual", "prompt", "assistant__runner__judge")
        .first()
    )
    if claim is None:
        raise InvalidAuditRequest(
            f"Event {event.pk} can't be run again here: that takes a reported outcome with verdicts on cases, about a "
            "prompt that was not withdrawn, on a model that this installation has reached unchanged since."
        )
    try:
        with transaction.atomic():
            audit = choosing.queue_audit(
                claim=claim, terms=terms, asked_by=caller.principal, now=now, rng=rng
            )
    except IntegrityError as clash:
        raise InvalidAuditRequest(
            f"A re-run of event {event.pk} was asked for already: one is made for each claim."
        ) from clash
    if audit is None:
        raise InvalidAuditRequest(
            f"The budget for audits leaves no room for event {event.pk} now: ask again tomorrow, or an administrator "
            "for a larger one."
        )
    return audit
