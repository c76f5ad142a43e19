"""`mintmark import promptfoo`: what promptfoo measured as prompts, assistants, a ritual and outcomes; or, where a file
holds no results, its tests as a ritual.

A prompt's template is an open prompt of the namespace `promptfoo`, a provider an assistant of one team, the file's
tests a ritual, and the mean score of a prompt with a provider an outcome of as many runs as there were tests. All of it
is one transaction.
"""

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Any

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import definitions
from mintmark.trust import intake

from . import import_report, multiprompt, promptfoo_files, promptfoo_tests, registration
from .promptfoo_files import EvaluationResult, PromptfooEvaluation

TEAM = "promptfoo"
NAMESPACE = "promptfoo"
_PROMPT_BATCH_SIZE = 20
_SOURCE = "import promptfoo"


def load(
    *,
    file: Path,
    caller: Caller,
    now: datetime,
    team: str = TEAM,
    name: str = "",
    tag: str = "",
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> import_report.ImportReport:
    """Bring in what promptfoo wrote, or what it is told to test. A second import of the same changes nothing.

    `name` and `tag` are those of the ritual, made of the file's description where they are empty. Evidence is dated as
    the file says. Raises `UnreadableSource` naming every place that is wrong, `name_taken` where an assistant's name
    belongs to another team, `idempotency_key_reused` where the same evaluation was imported with other scores.
    """
    document = promptfoo_files.load_document(file=file)
    with transaction.atomic():
        if isinstance(document, Mapping) and "results" in document:
            digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
            evaluation = promptfoo_files.parse_evaluation(document, file=file, digest=digest)
            report = _load_results(
                evaluation, file=file, caller=caller, now=now, team=team, name=name, tag=tag,
                dry_run=dry_run, progress=progress,
            )  # fmt: skip
        else:
            report = _load_tests(
                document, file=file, name=name, tag=tag, dry_run=dry_run, progress=progress
            )
        if dry_run:
            transaction.set_rollback(True)
    return report


def _load_tests(
    document: Any,
    *,
    file: Path,
    name: str,
    tag: str,
    dry_run: bool,
    progress: import_report.Progress,
) -> import_report.ImportReport:
    definition = promptfoo_tests.parse_definition(document, file=file, name=name, tag=tag)
    known = Ritual.objects.filter(name=definition.name).count()
    ritual = definitions.register_definition(definition)
    is_new = Ritual.objects.filter(name=definition.name).count() > known
    progress(len(definition.cases), len(definition.cases))
    outcome = (
        ("would be registered" if dry_run else "registered") if is_new else "was there already"
    )
    return import_report.ImportReport(
        source=str(file),
        dry_run=dry_run,
        read={"tests": len(definition.cases)},
        rituals=int(is_new),
        notes=[f"The ritual {ritual} of {len(definition.cases)} cases {outcome}."],
    )


def _load_results(
    evaluation: PromptfooEvaluation,
    *,
    file: Path,
    caller: Caller,
    now: datetime,
    team: str,
    name: str,
    tag: str,
    dry_run: bool,
    progress: import_report.Progress,
) -> import_report.ImportReport:
    owner, _ = Team.objects.get_or_create(name=team, defaults={"title": "Read from promptfoo"})
    assistants_by_provider = _register_assistants(evaluation.results, caller=caller, team=owner)
    texts = {result.template: result.label for result in evaluation.results}
    names = {text: _build_prompt_name(text, label) for text, label in texts.items()}
    known = Prompt.objects.filter(namespace=NAMESPACE, name__in=names.values()).count()
    pairs = {
        (result.template, result.provider)
        for result in evaluation.results
        if result.score is not None
    }
    total = len(names) + len(pairs)
    stored = _register_prompts(
        names,
        file=file,
        caller=caller,
        team=owner,
        on_registered=lambda completed: progress(completed, total),
    )
    title = name or f"promptfoo/{evaluation.description or evaluation.id}"
    ritual, note = _register_ritual(evaluation, file=file, name=title, tag=tag)
    claims = _build_claims(
        evaluation,
        prompts_by_text=stored,
        assistants_by_provider=assistants_by_provider,
        ritual=ritual,
    )
    recorded = repeated = 0
    occurred_at = evaluation.at or _find_recorded_time(claims, caller=caller) or now
    for start in range(0, len(claims), intake.MAX_BATCH):
        batch = [
            replace(claim, occurred_at=occurred_at)
            for claim in claims[start : start + intake.MAX_BATCH]
        ]
        recording = SymbolicPromptTokenMarketplace().record_evidence(
            caller=caller, claims=batch, source=_SOURCE, now=now
        )
        recorded, repeated = recorded + recording.recorded, repeated + recording.repeated
        progress(len(names) + start + len(batch), total)
    notes = [note, f"The ritual is {ritual}, the team {owner.name}."]
    if failed := evaluation.count_contents()["errors"]:
        notes.append(f"{failed} results are errors of a provider, and gave no evidence.")
    return import_report.ImportReport(
        source=str(file),
        dry_run=dry_run,
        read=evaluation.count_contents(),
        registered=len(stored) - known,
        unchanged=known,
        recorded=recorded,
        repeated=repeated,
        notes=[text_note for text_note in notes if text_note],
    )


def _register_assistants(
    results: Sequence[EvaluationResult], *, caller: Caller, team: Team
) -> dict[str, Assistant]:
    """The assistant of each provider."""
    models = {result.provider: result.model for result in results}
    name_by_provider = {provider: _build_assistant_name(provider) for provider in models}
    conflicting = (
        Assistant.objects.filter(name__in=name_by_provider.values()).exclude(team=team).first()
    )
    if conflicting is not None:
        raise multiprompt.TakenByAnotherTeam(
            f"The assistant {conflicting.name!r} belongs to the team {conflicting.team.name!r}: import into that team, "
            "or rename the provider with a label. Nothing was imported."
        )
    return {
        provider: assistants.register(
            name=name_by_provider[provider],
            owner=caller.principal,
            team=team,
            model=models[provider][:200],
            description="A provider in an evaluation of promptfoo.",
        )
        for provider in models
    }


def _register_prompts(
    names: Mapping[str, str],
    *,
    file: Path,
    caller: Caller,
    team: Team,
    on_registered: Callable[[int], None],
) -> dict[str, Prompt]:
    """The prompt of each template; a template that can't be one refuses the file."""
    drafts = [
        prompts.PromptDraft(
            namespace=NAMESPACE,
            name=name,
            revision=1,
            text=text,
            preview=registration.build_preview(text),
            is_open=True,
        )
        for text, name in names.items()
    ]
    if problems := prompts.find_problems(drafts=drafts):
        rows = [
            import_report.SourceFieldError(
                row=row["row"],
                field=f"prompt {drafts[row['row']].name}",
                value=row["value"],
                message=row["message"],
                file=file.name,
            )
            for row in problems
        ]
        raise import_report.build_unreadable_source(source_name=str(file), rows=rows)
    registered_prompts: list[Prompt] = []
    for batch in batched(drafts, _PROMPT_BATCH_SIZE):
        registered_prompts += prompts.register_all(drafts=batch, author=caller.principal, team=team)
        on_registered(len(registered_prompts))
    return dict(zip(names, registered_prompts, strict=True))


def _register_ritual(
    evaluation: PromptfooEvaluation, *, file: Path, name: str, tag: str
) -> tuple[Ritual, str]:
    """The ritual that the results were measured with: its cases where they can be run here, else by its name alone; and
    a note on that."""
    cases = [
        {
            "id": f"test-{n + 1}",
            "vars": promptfoo_tests.format_variables(test["vars"]),
            "assert": test["assert"],
        }
        | ({"threshold": test["threshold"]} if test["threshold"] is not None else {})
        for n, test in enumerate(evaluation.tests)
    ]
    try:
        definition = promptfoo_tests.build_definition(cases, name=name, tag=tag, file=file)
    except errors.DomainError as error:
        title = promptfoo_tests.build_title(name)
        serialized_cases = json.dumps(cases, sort_keys=True, default=str)
        ritual = rituals.register(
            name=title,
            tag=tag or promptfoo_tests.build_task_tag(title),
            description="Measured by promptfoo.",
            definition={"promptfoo": hashlib.sha256(serialized_cases.encode()).hexdigest()},
        )
        reason = error.rows[0]["message"] if error.rows else error.message
        return ritual, f"Its tests can't be run here, so the ritual has its name alone: {reason}"
    return definitions.register_definition(definition), ""


def _build_claims(
    evaluation: PromptfooEvaluation,
    *,
    prompts_by_text: Mapping[str, Prompt],
    assistants_by_provider: Mapping[str, Assistant],
    ritual: Ritual,
) -> list[intake.EvidenceClaim]:
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for result in evaluation.results:
        if result.score is not None:
            scores[result.template, result.provider].append(result.score)
    return [
        intake.EvidenceClaim(
            kind="outcome",
            prompt=prompts_by_text[text].pk,
            assistant=assistants_by_provider[provider].pk,
            ritual=ritual.pk,
            score=min(1.0, sum(values) / len(values)),
            runs=len(values),
            note="measured by promptfoo",
            # The same evaluation again is the same claim.
            key=f"promptfoo:{evaluation.id}:{_hash_text(text)}:{_hash_text(provider)}",
        )
        for (text, provider), values in scores.items()
    ]


def _find_recorded_time(
    claims: Sequence[intake.EvidenceClaim], *, caller: Caller
) -> datetime | None:
    """When this evaluation's evidence is said to be from, if it was recorded before."""
    if not claims:
        return None
    recorded_events = Event.objects.filter(actor=caller.principal, key=claims[0].key)
    return recorded_events.values_list("occurred_at", flat=True).first()


def _build_prompt_name(text: str, label: str) -> str:
    """A name that the same text always has: a few of its words, and the start of its digest."""
    plain = unicodedata.normalize("NFKD", (label or text).casefold())
    without_accents = "".join(
        character for character in plain if unicodedata.category(character) != "Mn"
    )
    slug = re.sub(r"[\W_]+", "-", without_accents).strip("-")[:60].strip("-") or "prompt"
    return f"{slug}-{_hash_text(text)[:8]}"


def _build_assistant_name(provider: str) -> str:
    plain = " ".join(re.sub(r"[^\w .:/+-]", "-", provider).split())
    name = plain[:180].strip() or "provider"
    if plain != provider or not re.match(r"\w", name) or name.isdigit():
        name = f"provider {name} {_hash_text(provider)[:6]}"
    return name


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
