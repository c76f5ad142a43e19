"""`/exports`: evidence and scores as tables, for other tools: CSV, or Parquet."""

from typing import Annotated

from ninja import Query

from mintmark.importers import parquet
from mintmark.registry import prompts
from mintmark.registry.models import Prompt
from mintmark.reputation import extracts
from mintmark.reputation.extracts import Table

from .answers import File
from .credentials import Request
from .routes import Routes

routes = Routes(tag="exports")

OfPrompt = Annotated[
    str | None,
    Query(None, max_length=300, description="of this prompt alone: its reference, digest or id"),
]


@routes.file("/exports/evidence.csv", scope="read", refuses=(404,))
def evidence_as_csv(request: Request, prompt: OfPrompt) -> File:
    """Download the evidence as CSV, oldest first: every event with what it was expected to be and what it moved.

    No text of a prompt is in it.
    """
    return _csv(extracts.evidence(prompt=_named(prompt)))


@routes.file(
    "/exports/evidence.parquet", scope="read", refuses=(404, 501), media=parquet.MEDIA_TYPE
)
def evidence_as_parquet(request: Request, prompt: OfPrompt) -> File:
    """Download the evidence as Parquet, oldest first."""
    return _parquet(extracts.evidence(prompt=_named(prompt)))


@routes.file("/exports/scores.csv", scope="read", refuses=(404,))
def scores_as_csv(request: Request, prompt: OfPrompt) -> File:
    """Download the reputation of every prompt that has evidence as CSV, each as of its last event."""
    return _csv(extracts.scores(prompt=_named(prompt)))


@routes.file("/exports/scores.parquet", scope="read", refuses=(404, 501), media=parquet.MEDIA_TYPE)
def scores_as_parquet(request: Request, prompt: OfPrompt) -> File:
    """Download the reputation of every prompt that has evidence as Parquet."""
    return _parquet(extracts.scores(prompt=_named(prompt)))


def _named(reference: str | None) -> Prompt | None:
    return None if reference is None else prompts.named(reference=reference)


def _csv(table: Table) -> File:
    return File(
        name=f"{table.name}.csv",
        version=table.version,
        columns=[name for name, _ in table.columns],
        rows=extracts.plain(table.rows),
    )


def _parquet(table: Table) -> File:
    return File(
        name=f"{table.name}.parquet",
        version=f"{table.version} parquet",
        parts=parquet.parts(table),
        media=parquet.MEDIA_TYPE,
    )
