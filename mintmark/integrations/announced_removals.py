"""What other tools said that they will take away, and when: a table with its sources, shipped as data.

A report names what it used of that; a test warns before the day comes.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedRemoval:
    """One thing that goes away. `removed_on` is None where no day was said; `is_used` if an importer or export here
    needs it of some server."""

    tool: str
    what: str
    removed_on: date | None
    where: str
    replaced_by: str
    is_used: bool
    source: str


@cache
def load_removals() -> tuple[AnnouncedRemoval, ...]:
    """The table as it is shipped, in its order."""
    text = resources.files(__package__).joinpath("announced_removals.tsv").read_text("utf-8")
    return tuple(
        AnnouncedRemoval(
            tool=row["tool"],
            what=row["what"],
            removed_on=date.fromisoformat(row["removed_on"]) if row["removed_on"] else None,
            where=row["where"],
            replaced_by=row["replaced_by"],
            is_used=row["is_used"] == "yes",
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines(), delimiter="\t", strict=True)
    )


def build_warnings(*, tool: str, routes: Iterable[str]) -> list[str]:
    """For a report: a sentence for each of these routes that is to be removed somewhere."""
    used = set(routes)
    return [
        f"{removal.what} is to be removed ({_format_day(removal.removed_on)}, {removal.where}); "
        f"what takes its place: {removal.replaced_by}."
        for removal in load_removals()
        if removal.tool == tool and removal.what in used
    ]


def _format_day(day: date | None) -> str:
    return "no day was said" if day is None else f"as of {day.isoformat()}"
