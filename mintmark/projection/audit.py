"""The audit of evidence and scores: each invariant with how much was checked and what broke it."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np
from django.db.models import Count, F

from mintmark.evidence import checkpoints, log
from mintmark.evidence.models import Batch, Event
from mintmark.projection.lineage_cache import LineageCache
from mintmark.projection.prompt_rows import PromptStateRows
from mintmark.registry.models import Label, Prompt
from mintmark.scoring import prompt_readout
from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.storage import audit_results
from mintmark.storage.audit_results import InvariantResult

from . import projector, replay

APPEND_ONLY = (
    "evidence_batch", "evidence_event", "evidence_seal", "registry_prompt", "registry_labelmove", "reputation_policy",
    "reputation_promptreputationscore",
)  # fmt: skip


def audit(
    *, now: datetime, progress: Callable[[str], None] = lambda _: None
) -> list[InvariantResult]:
    """Check every invariant; reads everything and changes nothing."""
    results = []
    for check in (
        _check_append_only,
        _check_digests,
        _check_lineage,
        _check_labels,
        _check_batches,
        _check_projection,
        lambda: _check_contributions(now=now),
        _check_replay,
        lambda: checkpoints.verify(progress),
    ):
        result = check()
        progress(result.description)
        results.append(result)
    return results


def _check_append_only() -> InvariantResult:
    return audit_results.check_append_only(
        APPEND_ONLY,
        code="append_only",
        description="triggers refuse to change or remove rows of the log and of what it refers to",
    )


def _check_digests() -> InvariantResult:
    def find_broken() -> Iterator[str]:
        for pk, text, digest in Prompt.objects.values_list("id", "text", "digest").iterator():
            if hashlib.sha256(text.encode()).hexdigest() != digest:
                yield f"prompt {pk}: its text no longer has the digest sha256:{digest}"

    return InvariantResult(
        code="digests",
        description="every prompt's text has its digest",
        checked=Prompt.objects.count(),
        broken=audit_results.take_first(find_broken()),
    )


def _check_lineage() -> InvariantResult:
    parents = dict(Prompt.objects.values_list("id", "parent_id"))

    def find_broken() -> Iterator[str]:
        cleared: set[int] = set()
        for start in parents:
            path: list[int] = []
            ancestor: int | None = start
            while ancestor is not None and ancestor not in cleared:
                if ancestor in path:
                    yield f"prompt {start}: its ancestors form a cycle through {ancestor}"
                    break
                path.append(ancestor)
                ancestor = parents[ancestor]
            cleared.update(path)

    return InvariantResult(
        code="lineage",
        description="no prompt descends from itself",
        checked=len(parents),
        broken=audit_results.take_first(find_broken()),
    )


def _check_labels() -> InvariantResult:
    labels = Label.objects.select_related("prompt")
    misplaced = labels.exclude(prompt__namespace=F("namespace"), prompt__name=F("name"))
    return InvariantResult(
        code="labels",
        description="every label points to a revision of its own lineage",
        checked=labels.count(),
        broken=audit_results.take_first(
            f"label {label} points to {label.prompt}" for label in misplaced
        ),
    )


def _check_batches() -> InvariantResult:
    incomplete = Batch.objects.annotate(found=Count("events")).exclude(found=F("size"))
    return InvariantResult(
        code="batches",
        description="every batch is complete in the log",
        checked=Batch.objects.count(),
        broken=audit_results.take_first(
            f"batch {b.pk}: {b.found} of its {b.size} events exist"
            for b in incomplete[: audit_results.MAX_NAMED]
        ),
    )


def _check_projection() -> InvariantResult:
    checkpoint = projector.get_checkpoint()
    counted = log.count_events(up_to=log.LogPosition(xid=checkpoint.xid, event=checkpoint.event))
    broken = []
    if counted != checkpoint.folded:
        broken.append(
            f"{counted} events exist up to event {checkpoint.event}, and {checkpoint.folded} were projected"
        )
    return InvariantResult(
        code="folded",
        description="every event up to the projection's position was projected once",
        checked=Event.objects.count(),
        broken=tuple(broken),
    )


def _check_contributions(*, now: datetime) -> InvariantResult:
    """T − (prior + contributions + clipping), for every prompt, with evidence or without."""
    policy = projector.get_checkpoint().policy
    state_rows = PromptStateRows(
        policy=ReputationPolicy.from_json(policy.reputation),
        lineage_cache=LineageCache(),
        stored=True,
    )
    ids = np.array(list(Prompt.objects.order_by("id").values_list("id", flat=True)), dtype=np.int64)
    broken: list[str] = []
    for start in range(0, len(ids), 5000):
        chunk = ids[start : start + 5000]
        positions = state_rows.locate(chunk, changes=False)
        prompt_scores = prompt_readout.compute_scores(
            state_rows.policy,
            state_rows.build_state(),
            positions,
            now_days=float(log.to_epoch_days([now])[0]),
        )
        total = prompt_scores.prior + prompt_scores.amounts.sum(axis=1) + prompt_scores.clipping
        differences = np.abs(total - prompt_scores.trust_score)
        broken += [
            f"prompt {chunk[i]}: contributions miss the score by {differences[i]:.3g}"
            for i in np.flatnonzero(~(differences <= 1e-12))
        ]
    return InvariantResult(
        code="contributions",
        description="contributions add up to the trust score to 1e-12",
        checked=len(ids),
        broken=tuple(broken[: audit_results.MAX_NAMED]),
    )


def _check_replay() -> InvariantResult:
    diff = replay.check()
    return InvariantResult(
        code="replay",
        description="a replay of the log under the current policy gives the stored projections, bit for bit",
        checked=sum(diff.compared.values()),
        broken=tuple(
            f"{table} {row}: stored {stored}, replayed {replayed}"
            for table, row, stored, replayed in diff.differences[: audit_results.MAX_NAMED]
        ),
    )
