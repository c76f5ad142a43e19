"""Prompty files: front matter, and a chat whose messages begin with `system:` or `user:`, as a Jinja2 template."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from . import chats, templates
from .dotprompt import require_mapped
from .front_matter import Document, Unreadable, word
from .prompt_files import MOST_LICENCE, Format, Refused, Written

_KEPT = {"name", "displayName", "description", "tags", "license", "template"}
_HEADING = re.compile(
    r"^[ \t]*#?[ \t]*(system|user|assistant|developer|tool|function)[ \t]*(\[[^\]\n]*\])?[ \t]*:[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)")


def written(document: Document, path: PurePosixPath) -> Written:
    """What a `.prompty` file says; its roles become lines of their own (`system:`), which they mostly are already."""
    values = document.values
    if not values:
        raise Unreadable("There is no front matter: a Prompty file begins with `---`.", line=1)
    name = word(values, "name", most=200, default=path.name.removesuffix(".prompty"))
    text = templates.mapped(_headed(document), language=_language(values))
    require_mapped(text, document=document)
    return Written(
        name=name,
        title=word(values, "displayName", most=200, default=name),
        text=text.text,
        line=document.line,
        description=word(values, "description", most=4_000),
        licence=word(values, "license", most=MOST_LICENCE),
        tags=(*((chats.TAG,) if chats.heading_at(text.text) else ()), *_tags(values)),
        variables=text.variables,
        unkept=sorted(values.keys() - _KEPT),
    )


def _headed(document: Document) -> str:
    """The text with its roles as they are written here; refuses what a role or an image would need."""
    places = [
        (found, "messages of tools, and roles with attributes, have no place here")
        for found in _HEADING.finditer(document.text)
        if found[1].lower() not in chats.ROLES or found[2]
    ]
    places += [
        (found, "Prompty would send an image in its place; prompts are texts here")
        for found in _IMAGE.finditer(document.text)
    ]
    if places:
        raise Refused(
            [
                Unreadable(
                    f"{found[0].strip()[:60]}: {why}.",
                    line=document.line + document.text.count("\n", 0, found.start()),
                    field="text", value=found[0].strip(),
                )
                for found, why in sorted(places, key=lambda one: one[0].start())
            ]
        )  # fmt: skip
    return _HEADING.sub(lambda found: f"{found[1].lower()}:", document.text)


def _language(values: Mapping[str, Any]) -> templates.Language:
    """The template's language: Jinja2 unless the file says Mustache."""
    said = values.get("template")
    if isinstance(said, Mapping):
        said = said.get("format", said.get("type"))
        said = said.get("kind") if isinstance(said, Mapping) else said
    if said in (None, "jinja2", "prompty"):
        return "jinja2"
    if said == "mustache":
        return "mustache"
    raise Unreadable(
        "A template is jinja2 or mustache here.", line=2, field="template", value=str(said)[:60]
    )


def _tags(values: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = values.get("metadata")
    said = values.get("tags")
    if said is None and isinstance(metadata, Mapping):
        said = metadata.get("tags")
    said = said if said is not None else []
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise Unreadable("tags is a list of texts.", line=2, field="tags")
    return tuple(said)


FORMAT = Format(
    kind="prompty",
    is_one=lambda path: path.suffix == ".prompty",
    has_own_folder=False,
    read=written,
    called=".prompty file",
)
