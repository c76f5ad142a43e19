"""Evaluation events as evidence: each is read by the team's mapping and enters by the one door, or is counted as
rejected with its cause."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import prompts
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust import intake

from . import arrivals, mappings
from .arrivals import Fate
from .mappings import Evaluation, OtlpMapping, Reading
from .records import Record, Value

EVENT = "gen_ai.evaluation.result"
NAME = "gen_ai.evaluation.name"
VALUE = "gen_ai.evaluation.score.value"
LABEL = "gen_ai.evaluation.score.label"
RESPONSE = "gen_ai.response.id"

_REVISION = re.compile(r"([a-z0-9_-]{1,64})/([^@]{1,200})@([0-9]{1,9})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MICROSECONDS = 10**17
_SLACK = 1e-9
_SEEN_AT_ONCE = 40


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of an export: events recorded, there already, and rejected by cause. `event` is the newest event of
    the log that a reader waits for; 0 where none was recorded."""

    recorded: int
    repeated: int
    rejected: Mapping[Fate, int]
    event: int

    @property
    def rejected_in_all(self) -> int:
        return sum(self.rejected.values())


def receive(*, caller: Caller, team: Team, records: Sequence[Record], now: datetime) -> Receipt:
    """Record what a team's exporter sent, as far as the mapping in force reads it; the rest is counted.

    It takes an operator of the team, or an assistant of it, which tells of itself alone. The same event again is
    repeated, not recorded.
    """
    caller.require_scope("evidence")
    _authorise(caller, team)
    mapping = mappings.current(team=team)
    reader = _Reader(caller=caller, team=team, document=mappings.document(mapping), records=records)
    claims: dict[str, intake.Claim] = {}
    rejected: Counter[Fate] = Counter()
    seen: Counter[Fate] = Counter()
    repeated = 0
    for record in records:
        claim = reader.claim(record)
        if isinstance(claim, Fate):
            rejected[claim] += 1
            seen.update(_attributes(record))
        elif claim.key in claims:
            repeated += 1
        else:
            claims[claim.key] = claim
    source = f"otlp, mapping {mapping.version if mapping else 0}"
    done = _recorded(caller, list(claims.values()), source=source, rejected=rejected, now=now)
    recorded, repeated = done.recorded, repeated + done.repeated
    fates = Counter(dict(seen.most_common(_SEEN_AT_ONCE))) if rejected else Counter[Fate]()
    fates.update(rejected)
    fates.update({Fate(arrivals.RECORDED): recorded, Fate(arrivals.REPEATED): repeated})
    arrivals.count(team=team, fates=+fates, now=now)
    return Receipt(recorded=recorded, repeated=repeated, rejected=rejected, event=done.event)


def _authorise(caller: Caller, team: Team) -> None:
    own = caller.is_assistant and caller.principal.team_id == team.pk
    if not own and not caller.has_role(Role.OPERATOR, team_id=team.pk):
        raise errors.Forbidden(
            f"Exporting to team {team} takes its role 'operator', or the key of an assistant of it."
        )


def _recorded(
    caller: Caller,
    claims: list[intake.Claim],
    *,
    source: str,
    rejected: Counter[Fate],
    now: datetime,
) -> intake.Receipt:
    """Enter what the log takes. What it refuses row by row is added to `rejected`, and the rest is sent again."""
    while claims:
        try:
            receipt = intake.record(caller=caller, claims=claims, source=source, now=now)
        except (intake.InvalidEvidence, errors.KeyReused) as refusal:
            if not refusal.rows:
                raise
            bad = {int(row["row"]): str(row["field"]) for row in refusal.rows}
            rejected.update(Fate.of("refused", field) for field in bad.values())
            claims = [claim for n, claim in enumerate(claims) if n not in bad]
            continue
        if receipt.batch is not None:
            SymbolicPromptTokenMarketplace().settle_measured(batch=receipt.batch, now=now)
        return receipt
    return intake.Receipt(recorded=0, repeated=0, batch=None, event=0, folded=True)


def _attributes(record: Record) -> list[Fate]:
    return [Fate.of(arrivals.SEEN, name) for name in record.attributes]


class _Reader:
    """Reads records by one mapping. What names stand for is looked up once an export."""

    def __init__(
        self, *, caller: Caller, team: Team, document: OtlpMapping, records: Sequence[Record]
    ) -> None:
        self._document = document
        self._own = caller.principal.pk if caller.is_assistant else None
        rows = Assistant.objects.filter(team=team).values_list("name", "id", "principal_id")
        self._assistants = {name: (pk, principal) for name, pk, principal in rows}
        self._rituals: dict[str, int] = {}
        self._prompts = _revisions(
            {self._prompt_named(record)[1] for record in records if record.event == EVENT}
        )

    def claim(self, record: Record) -> intake.Claim | Fate:
        """The record as a claim, or why it is none."""
        if record.event != EVENT:
            return Fate.of("event", "event name", record.event)
        name = record.attributes.get(NAME)
        if not isinstance(name, str) or not name:
            return Fate("missing", NAME)
        evaluation = self._document.evaluations.get(name)
        if evaluation is None:
            return Fate.of("evaluation", NAME, name)
        score = _score(evaluation, record, name=name)
        if isinstance(score, Fate):
            return score
        assistant = self._assistant(record)
        if isinstance(assistant, Fate):
            return assistant
        prompt = self._prompt(record)
        if isinstance(prompt, Fate):
            return prompt
        if not (record.at_nano or record.trace or record.attributes.get(RESPONSE)):
            return Fate("unknowable")
        return intake.Claim(
            kind=evaluation.kind,
            prompt=prompt,
            assistant=assistant,
            ritual=self._ritual(evaluation.ritual) if evaluation.ritual is not None else None,
            score=score,
            key=_key(record),
            occurred_at=_moment(record.at_nano),
        )

    def _assistant(self, record: Record) -> int | Fate:
        attribute, name = _looked_up(self._document.assistant, record)
        if not name and self._own is not None:
            return next(pk for pk, own in self._assistants.values() if own == self._own)
        if not name:
            return Fate.of("missing", attribute)
        meant = self._document.assistant.names.get(name, name)
        found = self._assistants.get(meant)
        if found is None:
            return Fate.of("assistant", attribute, name)
        if self._own not in (None, found[1]):
            return Fate.of("not_own", attribute, name)
        return found[0]

    def _prompt(self, record: Record) -> int | Fate:
        attribute, reference = self._prompt_named(record)
        if not reference:
            return Fate.of("missing", attribute)
        if reference not in self._prompts:
            try:
                self._prompts[reference] = prompts.named(reference=reference).pk
            except errors.NotFound:
                self._prompts[reference] = None
        found = self._prompts[reference]
        return Fate.of("prompt", attribute, reference) if found is None else found

    def _prompt_named(self, record: Record) -> tuple[str, str]:
        """The attribute that names a prompt, and the reference it makes with the version beside it."""
        reading = self._document.prompt
        attribute, name = _looked_up(reading, record)
        version = record.attributes.get(reading.version)
        whole = f"{name}@{version}" if name and version not in (None, "") else name
        if whole in reading.names:
            return attribute, reading.names[whole]
        meant = reading.names.get(name, name)
        settled = "@" in meant or meant.startswith("sha256:")
        reference = meant if settled or whole == name else f"{meant}@{version}"
        return attribute, "" if "\0" in reference else reference[:300]

    def _ritual(self, reference: str) -> int:
        """The ritual that the mapping names with its version; all of them in one look, when the first is asked for."""
        if not self._rituals:
            named = {one.ritual for one in self._document.evaluations.values() if one.ritual}
            rows = Ritual.objects.filter(name__in={one.rpartition("@")[0] for one in named})
            self._rituals = {
                f"{name}@{version}": pk
                for name, version, pk in rows.values_list("name", "version", "id")
            }
        return self._rituals[reference]


def _looked_up(reading: Reading, record: Record) -> tuple[str, str]:
    """The first attribute of a reading that is there, and what it says; the first of all and "" where none is."""
    for attribute in reading.attributes:
        value = record.attributes.get(attribute)
        if isinstance(value, str | int) and value != "":
            return attribute, str(value)
    return reading.attributes[0], ""


def _revisions(references: set[str]) -> dict[str, int | None]:
    """The prompts that `namespace/name@revision` names, in one look; other references are looked up one by one."""
    wanted = {
        (match[1], match[2], int(match[3])): reference
        for reference in references
        if (match := _REVISION.fullmatch(reference))
    }
    rows = Prompt.objects.filter(
        namespace__in={namespace for namespace, _, _ in wanted},
        name__in={name for _, name, _ in wanted},
        revision__in={revision for _, _, revision in wanted},
    ).values_list("namespace", "name", "revision", "id")
    return {wanted[found[:3]]: found[3] for found in rows if found[:3] in wanted}


def _score(evaluation: Evaluation, record: Record, *, name: str) -> float | Fate:
    """The score in [0, 1] that a mapping makes of a record."""
    if evaluation.labels:
        label = record.attributes.get(LABEL)
        if not isinstance(label, str | bool) or label == "":
            return Fate("missing", LABEL)
        found = evaluation.labels.get(str(label))
        return Fate.of("label", f"{name}: {LABEL}", label) if found is None else found
    value: Value | None = record.attributes.get(VALUE)
    if value is None:
        return Fate("missing", VALUE)
    if isinstance(value, str) or not math.isfinite(value):
        return Fate.of("range", VALUE, name)
    score = (value - evaluation.worst) / (evaluation.best - evaluation.worst)
    if not -_SLACK <= score <= 1.0 + _SLACK:
        return Fate.of("range", VALUE, name)
    return min(max(score, 0.0), 1.0)


def _key(record: Record) -> str:
    """The same for the same event, however often it is sent and in whichever encoding."""
    attributes = sorted((name, _spelled(value)) for name, value in record.attributes.items())
    told = [record.event, record.at_nano, record.trace, record.span, attributes]
    return "otlp:" + hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _spelled(value: Value) -> Value:
    """A number as both encodings give it: JSON may write 1.0 as 1."""
    return float(value) if isinstance(value, int) and abs(value) < 2**53 else value


def _moment(at_nano: int) -> datetime | None:
    """The time to the microsecond. One beyond every calendar is put where the door refuses it."""
    if not at_nano:
        return None
    return _EPOCH + timedelta(microseconds=min(max(at_nano // 1_000, 0), _LATEST_MICROSECONDS))
