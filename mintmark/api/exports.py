"""`/exports`: evidence and scores as tables, for other tools: CSV, or Parquet."""

from typing import Annotated

from ninja import Query

from mintmark.integrations import parquet
from mintmark.registry import prompts
from mintmark.registry.models import Prompt
from mintmark.reputation import exports
from mintmark.reputation.exports import ExportTable

from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .responses import FileDownload

routes = Routes(tag="exports")

PromptFilter = Annotated[
    str | None,
    Query(None, max_length=300, description="of this prompt alone: its reference, digest or id"),
]


@routes.get_file("/exports/evidence.csv", scope="read", error_statuses=(404,))
def export_evidence_csv(request: AuthenticatedRequest, prompt: PromptFilter) -> FileDownload:
    """Download the evidence as CSV, oldest first: every event with its expected score and its effect.

    No text of a prompt is in it.
    """
    return _build_csv(exports.export_evidence(prompt=_find_prompt(prompt)))


@routes.get_file(
    "/exports/evidence.parquet",
    scope="read",
    error_statuses=(404, 501),
    media_type=parquet.MEDIA_TYPE,
)
def export_evidence_parquet(request: AuthenticatedRequest, prompt: PromptFilter) -> FileDownload:
    """Download the evidence as Parquet, oldest first."""
    return _build_parquet(exports.export_evidence(prompt=_find_prompt(prompt)))


@routes.get_file("/exports/scores.csv", scope="read", error_statuses=(404,))
def export_scores_csv(request: AuthenticatedRequest, prompt: PromptFilter) -> FileDownload:
    """Download the reputation of every prompt that has evidence as CSV, each as of its last event."""
    return _build_csv(exports.export_scores(prompt=_find_prompt(prompt)))


@routes.get_file(
    "/exports/scores.parquet",
    scope="read",
    error_statuses=(404, 501),
    media_type=parquet.MEDIA_TYPE,
)
def export_scores_parquet(request: AuthenticatedRequest, prompt: PromptFilter) -> FileDownload:
    """Download the reputation of every prompt that has evidence as Parquet."""
    return _build_parquet(exports.export_scores(prompt=_find_prompt(prompt)))


def _find_prompt(reference: str | None) -> Prompt | None:
    return None if reference is None else prompts.resolve(reference=reference)


def _build_csv(table: ExportTable) -> FileDownload:
    return FileDownload(
        name=f"{table.name}.csv",
        version=table.version,
        columns=[name for name, _ in table.columns],
        rows=exports.format_rows(table.rows),
    )


def _build_parquet(table: ExportTable) -> FileDownload:
    return FileDownload(
        name=f"{table.name}.parquet",
        version=f"{table.version} parquet",
        chunks=parquet.iter_chunks(table),
        media_type=parquet.MEDIA_TYPE,
    )
