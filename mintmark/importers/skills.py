"""Skills: folders with a `SKILL.md`, whose front matter says what the skill is for."""

import re
from pathlib import PurePosixPath

from .front_matter import Document, Unreadable, word
from .prompt_files import MOST_LICENCE, Format, Written

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KEPT = {"name", "description", "license"}


def written(document: Document, path: PurePosixPath) -> Written:
    """What a `SKILL.md` says, by the rules of the format: `name` of a-z, 0-9 and hyphens, `description` up to 1,024."""
    values = document.values
    if not values:
        raise Unreadable(
            "There is no front matter: SKILL.md begins with `---`, name and description.", line=1
        )
    name = word(values, "name", most=64)
    if not _NAME.fullmatch(name):
        raise Unreadable(
            "name is 1 to 64 of a-z and 0-9, words joined by single hyphens.",
            line=2, field="name", value=name,
        )  # fmt: skip
    description = word(values, "description", most=1_024)
    if not description:
        raise Unreadable(
            "description is missing: it says what the skill does and when.", line=2, field="description"
        )  # fmt: skip
    folder = path.parent.name
    return Written(
        name=name,
        title=name,
        text=document.text,
        line=document.line,
        description=description,
        licence=word(values, "license", most=MOST_LICENCE),
        unkept=sorted(values.keys() - _KEPT),
        note=f"{path}: its name is {name!r}, its folder's {folder!r}."
        if folder not in ("", name)
        else "",
    )


FORMAT = Format(
    kind="skills",
    is_one=lambda path: path.name == "SKILL.md",
    has_own_folder=True,
    read=written,
    called="SKILL.md",
)
