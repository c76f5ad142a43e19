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
from mintmark.core import errors
from mintmark.evidence.models import Event
from mintmark.registry import assistants, prompts, rituals
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import definitions
from mintmark.trust import intake

from . import multiprompt, promptfoo_files, promptfoo_tests, reports
from .promptfoo_files import Evaluation, Result

TEAM = "promptfoo"
NAMESPACE = "promptfoo"
_PROMPTS_AT_ONCE = 20
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
    progress: reports.Progress = lambda done, total: None,
) -> reports.Report:
    """Bring in what promptfoo wrote, or what it is told to test. A second import of the same changes nothing.

    `name` and `tag` are those of the ritual, made of the file's description where they are empty. Evidence is dated as
    the file says. Raises `UnreadableSource` naming every place that is wrong, `name_taken` where an assistant's name
    belongs to another team, `key_reused` where the same evaluation was imported with other scores.
    """
    found = promptfoo_files.document(file=file)
    with transaction.atomic():
        if isinstance(found, Mapping) and "results" in found:
            digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
            evaluation = promptfoo_files.evaluation(found, file=file, digest=digest)
            report = _load_results(
                evaluation, file=file, caller=caller, now=now, team=team, name=name, tag=tag,
                dry_run=dry_run, progress=progress,
            )  # fmt: skip
        else:
            report = _load_tests(
                found, file=file, name=name, tag=tag, dry_run=dry_run, progress=progress
            )
        if dry_run:
            transaction.set_rollback(True)
    return report


def _load_tests(
    found: Any, *, file: Path, name: str, tag: str, dry_run: bool, progress: reports.Progress
) -> reports.Report:
    definition = promptfoo_tests.definition(found, file=file, name=name, tag=tag)
    known = Ritual.objects.filter(name=definition.name).count()
    ritual = definitions.register(definition)
    is_new = Ritual.objects.filter(name=definition.name).count() > known
    progress(len(definition.cases), len(definition.cases))
    did = ("would be registered" if dry_run else "registered") if is_new else "was there already"
    return reports.Report(
        source=str(file),
        dry_run=dry_run,
        read={"tests": len(definition.cases)},
        rituals=int(is_new),
        notes=[f"The ritual {ritual} of {len(definition.cases)} cases {did}."],
    )


def _load_results(
    evaluation: Evaluation,
    *,
    file: Path,
    caller: Caller,
    now: datetime,
    team: str,
    name: str,
    tag: str,
    dry_run: bool,
    progress: reports.Progress,
) -> reports.Report:
    owner, _ = Team.objects.get_or_create(name=team, defaults={"title": "Read from promptfoo"})
    fleet = _assistants(evaluation.results, caller=caller, team=owner)
    texts = {one.template: one.label for one in evaluation.results}
    names = {text: _prompt_name(text, label) for text, label in texts.items()}
    known = Prompt.objects.filter(namespace=NAMESPACE, name__in=names.values()).count()
    pairs = {(one.template, one.provider) for one in evaluation.results if one.score is not None}
    total = len(names) + len(pairs)
    stored = _prompts(
        names,
        file=file,
        caller=caller,
        team=owner,
        registered=lambda done: progress(done, total),
    )
    title = name or f"promptfoo/{evaluation.description or evaluation.id}"
    ritual, note = _ritual(evaluation, file=file, name=title, tag=tag)
    claims = _claims(evaluation, prompts_by_text=stored, fleet=fleet, ritual=ritual)
    recorded = repeated = 0
    at = evaluation.at or _dated(claims, caller=caller) or now
    for start in range(0, len(claims), intake.MAX_BATCH):
        batch = [
            replace(claim, occurred_at=at) for claim in claims[start : start + intake.MAX_BATCH]
        ]
        receipt = intake.record(caller=caller, claims=batch, source=_SOURCE, now=now)
        recorded, repeated = recorded + receipt.recorded, repeated + receipt.repeated
        progress(len(names) + start + len(batch), total)
    notes = [note, f"The ritual is {ritual}, the team {owner.name}."]
    if failed := evaluation.counts()["errors"]:
        notes.append(f"{failed} results are errors of a provider, and gave no evidence.")
    return reports.Report(
        source=str(file),
        dry_run=dry_run,
        read=evaluation.counts(),
        registered=len(stored) - known,
        unchanged=known,
        recorded=recorded,
        repeated=repeated,
        notes=[one for one in notes if one],
    )


def _assistants(results: Sequence[Result], *, caller: Caller, team: Team) -> dict[str, Assistant]:
    """The assistant of each provider."""
    models = {one.provider: one.model for one in results}
    named = {provider: _assistant_name(provider) for provider in models}
    taken = Assistant.objects.filter(name__in=named.values()).exclude(team=team).first()
    if taken is not None:
        raise multiprompt.TakenByAnotherTeam(
            f"The assistant {taken.name!r} belongs to the team {taken.team.name!r}: import into that team, or rename "
            "the provider with a label. Nothing was imported."
        )
    return {
        provider: assistants.register(
            name=named[provider],
            owner=caller.principal,
            team=team,
            model=models[provider][:200],
            description="A provider in an evaluation of promptfoo.",
        )
        for provider in models
    }


def _prompts(
    names: Mapping[str, str],
    *,
    file: Path,
    caller: Caller,
    team: Team,
    registered: Callable[[int], None],
) -> dict[str, Prompt]:
    """The prompt of each template; a template that can't be one refuses the file."""
    drafts = [
        prompts.Draft(
            namespace=NAMESPACE,
            name=name,
            revision=1,
            text=text,
            preview=" ".join(text.split())[:200],
            is_open=True,
        )
        for text, name in names.items()
    ]
    if problems := prompts.problems(drafts=drafts):
        places = [
            reports.Place(
                row=row["row"],
                field=f"prompt {drafts[row['row']].name}",
                value=row["value"],
                message=row["message"],
                file=file.name,
            )
            for row in problems
        ]
        raise reports.unreadable(what=str(file), places=places)
    made: list[Prompt] = []
    for some in batched(drafts, _PROMPTS_AT_ONCE):
        made += prompts.register_all(drafts=some, author=caller.principal, team=team)
        registered(len(made))
    return dict(zip(names, made, strict=True))


def _ritual(evaluation: Evaluation, *, file: Path, name: str, tag: str) -> tuple[Ritual, str]:
    """The ritual that the results were measured with: its cases where they can be run here, else by its name alone; and
    a note on that."""
    cases = [
        {
            "id": f"test-{n + 1}",
            "vars": promptfoo_tests.plain(test["vars"]),
            "assert": test["assert"],
        }
        | ({"threshold": test["threshold"]} if test["threshold"] is not None else {})
        for n, test in enumerate(evaluation.tests)
    ]
    try:
        definition = promptfoo_tests.stated(cases, name=name, tag=tag, file=file)
    except errors.Refusal as refused:
        title = promptfoo_tests.title(name)
        told = json.dumps(cases, sort_keys=True, default=str)
        ritual = rituals.register(
            name=title,
            tag=tag or promptfoo_tests.task(title),
            description="Measured by promptfoo.",
            definition={"promptfoo": hashlib.sha256(told.encode()).hexdigest()},
        )
        why = refused.rows[0]["message"] if refused.rows else refused.message
        return ritual, f"Its tests can't be run here, so the ritual has its name alone: {why}"
    return definitions.register(definition), ""


def _claims(
    evaluation: Evaluation,
    *,
    prompts_by_text: Mapping[str, Prompt],
    fleet: Mapping[str, Assistant],
    ritual: Ritual,
) -> list[intake.Claim]:
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in evaluation.results:
        if one.score is not None:
            scores[one.template, one.provider].append(one.score)
    return [
        intake.Claim(
            kind="outcome",
            prompt=prompts_by_text[text].pk,
            assistant=fleet[provider].pk,
            ritual=ritual.pk,
            score=min(1.0, sum(values) / len(values)),
            runs=len(values),
            note="measured by promptfoo",
            # The same evaluation again is the same claim.
            key=f"promptfoo:{evaluation.id}:{_short(text)}:{_short(provider)}",
        )
        for (text, provider), values in scores.items()
    ]


def _dated(claims: Sequence[intake.Claim], *, caller: Caller) -> datetime | None:
    """When this evaluation's evidence is said to be from, if it was recorded before."""
    if not claims:
        return None
    kept = Event.objects.filter(actor=caller.principal, key=claims[0].key)
    return kept.values_list("occurred_at", flat=True).first()


def _prompt_name(text: str, label: str) -> str:
    """A name that the same text always has: a few of its words, and the start of its digest."""
    plain = unicodedata.normalize("NFKD", (label or text).casefold())
    bare = "".join(one for one in plain if unicodedata.category(one) != "Mn")
    slug = re.sub(r"[\W_]+", "-", bare).strip("-")[:60].strip("-") or "prompt"
    return f"{slug}-{_short(text)[:8]}"


def _assistant_name(provider: str) -> str:
    plain = " ".join(re.sub(r"[^\w .:/+-]", "-", provider).split())
    name = plain[:180].strip() or "provider"
    if plain != provider or not re.match(r"\w", name) or name.isdigit():
        name = f"provider {name} {_short(provider)[:6]}"
    return name


def _short(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
