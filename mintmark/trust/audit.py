"""The audit of evidence and scores: each invariant with how much was checked and what broke it."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np
from django.db.models import Count, F

from mintmark.core import scores
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.database import findings
from mintmark.database.findings import Finding
from mintmark.evidence import log, seals
from mintmark.evidence.models import Batch, Event
from mintmark.registry.ancestry import Ancestry
from mintmark.registry.models import Label, Prompt
from mintmark.reputation.records import Records

from . import projector, replay

APPEND_ONLY = (
    "evidence_batch", "evidence_event", "evidence_seal", "registry_prompt", "registry_labelmove", "reputation_policy",
    "reputation_promptreputationscore",
)  # fmt: skip


def audit(*, now: datetime, progress: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Check every invariant; reads everything and changes nothing."""
    found = []
    for check in (
        _append_only,
        _digests,
        _lineage,
        _labels,
        _batches,
        _folded,
        lambda: _contributions(now=now),
        _replay,
        lambda: seals.verify(progress),
    ):
        finding = check()
        progress(finding.says)
        found.append(finding)
    return found


def _append_only() -> Finding:
    return findings.append_only(
        APPEND_ONLY,
        code="append_only",
        says="triggers refuse to change or remove rows of the log and of what it refers to",
    )


def _digests() -> Finding:
    def broken() -> Iterator[str]:
        for pk, text, digest in Prompt.objects.values_list("id", "text", "digest").iterator():
            if hashlib.sha256(text.encode()).hexdigest() != digest:
                yield f"prompt {pk}: its text no longer has the digest sha256:{digest}"

    return Finding(
        code="digests",
        says="every prompt's text has its digest",
        checked=Prompt.objects.count(),
        broken=findings.first(broken()),
    )


def _lineage() -> Finding:
    parents = dict(Prompt.objects.values_list("id", "parent_id"))

    def broken() -> Iterator[str]:
        settled: set[int] = set()
        for start in parents:
            path: list[int] = []
            at: int | None = start
            while at is not None and at not in settled:
                if at in path:
                    yield f"prompt {start}: its ancestors run in a circle through {at}"
                    break
                path.append(at)
                at = parents[at]
            settled.update(path)

    return Finding(
        code="lineage",
        says="no prompt descends from itself",
        checked=len(parents),
        broken=findings.first(broken()),
    )


def _labels() -> Finding:
    labels = Label.objects.select_related("prompt")
    astray = labels.exclude(prompt__namespace=F("namespace"), prompt__name=F("name"))
    return Finding(
        code="labels",
        says="every label points to a revision of its own line",
        checked=labels.count(),
        broken=findings.first(f"label {label} points to {label.prompt}" for label in astray),
    )


def _batches() -> Finding:
    wrong = Batch.objects.annotate(found=Count("events")).exclude(found=F("size"))
    return Finding(
        code="batches",
        says="every batch stands in the log whole",
        checked=Batch.objects.count(),
        broken=findings.first(
            f"batch {b.pk}: {b.found} of its {b.size} events are there"
            for b in wrong[: findings.SHOWN]
        ),
    )


def _folded() -> Finding:
    cursor = projector.cursor()
    before = log.count(upto=log.Position(xid=cursor.xid, event=cursor.event))
    broken = []
    if before != cursor.folded:
        broken.append(
            f"{before} events stand up to event {cursor.event}, and {cursor.folded} were folded"
        )
    return Finding(
        code="folded",
        says="every event up to the cursor was folded, once",
        checked=Event.objects.count(),
        broken=tuple(broken),
    )


def _contributions(*, now: datetime) -> Finding:
    """T − (prior + contributions + clipping), for every prompt in the store, evidence or none."""
    policy = projector.cursor().policy
    records = Records(
        policy=ReputationPolicy.from_json(policy.reputation), ancestry=Ancestry(), stored=True
    )
    ids = np.array(list(Prompt.objects.order_by("id").values_list("id", flat=True)), dtype=np.int64)
    broken: list[str] = []
    for start in range(0, len(ids), 5000):
        part = ids[start : start + 5000]
        at = records.locate(part, changes=False)
        told = scores.scores(
            records.policy, records.state(), at, now_days=float(log.days([now])[0])
        )
        total = told.prior + told.amounts.sum(axis=1) + told.clipping
        off = np.abs(total - told.trust_score)
        broken += [
            f"prompt {part[i]}: contributions miss the score by {off[i]:.3g}"
            for i in np.flatnonzero(~(off <= 1e-12))
        ]
    return Finding(
        code="contributions",
        says="contributions add up to the trust score to 1e-12",
        checked=len(ids),
        broken=tuple(broken[: findings.SHOWN]),
    )


def _replay() -> Finding:
    comparison = replay.check()
    return Finding(
        code="replay",
        says="a replay of the log under the policy in force gives the stored projections, bit for bit",
        checked=sum(comparison.compared.values()),
        broken=tuple(
            f"{table} {row}: stored {stored}, replayed {replayed}"
            for table, row, stored, replayed in comparison.differences[: findings.SHOWN]
        ),
    )
