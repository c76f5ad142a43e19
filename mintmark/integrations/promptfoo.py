"""`mintmark import promptfoo`: what promptfoo measured as prompts, assistants, a ritual and outcomes; or, where a file
holds no results, its tests as a ritual.

A prompt's template is an open prompt of the namespace `promptfoo`, a provider an assistant of one team, the file's
tests a ritual, and the mean score of a prompt with a provider an outcome of as many runs as tests were measured. All of
it is one transaction; rows that can't be used are refused by themselves and named.
"""

import hashlib
import json
import math
import re
import statistics
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Any

from django.db import transaction

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.evidence.log import CaseVerdict
from mintmark.evidence.models import Event
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import definitions
from mintmark.textchecks import chat_format
from mintmark.trust import intake

from . import import_report, multiprompt, promptfoo_files, promptfoo_tests, registration
from .promptfoo_files import EvaluationResult, PromptfooEvaluation
from .promptfoo_prompts import PromptfooPrompt

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
    strict: bool = False,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> import_report.ImportReport:
    """Bring in what promptfoo wrote, or what it is told to test. A second import of the same changes nothing.

    `name` and `tag` are those of the ritual, made of the file's description where they are empty. Evidence is dated as
    the file says. `strict` refuses the whole file where a single row is refused. Raises `UnreadableSource` naming every
    place that is wrong, `name_taken` where an assistant's name belongs to another team, `idempotency_key_reused` where
    the same evaluation was imported with other scores.
    """
    document = promptfoo_files.load_document(file=file)
    with transaction.atomic():
        if isinstance(document, Mapping) and "results" in document:
            digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
            evaluation = promptfoo_files.parse_evaluation(document, file=file, digest=digest)
            report = _load_results(
                evaluation, file=file, caller=caller, now=now, team=team, name=name, tag=tag,
                strict=strict, dry_run=dry_run, progress=progress,
            )  # fmt: skip
        else:
            report = _load_tests(
                document,
                file=file,
                caller=caller,
                name=name,
                tag=tag,
                dry_run=dry_run,
                progress=progress,
            )
        if dry_run:
            transaction.set_rollback(True)
    return report


def _load_tests(
    document: Any,
    *,
    file: Path,
    caller: Caller,
    name: str,
    tag: str,
    dry_run: bool,
    progress: import_report.Progress,
) -> import_report.ImportReport:
    definition = promptfoo_tests.parse_definition(document, file=file, name=name, tag=tag)
    known = Ritual.objects.filter(name=definition.name).count()
    ritual = definitions.register_definition(definition, caller=caller)
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
    strict: bool,
    dry_run: bool,
    progress: import_report.Progress,
) -> import_report.ImportReport:
    owner, _ = Team.objects.get_or_create(name=team, defaults={"title": "Read from promptfoo"})
    texts = _register_prompts(evaluation, file=file, caller=caller, team=owner, progress=progress)
    usable = [result for result in evaluation.results if result.prompt.text in texts.stored]
    refused = tuple(sorted([*evaluation.problems, *texts.refused], key=lambda row: row["row"]))
    if strict and refused:
        raise import_report.build_unreadable_source(source_name=str(file), rows=refused)
    measured = [result for result in usable if not result.left_out]
    assistants_by_provider = _register_assistants(measured, caller=caller, team=owner)
    title = name or f"promptfoo/{evaluation.description or f'tests {evaluation.suite}'}"
    ritual, note = _register_ritual(
        evaluation, file=file, name=title, tag=tag, is_measured=bool(measured), caller=caller
    )
    claims = (
        _build_claims(
            measured,
            evaluation=evaluation,
            prompts_by_text=texts.stored,
            assistants_by_provider=assistants_by_provider,
            ritual=ritual,
        )
        if ritual is not None
        else []
    )
    recorded = repeated = 0
    total = len(texts.stored) + len(claims)
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
        progress(len(texts.stored) + start + len(batch), total)
    place = f"The ritual is {ritual}, the team" if ritual is not None else "The team is"
    account = _build_account(evaluation, usable=usable)
    notes = [note, f"{place} {owner.name}."]
    notes += [
        f"Left out of the evidence, {len(rows):,} rows: {reason}."
        for reason, rows in account.left_out.items()
    ]
    if refused:
        notes.append(f"Rows refused: {len(account.refused):,} of {account.total:,}.")
    return import_report.ImportReport(
        source=str(file),
        dry_run=dry_run,
        read=evaluation.count_contents(),
        registered=len(texts.stored) - texts.known,
        unchanged=texts.known,
        recorded=recorded,
        repeated=repeated,
        refused=refused,
        notes=[text_note for text_note in notes if text_note],
        rows=account,
    )


def _build_account(
    evaluation: PromptfooEvaluation, *, usable: Sequence[EvaluationResult]
) -> import_report.RowAccount:
    left_out: dict[str, list[int]] = defaultdict(list)
    for result in usable:
        if result.left_out:
            left_out[result.left_out].append(result.row)
    known_rows = {result.row for result in usable}
    return import_report.RowAccount(
        evidence=[result.row for result in usable if not result.left_out],
        left_out=dict(left_out),
        refused=[row for row in range(evaluation.row_count) if row not in known_rows],
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _RegisteredTexts:
    """The prompt of each text, how many of them were there already, and what was refused."""

    stored: Mapping[str, Prompt]
    known: int
    refused: Sequence[errors.FieldError]


def _register_prompts(
    evaluation: PromptfooEvaluation,
    *,
    file: Path,
    caller: Caller,
    team: Team,
    progress: import_report.Progress,
) -> _RegisteredTexts:
    """The prompt of each text. One that is there already stays what it is, whatever its name."""
    mapped = {result.prompt.text: result.prompt for result in evaluation.results}
    first_rows: dict[str, int] = {}
    for result in evaluation.results:
        first_rows.setdefault(result.prompt.text, result.row)
    pairs = {
        (result.prompt.text, result.provider)
        for result in evaluation.results
        if not result.left_out
    }
    stored = _find_registered(mapped)
    known = len(stored)
    drafts = [
        prompts.PromptDraft(
            namespace=NAMESPACE,
            name=_build_prompt_name(text),
            revision=1,
            text=text,
            title=prompt.title,
            preview=registration.build_preview(text),
            is_open=True,
            tags=(chat_format.TAG,) if prompt.is_chat else (),
            variables=list(prompt.variables),
        )
        for text, prompt in mapped.items()
        if text not in stored
    ]
    refused = [
        import_report.SourceFieldError(
            row=first_rows[drafts[row["row"]].text],
            field=f"prompt {drafts[row['row']].name}",
            value=row["value"],
            message=row["message"],
            file=file.name,
        )
        for row in prompts.find_problems(drafts=drafts)
    ]
    unfit = {row["row"] for row in prompts.find_problems(drafts=drafts)}
    drafts = [draft for n, draft in enumerate(drafts) if n not in unfit]
    for batch in batched(drafts, _PROMPT_BATCH_SIZE):
        registered = prompts.register_all(drafts=batch, author=caller.principal, team=team)
        stored |= {draft.text: prompt for draft, prompt in zip(batch, registered, strict=True)}
        progress(len(stored), len(mapped) - len(unfit) + len(pairs))
    return _RegisteredTexts(stored=stored, known=known, refused=refused)


def _find_registered(mapped: Mapping[str, PromptfooPrompt]) -> dict[str, Prompt]:
    """The prompts of these texts that are there, by text; the oldest of equal ones."""
    text_by_digest = {
        hashlib.sha256(text.encode(errors="replace")).hexdigest(): text for text in mapped
    }
    registered: dict[str, Prompt] = {}
    for batch in batched(text_by_digest, 500):
        known = Prompt.objects.filter(namespace=NAMESPACE, digest__in=batch).order_by("id")
        for prompt in known:
            registered.setdefault(text_by_digest[prompt.digest], prompt)
    return registered


def _register_ritual(
    evaluation: PromptfooEvaluation,
    *,
    file: Path,
    name: str,
    tag: str,
    is_measured: bool,
    caller: Caller,
) -> tuple[Ritual | None, str]:
    """The ritual that the results were measured with: its cases where they can be run here, else its name alone, if
    anything was measured; and a note on that."""
    try:
        definition = promptfoo_tests.build_evaluated_definition(
            evaluation.tests, name=name, tag=tag, file=file
        )
    except errors.DomainError as error:
        reason = error.rows[0]["message"] if error.rows else error.message
        if not is_measured:
            return None, f"Nothing was measured, and its tests can't be run here: {reason}"
        title = promptfoo_tests.build_title(name)
        ritual = rituals.register(
            name=title,
            tag=tag or promptfoo_tests.build_task_tag(title),
            description="Measured by promptfoo.",
            definition={"promptfoo": evaluation.suite},
            caller=caller,
        )
        return ritual, f"Its tests can't be run here, so the ritual has its name alone: {reason}"
    return definitions.register_definition(definition, caller=caller), ""


def _build_claims(
    measured: Sequence[EvaluationResult],
    *,
    evaluation: PromptfooEvaluation,
    prompts_by_text: Mapping[str, Prompt],
    assistants_by_provider: Mapping[str, Assistant],
    ritual: Ritual,
) -> list[intake.EvidenceClaim]:
    """One outcome of each prompt with each provider: the mean over its tests, of the mean over a test's repeats."""
    scores: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in measured:
        scores[result.prompt.text, result.provider][result.test].append(result.score)
    case_ids = promptfoo_tests.list_case_ids(evaluation.tests)
    return [
        intake.EvidenceClaim(
            kind="outcome",
            prompt=prompts_by_text[text].pk,
            assistant=assistants_by_provider[provider].pk,
            ritual=ritual.pk,
            score=min(1.0, math.fsum(map(statistics.fmean, by_test.values())) / len(by_test)),
            runs=len(by_test),
            cases=tuple(
                CaseVerdict(case_ids[test], min(1.0, statistics.fmean(results)))
                for test, results in by_test.items()
            )
            if len(by_test) <= intake.MAX_CASES
            else (),
            note="measured by promptfoo",
            # The same evaluation again is the same claim.
            key=f"promptfoo:{evaluation.id}:{_hash_text(text)}:{_hash_text(provider)}",
        )
        for (text, provider), by_test in scores.items()
    ]


def _find_recorded_time(
    claims: Sequence[intake.EvidenceClaim], *, caller: Caller
) -> datetime | None:
    """When this evaluation's evidence is said to be from, if it was recorded before."""
    if not claims:
        return None
    recorded_events = Event.objects.filter(actor=caller.principal, key=claims[0].key)
    return recorded_events.values_list("occurred_at", flat=True).first()


def _build_prompt_name(text: str) -> str:
    """A name that the same text always has: a few of its words, and the start of its digest."""
    plain = unicodedata.normalize("NFKD", text.casefold())
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
