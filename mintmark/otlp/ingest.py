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
from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import prompts
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust import intake

from . import ingest_counts, mappings
from .ingest_counts import IngestOutcome
from .mappings import AttributeLookup, EvaluationMapping, OtlpMappingDocument
from .parser import AttributeValue, OtlpLogRecord

EVALUATION_EVENT = "gen_ai.evaluation.result"
NAME_ATTRIBUTE = "gen_ai.evaluation.name"
VALUE_ATTRIBUTE = "gen_ai.evaluation.score.value"
LABEL_ATTRIBUTE = "gen_ai.evaluation.score.label"
ERROR_ATTRIBUTE = "error.type"
RESPONSE_ID_ATTRIBUTE = "gen_ai.response.id"

EMPTY_EXPORT = IngestOutcome("empty")
"""An export without records: it is counted, though there is nothing to reject in it."""

# The conventions give "pass" and "fail" as examples, and tools write either spelling.
_VERDICT_SPELLINGS = (("pass", "passed"), ("fail", "failed"))
_REVISION_REFERENCE = re.compile(r"([a-z0-9_-]{1,64})/([^@]{1,200})@([0-9]{1,9})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MICROSECONDS = 10**17
_TOLERANCE = 1e-9
_MAX_SEEN_ATTRIBUTES = 40


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """What became of an export of `records`: events recorded, there already, and rejected by cause. `event` is the
    newest event of the log that a reader waits for; 0 where none was recorded."""

    records: int
    recorded: int
    repeated: int
    rejected: Mapping[IngestOutcome, int]
    event: int

    @property
    def rejected_total(self) -> int:
        return sum(self.rejected.values())


def ingest(
    *,
    caller: Caller,
    team: Team,
    records: Sequence[OtlpLogRecord],
    now: datetime,
    is_partial: bool = False,
) -> IngestResult:
    """Record what a team's exporter sent, as far as the mapping in force reads it; the rest is counted. An export of
    which the records are only a part (`is_partial`) is not counted as empty where there are none.

    It takes an operator of the team, or an assistant of it, which tells of itself alone. The same event again is
    repeated, not recorded.
    """
    caller.require_scope("evidence")
    _require_exporter(caller, team)
    mapping = mappings.get_current_mapping(team=team)
    reader = _OtlpClaimReader(
        caller=caller, team=team, document=mappings.load_document(mapping), records=records
    )
    claims: dict[str, intake.EvidenceClaim] = {}
    rejected: Counter[IngestOutcome] = Counter()
    seen_attributes: Counter[IngestOutcome] = Counter()
    repeated = 0
    for record in records:
        claim = reader.build_claim(record)
        if isinstance(claim, IngestOutcome):
            rejected[claim] += 1
            seen_attributes.update(_list_seen_attributes(record))
        elif claim.key in claims:
            repeated += 1
        else:
            claims[claim.key] = claim
    source = f"otlp, mapping {mapping.version if mapping else 0}"
    result = _record_claims(
        caller, list(claims.values()), source=source, rejected=rejected, now=now
    )
    recorded, repeated = result.recorded, repeated + result.repeated
    outcome_counts = (
        Counter(dict(seen_attributes.most_common(_MAX_SEEN_ATTRIBUTES)))
        if rejected
        else Counter[IngestOutcome]()
    )
    outcome_counts.update(rejected)
    if not records and not is_partial:
        outcome_counts[EMPTY_EXPORT] = 1
    outcome_counts.update(
        {
            IngestOutcome(ingest_counts.RECORDED): recorded,
            IngestOutcome(ingest_counts.REPEATED): repeated,
        }
    )
    ingest_counts.add_counts(team=team, outcome_counts=+outcome_counts, now=now)
    return IngestResult(
        records=len(records),
        recorded=recorded,
        repeated=repeated,
        rejected=rejected,
        event=result.event,
    )


def _require_exporter(caller: Caller, team: Team) -> None:
    is_own_team = caller.is_assistant and caller.principal.team_id == team.pk
    if not is_own_team and not caller.has_role(Role.OPERATOR, team_id=team.pk):
        raise errors.Forbidden(
            f"Exporting to team {team} takes its role 'operator', or the key of an assistant of it."
        )


def _record_claims(
    caller: Caller,
    claims: list[intake.EvidenceClaim],
    *,
    source: str,
    rejected: Counter[IngestOutcome],
    now: datetime,
) -> intake.RecordResult:
    """Enter what the log takes. What it refuses row by row is added to `rejected`, and the rest is sent again."""
    while claims:
        try:
            return SymbolicPromptTokenMarketplace().record_evidence(
                caller=caller, claims=claims, source=source, now=now
            )
        except (intake.InvalidEvidence, errors.IdempotencyKeyReused) as error:
            if not error.rows:
                raise
            refused_fields = {int(row["row"]): str(row["field"]) for row in error.rows}
            rejected.update(
                IngestOutcome.from_untrusted("refused", field) for field in refused_fields.values()
            )
            claims = [claim for n, claim in enumerate(claims) if n not in refused_fields]
    return intake.RecordResult(recorded=0, repeated=0, batch=None, event=0, folded=True)


def _list_seen_attributes(record: OtlpLogRecord) -> list[IngestOutcome]:
    return [
        IngestOutcome.from_untrusted(ingest_counts.SEEN_ATTRIBUTE, name)
        for name in record.attributes
    ]


class _OtlpClaimReader:
    """Reads records by one mapping. What names stand for is looked up once an export."""

    def __init__(
        self,
        *,
        caller: Caller,
        team: Team,
        document: OtlpMappingDocument,
        records: Sequence[OtlpLogRecord],
    ) -> None:
        self._document = document
        self._caller_principal_id = caller.principal.pk if caller.is_assistant else None
        rows = Assistant.objects.filter(team=team).values_list("name", "id", "principal_id")
        self._assistants = {name: (pk, principal) for name, pk, principal in rows}
        self._rituals: dict[str, int] = {}
        self._prompts = _find_revisions(
            {
                reference
                for record in records
                if record.event == EVALUATION_EVENT
                for _, reference in self._read_prompt_references(record)
            }
        )

    def build_claim(self, record: OtlpLogRecord) -> intake.EvidenceClaim | IngestOutcome:
        """The record as a claim, or why it is none."""
        if record.event != EVALUATION_EVENT:
            return IngestOutcome.from_untrusted("event", "event name", record.event)
        name = record.attributes.get(NAME_ATTRIBUTE)
        if not isinstance(name, str) or not name:
            return IngestOutcome("missing", NAME_ATTRIBUTE)
        evaluation = self._document.evaluations.get(name)
        if evaluation is None:
            return IngestOutcome.from_untrusted("evaluation", NAME_ATTRIBUTE, name)
        error_type = record.attributes.get(ERROR_ATTRIBUTE)
        if error_type not in (None, "", False):
            # A judge that broke measured nothing, whatever score stands beside its error.
            return IngestOutcome.from_untrusted("error", ERROR_ATTRIBUTE, error_type)
        score = _compute_score(evaluation, record, name=name)
        if isinstance(score, IngestOutcome):
            return score
        assistant = self._resolve_assistant(record)
        if isinstance(assistant, IngestOutcome):
            return assistant
        prompt = self._resolve_prompt(record)
        if isinstance(prompt, IngestOutcome):
            return prompt
        if not (record.at_nano or record.trace or record.attributes.get(RESPONSE_ID_ATTRIBUTE)):
            return IngestOutcome("unknowable")
        return intake.EvidenceClaim(
            kind=evaluation.kind,
            prompt=prompt,
            assistant=assistant,
            ritual=self._resolve_ritual(evaluation.ritual)
            if evaluation.ritual is not None
            else None,
            score=score,
            key=_compute_key(record),
            occurred_at=_to_datetime(record.at_nano),
        )

    def _resolve_assistant(self, record: OtlpLogRecord) -> int | IngestOutcome:
        """The first name that the team has an assistant of."""
        names = _look_up(self._document.assistant, record)
        if not names and self._caller_principal_id is not None:
            return next(
                pk
                for pk, principal_id in self._assistants.values()
                if principal_id == self._caller_principal_id
            )
        for attribute, name in names:
            assistant_name = self._document.assistant.names.get(name, name)
            assistant_ids = self._assistants.get(assistant_name)
            if assistant_ids is None:
                continue
            if self._caller_principal_id not in (None, assistant_ids[1]):
                return IngestOutcome.from_untrusted("not_own", attribute, name)
            return assistant_ids[0]
        if not names:
            return IngestOutcome.from_untrusted("missing", self._document.assistant.attributes[0])
        return IngestOutcome.from_untrusted("assistant", *names[0])

    def _resolve_prompt(self, record: OtlpLogRecord) -> int | IngestOutcome:
        """The first name that stands for a prompt."""
        references = self._read_prompt_references(record)
        for _, reference in references:
            if reference not in self._prompts:
                try:
                    self._prompts[reference] = prompts.resolve(reference=reference).pk
                except errors.NotFound:
                    self._prompts[reference] = None
            prompt_id = self._prompts[reference]
            if prompt_id is not None:
                return prompt_id
        if not references:
            return IngestOutcome.from_untrusted("missing", self._document.prompt.attributes[0])
        return IngestOutcome.from_untrusted("prompt", *references[0])

    def _read_prompt_references(self, record: OtlpLogRecord) -> list[tuple[str, str]]:
        """The attributes that name a prompt, each with the reference it makes with the version beside it."""
        lookup = self._document.prompt
        version = record.attributes.get(lookup.version)
        references = []
        for attribute, name in _look_up(lookup, record):
            versioned_name = f"{name}@{version}" if version not in (None, "") else name
            mapped_name = lookup.names.get(versioned_name) or lookup.names.get(name, name)
            is_pinned = "@" in mapped_name or mapped_name.startswith("sha256:")
            is_whole = is_pinned or versioned_name in lookup.names or versioned_name == name
            reference = mapped_name if is_whole else f"{mapped_name}@{version}"
            if "\0" not in reference:
                references.append((attribute, reference[:300]))
        return references

    def _resolve_ritual(self, reference: str) -> int:
        """The ritual that the mapping names with its version; all of them in one look, when the first is asked for."""
        if not self._rituals:
            references = {
                evaluation.ritual
                for evaluation in self._document.evaluations.values()
                if evaluation.ritual
            }
            rows = Ritual.objects.filter(
                name__in={named_reference.rpartition("@")[0] for named_reference in references}
            )
            self._rituals = {
                f"{name}@{version}": pk
                for name, version, pk in rows.values_list("name", "version", "id")
            }
        return self._rituals[reference]


def _look_up(lookup: AttributeLookup, record: OtlpLogRecord) -> list[tuple[str, str]]:
    """The attributes of a reading that are there, in its order, each with the name in it."""
    return [
        (attribute, str(value))
        for attribute in lookup.attributes
        if isinstance(value := record.attributes.get(attribute), str | int)
        and not isinstance(value, bool)
        and value != ""
    ]


def _find_revisions(references: set[str]) -> dict[str, int | None]:
    """The prompts that `namespace/name@revision` names, in one look; other references are looked up one by one."""
    references_by_revision = {
        (match[1], match[2], int(match[3])): reference
        for reference in references
        if (match := _REVISION_REFERENCE.fullmatch(reference))
    }
    rows = Prompt.objects.filter(
        namespace__in={namespace for namespace, _, _ in references_by_revision},
        name__in={name for _, name, _ in references_by_revision},
        revision__in={revision for _, _, revision in references_by_revision},
    ).values_list("namespace", "name", "revision", "id")
    return {
        references_by_revision[row[:3]]: row[3] for row in rows if row[:3] in references_by_revision
    }


def _compute_score(
    evaluation: EvaluationMapping, record: OtlpLogRecord, *, name: str
) -> float | IngestOutcome:
    """The score in [0, 1] that a mapping makes of a record."""
    if evaluation.labels:
        label = record.attributes.get(LABEL_ATTRIBUTE)
        if not isinstance(label, str | bool) or label == "":
            return IngestOutcome("missing", LABEL_ATTRIBUTE)
        label_score = _find_label_score(evaluation, str(label))
        return (
            IngestOutcome.from_untrusted("label", f"{name}: {LABEL_ATTRIBUTE}", label)
            if label_score is None
            else label_score
        )
    value: AttributeValue | None = record.attributes.get(VALUE_ATTRIBUTE)
    if value is None:
        return IngestOutcome("missing", VALUE_ATTRIBUTE)
    if isinstance(value, str | bool) or not math.isfinite(value):
        return IngestOutcome.from_untrusted("range", VALUE_ATTRIBUTE, name)
    score = (value - evaluation.worst) / (evaluation.best - evaluation.worst)
    if not -_TOLERANCE <= score <= 1.0 + _TOLERANCE:
        return IngestOutcome.from_untrusted("range", VALUE_ATTRIBUTE, name)
    return min(max(score, 0.0), 1.0)


def _find_label_score(evaluation: EvaluationMapping, label: str) -> float | None:
    """The score of a label as it stands in the mapping, or of the other spelling of the same verdict."""
    if label in evaluation.labels:
        return evaluation.labels[label]
    spellings = next((pair for pair in _VERDICT_SPELLINGS if label.lower() in pair), ())
    scores = {score for name, score in evaluation.labels.items() if name.lower() in spellings}
    return scores.pop() if len(scores) == 1 else None


def _compute_key(record: OtlpLogRecord) -> str:
    """The same for the same event, however often it is sent and in whichever encoding."""
    attributes = sorted(
        (name, _normalise_number(value)) for name, value in record.attributes.items()
    )
    identity = [record.event, record.at_nano, record.trace, record.span, attributes]
    return "otlp:" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _normalise_number(value: AttributeValue) -> AttributeValue:
    """A number as both encodings give it: JSON may write 1.0 as 1."""
    return float(value) if isinstance(value, int) and abs(value) < 2**53 else value


def _to_datetime(at_nano: int) -> datetime | None:
    """The time to the microsecond. One beyond every calendar is put where the door refuses it."""
    if not at_nano:
        return None
    return _EPOCH + timedelta(microseconds=min(max(at_nano // 1_000, 0), _LATEST_MICROSECONDS))
