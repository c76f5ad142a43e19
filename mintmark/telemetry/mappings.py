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
from mintmark.core import errors
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Assistant
from mintmark.rituals import documents

from .models import Mapping

MOST_EVALUATIONS = 500
MOST_NAMES = 2_000

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("A name is of printable characters")
    return text


type _Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
type _Reference = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_printable)]
type _Names = Annotated[dict[_Name, _Reference], Field(max_length=MOST_NAMES)]
type _Attributes = Annotated[list[_Name], Field(min_length=1, max_length=10)]


class InvalidMapping(errors.Refusal):
    """A mapping can't be put in force as asked; `rows` name each place."""

    code = "invalid_mapping"


class Evaluation(BaseModel):
    """What one `gen_ai.evaluation.name` becomes. A value is measured from `worst` (0) to `best` (1), in either
    direction; with `labels`, the label is read, each with its score."""

    model_config = _STRICT

    ritual: _Reference | None = None
    kind: Literal["outcome", "approval"] = "outcome"
    worst: float = 0.0
    best: float = 1.0
    labels: Annotated[dict[_Name, Annotated[float, Field(ge=0, le=1)]], Field(max_length=100)] = {}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not math.isfinite(self.best - self.worst) or self.worst == self.best:
            raise ValueError("`worst` and `best` are two different numbers")
        if (self.ritual is None) != (self.kind == "approval"):
            raise ValueError("An outcome names the `ritual` that measured it, an approval none")
        return self


class Reading(BaseModel):
    """Attributes in which a name is looked for, the first that is there; `names` say what else stands for whom."""

    model_config = _STRICT

    attributes: _Attributes
    names: _Names = {}


class OfPrompts(Reading):
    """As for assistants; the attribute `version` holds the revision or the label, where the name says none."""

    attributes: _Attributes = ["gen_ai.prompt.name"]
    version: _Name = "gen_ai.prompt.version"


class OfAssistants(Reading):
    """Where an assistant's name stands."""

    attributes: _Attributes = ["gen_ai.agent.id", "gen_ai.agent.name"]


class OtlpMapping(BaseModel):
    """A whole mapping."""

    model_config = _STRICT

    evaluations: Annotated[dict[_Name, Evaluation], Field(max_length=MOST_EVALUATIONS)]
    assistant: OfAssistants = OfAssistants()
    prompt: OfPrompts = OfPrompts()


def put(*, caller: Caller, team: Team, document: OtlpMapping, now: datetime) -> Mapping:
    """Put a mapping in force for a team, from the next event on; the same again changes nothing.

    It takes an operator of the team. Raises `InvalidMapping` naming each ritual, assistant and prompt that is not
    there. Rituals are kept with their version.
    """
    caller.require_scope("registry")
    require_operator(caller=caller, team=team)
    rows = list(_problems(document, team=team))
    if rows:
        raise InvalidMapping(f"{rows[0]['field']}: {rows[0]['message']}", rows=rows)
    told = _pinned(document)
    newest = current(team=team)
    if newest is not None and newest.document == told:
        return newest
    try:
        with transaction.atomic():
            return Mapping.objects.create(
                team=team,
                version=newest.version + 1 if newest else 1,
                document=told,
                set_by=caller.principal,
                set_at=now,
            )
    except IntegrityError as taken:
        raise InvalidMapping(
            "Somebody else changed the mapping just now; look at it, and send yours again."
        ) from taken


def read(text: str) -> OtlpMapping:
    """A mapping from YAML or JSON. `InvalidDocument` or `InvalidMapping`, naming each place."""
    found = documents.read(text)
    try:
        return OtlpMapping.model_validate(found)
    except pydantic.ValidationError as invalid:
        rows = [
            errors.Row(
                row=0,
                field=".".join(map(str, problem["loc"])),
                value=None if isinstance(problem["input"], Mapped) else problem["input"],
                message=problem["msg"].removeprefix("Value error, ").rstrip(".") + ".",
            )
            for problem in invalid.errors(include_url=False, include_context=False)
        ]
        place = rows[0]["field"] or "the whole"
        raise InvalidMapping(f"{place}: {rows[0]['message']}", rows=rows) from None


def current(*, team: Team) -> Mapping | None:
    """The mapping in force; None where a team never set one."""
    return Mapping.objects.filter(team=team).order_by("-version").first()


def document(mapping: Mapping | None) -> OtlpMapping:
    """What a mapping says; without one that no evaluation is taken."""
    if mapping is None:
        return OtlpMapping(evaluations={})
    return OtlpMapping.model_validate(mapping.document)


def require_operator(*, caller: Caller, team: Team) -> None:
    """Refuse unless the caller is an operator of the team."""
    if not caller.has_role(Role.OPERATOR, team_id=team.pk):
        raise errors.Forbidden(f"This takes the role 'operator' in team {team}.")


def require_reader(*, caller: Caller, team: Team) -> None:
    """Refuse unless the caller belongs to the team, or audits it."""
    if team.pk not in caller.team_ids and not caller.has_role(Role.AUDITOR, team_id=team.pk):
        raise errors.Forbidden(f"This is for those of team {team} and for auditors.")


def _problems(document: OtlpMapping, *, team: Team) -> Iterator[errors.Row]:
    for name, evaluation in document.evaluations.items():
        if evaluation.ritual is not None:
            try:
                rituals.named(reference=evaluation.ritual)
            except errors.NotFound as missing:
                yield _row(f"evaluations.{name}.ritual", evaluation.ritual, missing.message)
    here = set(
        Assistant.objects.filter(
            team=team, name__in=set(document.assistant.names.values())
        ).values_list("name", flat=True)
    )
    for alias, name in document.assistant.names.items():
        if name not in here:
            yield _row(
                f"assistant.names.{alias}", name, f"There is no assistant {name!r} in team {team}."
            )
    for alias, reference in document.prompt.names.items():
        try:
            prompts.named(reference=reference)
        except errors.NotFound as missing:
            yield _row(f"prompt.names.{alias}", reference, missing.message)


def _pinned(document: OtlpMapping) -> dict[str, Any]:
    told = document.model_dump(mode="json")
    for evaluation in told["evaluations"].values():
        if evaluation["ritual"] is not None:
            evaluation["ritual"] = str(rituals.named(reference=evaluation["ritual"]))
    return told


def _row(field: str, value: object, message: str) -> errors.Row:
    return errors.Row(row=0, field=field, value=value, message=message)
