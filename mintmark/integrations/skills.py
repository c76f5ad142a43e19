"""Skills: folders with a `SKILL.md`, whose front matter says what the skill is for."""

import re
from pathlib import PurePosixPath

from mintmark.textchecks import placeholders

from .file_discovery import MAX_LICENCE_LENGTH, FileFormat, PromptFile
from .front_matter import FrontMatterDocument, UnreadableFile, get_text_field

_NAME_PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KNOWN_FIELDS = {"name", "description", "license"}
# Fenced and inline code of Markdown; a fence without an end reaches to the end of the text.
_CODE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?P<ticks>(?<!`)`+(?!`))[^\n]*?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)


def parse_skill(document: FrontMatterDocument, path: PurePosixPath) -> PromptFile:
    """What a `SKILL.md` says, by the rules of the format: `name` of a-z, 0-9 and hyphens, `description` up to 1,024."""
    values = document.values
    if not values:
        raise UnreadableFile(
            "There is no front matter: SKILL.md begins with `---`, name and description.", line=1
        )
    name = get_text_field(values, "name", max_length=64)
    if not _NAME_PATTERN.fullmatch(name):
        raise UnreadableFile(
            "name is 1 to 64 of a-z and 0-9, words joined by single hyphens.",
            line=2, field="name", value=name,
        )  # fmt: skip
    description = get_text_field(values, "description", max_length=1_024)
    if not description:
        raise UnreadableFile(
            "description is missing: it says what the skill does and when.", line=2, field="description"
        )  # fmt: skip
    folder = path.parent.name
    return PromptFile(
        name=name,
        title=name,
        text=document.text,
        first_line=document.first_line,
        description=description,
        licence=get_text_field(values, "license", max_length=MAX_LICENCE_LENGTH),
        variables=_list_variables(document.text),
        ignored_fields=sorted(values.keys() - _KNOWN_FIELDS),
        note=f"{path}: its name is {name!r}, its folder's {folder!r}."
        if folder not in ("", name)
        else "",
    )


def _list_variables(text: str) -> list[str]:
    """The placeholders of a text outside of its code: `{old}` of a program is the program's. A name that stands in code
    as well is no variable, or the program would be filled in with it."""
    code_spans = [match.span() for match in _CODE.finditer(text)]
    names: dict[str, None] = {}
    in_code: set[str] = set()
    for placeholder in placeholders.find_placeholders(text):
        if any(start <= placeholder.start < end for start, end in code_spans):
            in_code.add(placeholder.name)
        else:
            names[placeholder.name] = None
    return [name for name in names if name not in in_code]


FORMAT = FileFormat(
    kind="skills",
    matches=lambda path: path.name == "SKILL.md",
    has_own_folder=True,
    parse=parse_skill,
    label="SKILL.md",
)
