"""The worker's part of an audit: take it, run its cases, and when each has its result, conclude it."""

import hashlib
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.common import errors
from mintmark.experiments import perturbations
from mintmark.registry.models import Prompt
from mintmark.rituals import (
    case_execution,
    grading,
    job_runner,
    leases,
    runner_settings,
    runs,
)
from mintmark.rituals.case_execution import CaseAnswer, CaseExecutor
from mintmark.rituals.job_runner import Clock, PreparedCall
from mintmark.rituals.loop_thread import LoopThread

from . import verdicts
from .models import AuditCall, ClaimAudit

type AuditProgressCallback = Callable[[ClaimAudit], None]


def process_next_audit(
    *,
    worker_id: str,
    clock: Clock,
    rng: random.Random,
    stop: threading.Event,
    job_id: int | None = None,
    on_progress: AuditProgressCallback = lambda audit: None,
) -> ClaimAudit | None:
    """Take an audit that waits (the one with `job_id`, if given) and work on it until it ends or `stop` is set; None
    where none waits."""
    audit = leases.acquire(ClaimAudit, worker_id=worker_id, now=clock(), job_id=job_id)
    if audit is None:
        return None
    try:
        require_auditable(audit)
        executor = case_execution.prepare_executor(
            audit,
            prompt=audit.prompt,
            assistant=audit.assistant,
            ritual=audit.ritual,
            codex_ids=[],
        )
    except errors.DomainError as error:
        leases.release(
            audit,
            worker_id=worker_id,
            state=ClaimAudit.State.INCOMPLETE,
            reason=error.message,
            now=clock(),
        )
        return audit
    with LoopThread() as loop_thread:
        try:
            _AuditJob(
                job=audit, executor=executor, loop_thread=loop_thread, worker_id=worker_id, clock=clock, rng=rng,
                stop=stop, on_progress=on_progress, at_once=executor.endpoint.settings.at_once,
            ).run()  # fmt: skip
        finally:
            loop_thread.run(executor.close())
    return audit


def require_auditable(audit: ClaimAudit) -> None:
    """Refuse unless the installation still reaches the model as it did when the claim was made, and the prompt was not
    withdrawn. Whether the reporter's team may still use the prompt does not matter: it could end that to escape."""
    runner = runner_settings.get_runner_settings(assistant=audit.assistant)
    since = min(audit.created_at, audit.claim.recorded_at)
    if not runner_settings.is_installations_own(runner=runner, since=since):
        raise runs.InvalidRun(f"{audit.assistant} is reached otherwise than when this was claimed.")
    if not Prompt.objects.filter(pk=audit.prompt_id, tombstone__isnull=True).exists():
        raise runs.InvalidRun(f"{audit.prompt.reference} was withdrawn.")


@dataclass(slots=True, kw_only=True)
class _AuditJob(job_runner.JobRunner[ClaimAudit, AuditCall]):
    """One worker's work on one audit."""

    executor: CaseExecutor

    def select_next_items(self) -> Sequence[AuditCall]:
        return list(self.job.audit_calls.filter(state=AuditCall.State.WAITING).order_by("number"))

    def prepare_call(self, item: AuditCall) -> PreparedCall:
        case = self.executor.definition.cases[item.number]
        plain = perturbations.build_frames(
            seed=self.job.seed,
            perturbed=0,
            temperature=self.executor.definition.temperature,
            variations=self.executor.definition.variations,
        )[0]
        return PreparedCall(
            executor=self.executor, case=case, request=self.executor.build_request(case, plain)
        )

    def build_result_fields(self, item: AuditCall, answer: CaseAnswer) -> dict[str, Any]:
        graded = grading.grade_answer(
            case=self.executor.definition.cases[item.number],
            answer=answer,
            pinned_codices=[],
            memory=self.executor.memory,
            prompt=self.executor.prompt,
            secrets=self.executor.secrets,
        )
        score = graded.grade.score
        return {
            "score": score,
            "output_digest": hashlib.sha256(
                answer.response.text.encode(errors="replace")
            ).hexdigest(),
            "squared_difference": verdicts.compare_with_earlier(
                self.job, case_id=item.case_id, score=score
            ),
        }

    def require_served(self) -> None:
        require_auditable(self.job)

    def on_results(self, items: Sequence[AuditCall]) -> None:
        """Conclude the audit once each case has its result."""
        if not self.job.audit_calls.exclude(state=AuditCall.State.DONE).exists():
            verdicts.conclude(audit=self.job, now=self.clock())
