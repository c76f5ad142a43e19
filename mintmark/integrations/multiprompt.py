"""`mintmark import multiprompt`: the multi-prompt evaluation corpus as prompts, assistants, rituals
and evidence.

A data set is a namespace and a paraphrase a line in it (`bbh/causal_judgement-017`), forked from
the task's original with its method as the mutation note. A model is an assistant of the team
`corpus`, a task a ritual, a model's share of right answers an outcome of 100 runs, and the human
verdict on a paraphrase a clause check without assistant.

Each task is one transaction: a corpus of any size never holds the database's write lock (or, on
PostgreSQL, the projector) for longer than a few seconds, and what an interruption leaves behind is
whole tasks, to which a second run adds the others. Everything is checked before the first is
written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, codices, prompts, rituals
from mintmark.registry.models import Assistant, Codex, CodexContract, Prompt, Ritual
from mintmark.trust import intake

from . import import_report, registration
from .multiprompt_reader import Corpus, CorpusTask, Paraphrase

TEAM = "corpus"
RUNS = 100
"""Runs behind each share, as the paper states."""

LICENCE = "CDLA-Permissive-2.0"
_SOURCE = "import multiprompt"
_ORIGIN = "Mizrahi et al., State of What Art? (arXiv 2401.00595)"
_CLAUSE = {
    "id": "keeps-the-meaning",
    "text": "A paraphrase asks for the same as the original it derives from, by a person's "
    "verdict.",
    "severity": "warn",
    "applies_to": "prompt",
    "check": {"kind": "human-verdict"},
}
_NOTE = "A person's verdict: does this paraphrase keep the meaning of the original?"


class TakenByAnotherTeam(errors.DomainError):
    """An import would need names that belong to another team; nothing was imported."""

    code = "name_taken"


@dataclass(frozen=True, kw_only=True)
class _ImportTargets:
    """What every task of the corpus needs to be there."""

    team: Team
    codex: Codex
    assistants: dict[str, Assistant]


def load(
    *,
    corpus: Corpus,
    source: str,
    caller: Caller,
    now: datetime,
    measured_at: datetime | None = None,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> import_report.ImportReport:
    """Bring `corpus` in; what is there already stays as it is and is counted as unchanged.

    The files carry no time: their evidence is dated `measured_at`, by default the moment of the
    task's first import. A dry run does all of it and takes it back, so its report is what a real
    run would say. Raises `Refusal` where something stored here says otherwise than the files
    (`revision_taken`, `idempotency_key_reused`, `name_taken`).
    """
    _require_free(corpus)
    total = sum(len(task.paraphrases) for task in corpus.tasks)
    registered = unchanged = recorded = repeated = 0
    progress(0, total)
    for task in corpus.tasks:
        with transaction.atomic():
            counts = _load_task(task=task, caller=caller, now=now, measured_at=measured_at)
            if dry_run:
                transaction.set_rollback(True)
        registered += counts.registered
        unchanged += counts.unchanged
        recorded += counts.recorded
        repeated += counts.repeated
        progress(registered + unchanged, total)
    return import_report.ImportReport(
        source=source,
        dry_run=dry_run,
        read=corpus.count_contents(),
        registered=registered,
        unchanged=unchanged,
        recorded=recorded,
        repeated=repeated,
        notes=_build_notes(corpus),
    )


@dataclass(frozen=True, kw_only=True)
class _TaskCounts:
    registered: int
    unchanged: int
    recorded: int
    repeated: int


def _load_task(
    *, task: CorpusTask, caller: Caller, now: datetime, measured_at: datetime | None
) -> _TaskCounts:
    targets = _prepare_targets(task=task, caller=caller)
    ritual = rituals.register(
        name=f"{task.namespace}/{task.name}",
        tag=f"task:{task.name}",
        description=f"The task {task.name} of {task.data_set}, each share over {RUNS} runs. "
        f"{_ORIGIN}",
    )
    names = {task.get_prompt_name(paraphrase) for paraphrase in task.paraphrases}
    known = Prompt.objects.filter(namespace=task.namespace, name__in=names).count()
    stored = _register(task=task, targets=targets, caller=caller)
    CodexContract.objects.bulk_create(
        [
            CodexContract(prompt=stored[paraphrase.id], codex=targets.codex)
            for paraphrase in task.paraphrases
        ],
        ignore_conflicts=True,
    )
    claims = list(_iter_claims(task=task, targets=targets, ritual=ritual, stored=stored))
    occurred_at = _find_recorded_time(claims, caller=caller) or measured_at or now
    recorded = repeated = 0
    for start in range(0, len(claims), intake.MAX_BATCH):
        result = SymbolicPromptTokenMarketplace().record_evidence(
            caller=caller,
            claims=[
                replace(claim, occurred_at=occurred_at)
                for claim in claims[start : start + intake.MAX_BATCH]
            ],
            source=_SOURCE,
            now=now,
        )
        recorded += result.recorded
        repeated += result.repeated
    return _TaskCounts(
        registered=len(stored) - known, unchanged=known, recorded=recorded, repeated=repeated
    )


def _prepare_targets(*, task: CorpusTask, caller: Caller) -> _ImportTargets:
    team, _ = Team.objects.get_or_create(
        name=TEAM, defaults={"title": "Language models of an evaluation corpus"}
    )
    codex = codices.register(
        name="keeps the meaning",
        description="Whether a paraphrase still asks for what the original asks for.",
        clauses=[_CLAUSE],
    )
    models = {
        model: assistants.register(
            name=model,
            owner=caller.principal,
            team=team,
            model=model,
            description=f"A language model of an evaluation corpus. {_ORIGIN}",
        )
        for model in task.models
    }
    return _ImportTargets(team=team, codex=codex, assistants=models)


def _register(*, task: CorpusTask, targets: _ImportTargets, caller: Caller) -> dict[str, Prompt]:
    """The task's prompts by paraphrase id: the originals, then all that derives from them."""
    stored: dict[str, Prompt] = {}
    for batch in (
        [p for p in task.paraphrases if p.is_original],
        [p for p in task.paraphrases if not p.is_original],
    ):
        drafts = [
            _build_draft(task=task, paraphrase=paraphrase, stored=stored) for paraphrase in batch
        ]
        registered = prompts.register_all(drafts=drafts, author=caller.principal, team=targets.team)
        stored |= {
            paraphrase.id: prompt for paraphrase, prompt in zip(batch, registered, strict=True)
        }
    return stored


def _build_draft(
    *, task: CorpusTask, paraphrase: Paraphrase, stored: dict[str, Prompt]
) -> prompts.PromptDraft:
    original = task.find_original(paraphrase)
    return prompts.PromptDraft(
        namespace=task.namespace,
        name=task.get_prompt_name(paraphrase),
        revision=1,
        text=paraphrase.template,
        title=f"{task.name.replace('_', ' ')}, {_describe_kind(paraphrase)} {paraphrase.id}",
        preview=registration.build_preview(paraphrase.template),
        is_open=True,
        parent=stored[original.id] if original is not None else None,
        mutation_note=paraphrase.method if original is not None else "",
        tags=(f"task:{task.name}", f"method:{paraphrase.method}"),
        licence=LICENCE,
    )


def _describe_kind(paraphrase: Paraphrase) -> str:
    return "original" if paraphrase.is_original else f"paraphrase ({paraphrase.method})"


def _iter_claims(
    *, task: CorpusTask, targets: _ImportTargets, ritual: Ritual, stored: dict[str, Prompt]
) -> Iterator[intake.EvidenceClaim]:
    for paraphrase in task.paraphrases:
        key = f"multiprompt:{task.namespace}/{task.get_prompt_name(paraphrase)}"
        prompt = stored[paraphrase.id].pk
        if paraphrase.keeps_meaning is not None:
            yield intake.EvidenceClaim(
                kind="clause",
                prompt=prompt,
                score=float(paraphrase.keeps_meaning),
                tags=(f"clause:{_CLAUSE['id']}",),
                note=_NOTE,
                key=f"{key}:keeps-the-meaning",
            )
        for model, share in paraphrase.shares.items():
            if share is not None:
                yield intake.EvidenceClaim(
                    kind="outcome",
                    prompt=prompt,
                    assistant=targets.assistants[model].pk,
                    ritual=ritual.pk,
                    score=share,
                    runs=RUNS,
                    key=f"{key}:model:{model}",
                )


def _find_recorded_time(
    claims: Sequence[intake.EvidenceClaim], *, caller: Caller
) -> datetime | None:
    """When this task's evidence is said to be from, if it was recorded before: the same claim has
    the same time.
    """
    if not claims:
        return None
    return (
        Event.objects.filter(actor=caller.principal, key=claims[0].key)
        .values_list("occurred_at", flat=True)
        .first()
    )


def _require_free(corpus: Corpus) -> None:
    models = {model for task in corpus.tasks for model in task.models}
    conflicting = Assistant.objects.filter(name__in=models).exclude(team__name=TEAM).first()
    if conflicting is not None:
        raise TakenByAnotherTeam(
            f"The assistant {conflicting.name!r} belongs to the team {conflicting.team.name!r}; the corpus "
            f"would need that name "
            f"for a model of its own. Nothing was imported."
        )
    for namespace in sorted({task.namespace for task in corpus.tasks}):
        other = Prompt.objects.filter(namespace=namespace).exclude(team__name=TEAM).first()
        if other is not None:
            raise TakenByAnotherTeam(
                f"The namespace {namespace!r} holds {other.reference} of the team "
                f"{other.team.name!r}; rename the "
                "corpus's folder to import it under another namespace. Nothing was imported."
            )


def _build_notes(corpus: Corpus) -> list[str]:
    notes = []
    every = [(task, p) for task in corpus.tasks for p in task.paraphrases]
    distinct = {(task.namespace, task.name, p.template) for task, p in every}
    if repeats := len(every) - len(distinct):
        notes.append(
            f"{repeats} paraphrases repeat another one of their task to the letter; each keeps "
            f"its own line and "
            "evidence, and they share a digest."
        )
    if several := [t.name for t in corpus.tasks if sum(p.is_original for p in t.paraphrases) > 1]:
        notes.append(
            f"{len(several)} tasks have several originals ({', '.join(several)}); a paraphrase "
            f"there derives from "
            "the original whose words it shares most."
        )
    if corpus.ignored:
        notes.append(f"Files other than .json were ignored: {', '.join(corpus.ignored)}.")
    if unmeasured := corpus.count_contents()["cells_not_measured"]:
        notes.append(f"{unmeasured} cells hold no number (null) and gave no evidence.")
    return notes
