"""What the importers share in registering prompts: previews, and remarks of the codex that binds everybody."""

from collections.abc import Sequence

from mintmark.registry import codices
from mintmark.registry.models import Prompt

from . import import_report

_PREVIEW_LENGTH = 200


def build_preview(text: str) -> str:
    """The first words of a text on one line, at most 200 characters."""
    return " ".join(text.split())[:_PREVIEW_LENGTH]


def build_remarks(registered: Sequence[tuple[int, Prompt]]) -> list[import_report.ClauseRemark]:
    """The clauses that registered prompts break, each prompt with the line of the source in which it begins."""
    checked = codices.check_prompts(prompts=[prompt for _, prompt in registered])
    return [
        import_report.ClauseRemark(
            line=line,
            prompt=clause_report.prompt.reference,
            clause=result.clause,
            severity=result.severity,
            message=result.reason,
            excerpt=result.excerpt,
        )
        for (line, _), clause_report in zip(registered, checked, strict=True)
        for result in clause_report.failed_results
    ]
