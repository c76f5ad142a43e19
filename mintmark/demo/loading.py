"""The simulated fleet, registered and recorded; a second loading changes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from mintmark.accounts import callers
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Membership, Role, Team, User
from mintmark.evidence.models import Event
from mintmark.integrations.import_report import Progress
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, codices, entitlements, labels, prompts, rituals
from mintmark.registry.models import Codex, LabelMove, Prompt
from mintmark.trust import claim_provenance, intake, vouching

from . import evidence
from .evidence import EvidenceReport, SimulatedEvent
from .fleet import Fleet

SIMULATED = "Simulated for the demo: no language model is behind it."
SOURCE = "mintmark demo (simulated)"


@dataclass(frozen=True, kw_only=True)
class LoadedFleet:
    """What one loading added: prompts and events; both 0 where all was there. `start` is when the ninety days began."""

    prompts: int
    events: int
    start: datetime


def load_fleet(
    *, fleet: Fleet, console: Caller, now: datetime, progress: Progress = lambda index, total: None
) -> LoadedFleet:
    """Register the fleet and record its ninety days, which end at `now` of the first loading.

    What was interrupted is completed: each report is one batch with keys of its own.
    """
    reports = evidence.simulate(fleet=fleet)
    start = _find_start(reports) or now - timedelta(days=evidence.DAYS)
    if _is_complete(reports):
        return LoadedFleet(prompts=0, events=0, start=start)
    with transaction.atomic():
        people = _create_people(fleet, console=console, now=now)
        before = Prompt.objects.count()
        stored = _register_fleet(fleet=fleet, console=console)
        added = Prompt.objects.count() - before
        _move_labels(fleet=fleet, console=console, stored=stored, start=start)
    events = 0
    for index, report in enumerate(reports):
        at = start + timedelta(days=report.day)
        receipt = SymbolicPromptTokenMarketplace().record_evidence(
            caller=people[report.person],
            claims=list(_build_claims(report, start=start, stored=stored)),
            source=SOURCE,
            now=at,
        )
        events += receipt.recorded
        progress(index + 1, len(reports))
    return LoadedFleet(prompts=added, events=events, start=start)


def vouch_for(person: Caller, *, console: Caller, reason: str, now: datetime) -> None:
    """Let what this person reports count as if the installation had run it, if it does not yet."""
    if not claim_provenance.is_vouched_for(caller=person):
        vouching.vouch_for(caller=console, reporter=person.principal, reason=reason, now=now)


def _create_people(fleet: Fleet, *, console: Caller, now: datetime) -> dict[str, Caller]:
    """Everybody in the fleet as a caller. None of them can sign in."""
    callers_by_name: dict[str, Caller] = {}
    for team in fleet.teams:
        team_row, _ = Team.objects.get_or_create(name=team.name, defaults={"title": team.title})
        ringed = [name for ring in fleet.rings if ring.team == team.name for name in ring.people]
        for name in dict.fromkeys([*team.people, *ringed]):
            user = User.objects.filter(username=name).first()
            if user is None:
                user = User(username=name)
                user.set_unusable_password()
                user.save()
            roles = [Role.AUTHOR, Role.OPERATOR] if name == team.people[0] else [Role.AUTHOR]
            for role in roles:
                Membership.objects.get_or_create(user=user, team=team_row, role=role)
            callers_by_name[name] = callers.from_user(user=user)
            vouch_for(
                callers_by_name[name], console=console, reason="part of the demo's fleet", now=now
            )
    return callers_by_name


def _register_fleet(*, fleet: Fleet, console: Caller) -> dict[str, Prompt]:
    """Rituals, the codex, assistants with their memory, prompts and who may use them; prompts by
    reference.
    """
    codex = codices.register(
        name="house rules",
        description=f"What an answer to a customer or a colleague must keep. {SIMULATED}",
        clauses=[
            {**clause, "applies_to": "output", "check": {"kind": "judge"}}
            for clause in fleet.clauses
        ],
    )
    for ritual in fleet.rituals:
        rituals.register(
            name=ritual.name,
            tag=f"task:{ritual.task}",
            description=f"{ritual.description} {SIMULATED}",
        )
    teams = {team.name: Team.objects.get(name=team.name) for team in fleet.teams}
    for described in fleet.assistants:
        assistant = assistants.register(
            name=described.name,
            owner=console.principal,
            team=teams[described.team],
            model=described.model,
            description=SIMULATED,
        )
        codex.assistants.add(assistant)
        for key, text in described.memory.items():
            assistants.store_memory(assistant=assistant, key=key, text=text)
    stored = _register_prompts(fleet=fleet, teams=teams, codex=codex)
    for reference, team in fleet.shared:
        entitlements.grant(
            caller=console, prompt=stored[reference], team=teams[team], reason="shared by its team"
        )
    return stored


def _register_prompts(
    *, fleet: Fleet, teams: Mapping[str, Team], codex: Codex
) -> dict[str, Prompt]:
    stored: dict[str, Prompt] = {}
    for described in fleet.prompts:
        namespace, _, name = described.line.partition("/")
        author = User.objects.get(
            username=next(team.people[0] for team in fleet.teams if team.name == described.team)
        )
        forker = described.forked_by
        prompt = prompts.register(
            draft=prompts.PromptDraft(
                namespace=namespace,
                name=name,
                revision=described.revision,
                text=described.text.strip("\n"),
                title=f"{name.replace('-', ' ').capitalize()} (simulated)",
                preview=described.note,
                is_open=described.open,
                parent=stored[described.parent] if described.parent else None,
                mutation_note=described.note,
                forked_by=assistants.resolve(reference=forker) if forker else None,
                tags=build_tags(task=described.task, text=described.text),
                licence=described.licence,
            ),
            author=callers.from_user(user=author).principal,
            team=teams[described.team],
        )
        codices.bind(prompt=prompt, codex=codex)
        stored[described.reference] = prompt
    return stored


def build_tags(*, task: str, text: str) -> tuple[str, ...]:
    """A prompt's task and its habits of wording; what nearly every prompt carries would tell nothing."""
    return (
        f"task:{task}",
        *(f"@{habit.replace('_', '-')}" for habit in evidence.find_habits(text)),
    )


def _build_claims(
    report: EvidenceReport, *, start: datetime, stored: Mapping[str, Prompt]
) -> Iterator[intake.EvidenceClaim]:
    for n, event in enumerate(report.events):
        yield intake.EvidenceClaim(
            kind=event.kind,
            prompt=stored[event.prompt].pk,
            assistant=event.assistant,
            ritual=event.ritual,
            score=event.score,
            runs=event.runs,
            tags=event.tags,
            note=event.note,
            occurred_at=_to_datetime(event, start),
            key=_build_key(report, n),
        )


def _to_datetime(event: SimulatedEvent, start: datetime) -> datetime:
    return start + timedelta(days=event.day)


def _build_key(report: EvidenceReport, n: int) -> str:
    return f"{report.key}:{n}"


def _find_start(reports: list[EvidenceReport]) -> datetime | None:
    """When the ninety days began, if their first event is in the log."""
    first = reports[0]
    recorded = Event.objects.filter(
        actor__user__username=first.person, key=_build_key(first, 0)
    ).values_list("occurred_at", flat=True)
    at = recorded.first()
    return at - timedelta(days=first.events[0].day) if at is not None else None


def _is_complete(reports: list[EvidenceReport]) -> bool:
    last = reports[-1]
    key = _build_key(last, len(last.events) - 1)
    return Event.objects.filter(actor__user__username=last.person, key=key).exists()


def _move_labels(
    *, fleet: Fleet, console: Caller, stored: Mapping[str, Prompt], start: datetime
) -> None:
    for label in fleet.labels:
        namespace, _, name = label.line.partition("/")
        label_key = {"namespace": namespace, "name": name, "label": label.label}
        if LabelMove.objects.filter(**label_key).exists():
            continue
        for move in label.moves:
            labels.move(
                **label_key,
                prompt=stored[f"{label.line}@{move.revision}"],
                actor=console.principal,
                reason=move.reason,
                now=start + timedelta(days=move.day),
            )
