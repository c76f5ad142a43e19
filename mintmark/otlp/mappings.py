"""A team's mapping: which evaluations it takes as what evidence, and who is meant by the names in them."""

import math
from collections.abc import Iterator
from collections.abc import Mapping as Mapped
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import pydantic
from django.db import IntegrityError, transaction
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import documents, errors
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Assistant

from .models import OtlpScoreMapping

MAX_EVALUATIONS = 500
MAX_NAMES = 2_000

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def _require_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("A name is of printable characters")
    return text


type _PrintableName = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(_require_printable)
]
type _PrintableReference = Annotated[
    str, Field(min_length=1, max_length=300), AfterValidator(_require_printable)
]
type _Names = Annotated[dict[_PrintableName, _PrintableReference], Field(max_length=MAX_NAMES)]
type _Attributes = Annotated[list[_PrintableName], Field(min_length=1, max_length=10)]


class InvalidMapping(errors.DomainError):
    """A mapping can't be put in force as asked; `rows` name each place."""

    code = "invalid_mapping"


class EvaluationMapping(BaseModel):
    """What one `gen_ai.evaluation.name` becomes. A value is measured from `worst` (0) to `best` (1), in either
    direction; with `labels`, the label is read, each with its score."""

    model_config = _STRICT

    ritual: _PrintableReference | None = None
    kind: Literal["outcome", "approval"] = "outcome"
    worst: float = 0.0
    best: float = 1.0
    labels: Annotated[
        dict[_PrintableName, Annotated[float, Field(ge=0, le=1)]], Field(max_length=100)
    ] = {}

    @model_validator(mode="after")
    def _validate_evaluation(self) -> Self:
        if not math.isfinite(self.best - self.worst) or self.worst == self.best:
            raise ValueError("`worst` and `best` are two different numbers")
        if (self.ritual is None) != (self.kind == "approval"):
            raise ValueError("An outcome names the `ritual` that measured it, an approval none")
        return self


class AttributeLookup(BaseModel):
    """Attributes in which a name is looked for, the first that is known; `names` say what else stands for whom."""

    model_config = _STRICT

    attributes: _Attributes
    names: _Names = {}


class PromptLookup(AttributeLookup):
    """As for assistants; the attribute `version` holds the revision or the label, where the name says none."""

    attributes: _Attributes = ["gen_ai.prompt.name"]
    version: _PrintableName = "gen_ai.prompt.version"


class AssistantLookup(AttributeLookup):
    """Where an assistant's name stands."""

    attributes: _Attributes = ["gen_ai.agent.id", "gen_ai.agent.name"]


class OtlpMappingDocument(BaseModel):
    """A whole mapping."""

    model_config = _STRICT

    evaluations: Annotated[
        dict[_PrintableName, EvaluationMapping], Field(max_length=MAX_EVALUATIONS)
    ]
    assistant: AssistantLookup = AssistantLookup()
    prompt: PromptLookup = PromptLookup()


def set_mapping(
    *, caller: Caller, team: Team, document: OtlpMappingDocument, now: datetime
) -> OtlpScoreMapping:
    """Put a mapping in force for a team, from the next event on; the same again changes nothing.

    It takes an operator of the team. Raises `InvalidMapping` naming each ritual, assistant and prompt that is not
    there. Rituals are kept with their version.
    """
    caller.require_scope("registry")
    require_operator(caller=caller, team=team)
    rows = list(_find_problems(document, team=team))
    if rows:
        raise InvalidMapping(f"{rows[0]['field']}: {rows[0]['message']}", rows=rows)
    pinned_document = _pin_rituals(document)
    newest = get_current_mapping(team=team)
    if newest is not None and newest.document == pinned_document:
        return newest
    try:
        with transaction.atomic():
            return OtlpScoreMapping.objects.create(
                team=team,
                version=newest.version + 1 if newest else 1,
                document=pinned_document,
                set_by=caller.principal,
                set_at=now,
            )
    except IntegrityError as conflict:
        raise InvalidMapping(
            "Somebody else changed the mapping just now; look at it, and send yours again."
        ) from conflict


def parse_mapping(text: str) -> OtlpMappingDocument:
    """A mapping from YAML or JSON. `InvalidDocument` or `InvalidMapping`, naming each place."""
    parsed = documents.parse_document(text)
    try:
        return OtlpMappingDocument.model_validate(parsed)
    except pydantic.ValidationError as invalid:
        rows = [
            errors.FieldError(
                row=0,
                field=".".join(map(str, problem["loc"])),
                value=None if isinstance(problem["input"], Mapped) else problem["input"],
                message=problem["msg"].removeprefix("Value error, ").rstrip(".") + ".",
            )
            for problem in invalid.errors(include_url=False, include_context=False)
        ]
        location = rows[0]["field"] or "the whole"
        raise InvalidMapping(f"{location}: {rows[0]['message']}", rows=rows) from None


def get_current_mapping(*, team: Team) -> OtlpScoreMapping | None:
    """The mapping in force; None where a team never set one."""
    return OtlpScoreMapping.objects.filter(team=team).order_by("-version").first()


def load_document(mapping: OtlpScoreMapping | None) -> OtlpMappingDocument:
    """What a mapping says; without one that no evaluation is taken."""
    if mapping is None:
        return OtlpMappingDocument(evaluations={})
    return OtlpMappingDocument.model_validate(mapping.document)


def require_operator(*, caller: Caller, team: Team) -> None:
    """Refuse unless the caller is an operator of the team."""
    if not caller.has_role(Role.OPERATOR, team_id=team.pk):
        raise errors.Forbidden(f"This takes the role 'operator' in team {team}.")


def require_reader(*, caller: Caller, team: Team) -> None:
    """Refuse unless the caller belongs to the team, or audits it."""
    if team.pk not in caller.team_ids and not caller.has_role(Role.AUDITOR, team_id=team.pk):
        raise errors.Forbidden(f"This is for those of team {team} and for auditors.")


def _find_problems(document: OtlpMappingDocument, *, team: Team) -> Iterator[errors.FieldError]:
    for name, evaluation in document.evaluations.items():
        if evaluation.ritual is not None:
            try:
                rituals.resolve(reference=evaluation.ritual)
            except errors.NotFound as error:
                yield _build_row(f"evaluations.{name}.ritual", evaluation.ritual, error.message)
    existing_names = set(
        Assistant.objects.filter(
            team=team, name__in=set(document.assistant.names.values())
        ).values_list("name", flat=True)
    )
    for alias, name in document.assistant.names.items():
        if name not in existing_names:
            yield _build_row(
                f"assistant.names.{alias}", name, f"There is no assistant {name!r} in team {team}."
            )
    for alias, reference in document.prompt.names.items():
        try:
            prompts.resolve(reference=reference)
        except errors.NotFound as error:
            yield _build_row(f"prompt.names.{alias}", reference, error.message)


def _pin_rituals(document: OtlpMappingDocument) -> dict[str, Any]:
    pinned_document = document.model_dump(mode="json")
    for evaluation in pinned_document["evaluations"].values():
        if evaluation["ritual"] is not None:
            evaluation["ritual"] = str(rituals.resolve(reference=evaluation["ritual"]))
    return pinned_document


def _build_row(field: str, value: object, message: str) -> errors.FieldError:
    return errors.FieldError(row=0, field=field, value=value, message=message)
