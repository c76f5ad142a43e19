"""Prompty files: front matter, and a chat whose messages begin with `system:` or `user:`, as a Jinja2 template."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from mintmark.textchecks import chat_format

from . import template_mapping
from .dotprompt import require_mapped
from .file_discovery import MAX_LICENCE_LENGTH, FileFormat, PromptFile, RefusedFile
from .front_matter import FrontMatterDocument, UnreadableFile, get_text_field

_KNOWN_FIELDS = {"name", "displayName", "description", "tags", "license", "template"}
_HEADING_PATTERN = re.compile(
    r"^[ \t]*#?[ \t]*(system|user|assistant|developer|tool|function)[ \t]*(\[[^\]\n]*\])?[ \t]*:[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_RICH_KINDS = {
    "thread": "earlier messages",
    "image": "an image",
    "file": "a file",
    "audio": "a recording",
}
_IMAGE_PATTERN = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)")


def parse_prompty(document: FrontMatterDocument, path: PurePosixPath) -> PromptFile:
    """What a `.prompty` file says; its roles become lines of their own (`system:`), which they mostly are already."""
    values = document.values
    if not values:
        raise UnreadableFile("There is no front matter: a Prompty file begins with `---`.", line=1)
    name = get_text_field(
        values, "name", max_length=200, default=path.name.removesuffix(".prompty")
    )
    _require_text_inputs(values)
    text = template_mapping.map_template(
        _normalise_headings(document), language=_get_language(values)
    )
    require_mapped(text, document=document)
    return PromptFile(
        name=name,
        title=get_text_field(values, "displayName", max_length=200, default=name),
        text=_build_chat(text.text),
        first_line=document.first_line,
        description=get_text_field(values, "description", max_length=4_000),
        licence=get_text_field(values, "license", max_length=MAX_LICENCE_LENGTH),
        tags=(chat_format.TAG, *_get_tags(values)),
        variables=text.variables,
        ignored_fields=sorted(values.keys() - _KNOWN_FIELDS),
    )


def _require_text_inputs(values: Mapping[str, Any]) -> None:
    """Refuse inputs that are no text: Prompty puts messages or an image in their place."""
    inputs = values.get("inputs")
    fields_by_name = (
        {str(entry.get("name")): entry for entry in inputs if isinstance(entry, Mapping)}
        if isinstance(inputs, list)
        else inputs
    )
    if not isinstance(fields_by_name, Mapping):
        return
    for name, fields in fields_by_name.items():
        kind = fields.get("kind", fields.get("type")) if isinstance(fields, Mapping) else None
        if kind in _RICH_KINDS:
            raise UnreadableFile(
                f"The input {str(name)[:60]!r} is of the kind {kind}: Prompty puts {_RICH_KINDS[kind]} in its place; "
                "prompts are texts here.",
                line=2, field="inputs", value=kind,
            )  # fmt: skip


def _normalise_headings(document: FrontMatterDocument) -> str:
    """The text with its roles as they are written here; refuses what a role or an image would need."""
    unsupported = [
        (match, "messages of tools, and roles with attributes, have no place here")
        for match in _HEADING_PATTERN.finditer(document.text)
        if match[1].lower() not in chat_format.ROLES or match[2]
    ]
    unsupported += [
        (match, "Prompty would send an image in its place; prompts are texts here")
        for match in _IMAGE_PATTERN.finditer(document.text)
    ]
    if unsupported:
        raise RefusedFile(
            [
                UnreadableFile(
                    f"{match[0].strip()[:60]}: {reason}.",
                    line=document.first_line + document.text.count("\n", 0, match.start()),
                    field="text", value=match[0].strip(),
                )
                for match, reason in sorted(unsupported, key=lambda pair: pair[0].start())
            ]
        )  # fmt: skip
    return _HEADING_PATTERN.sub(lambda match: f"{match[1].lower()}:", document.text)


def _build_chat(text: str) -> str:
    """A text as the messages that Prompty sends: without the empty lines around each; what stands before the first role
    is the system's."""
    has_roles = chat_format.find_heading(text) is not None
    messages = (
        chat_format.parse_chat(text)
        if has_roles
        else [chat_format.ChatMessage(role="system", content=text)]
    )
    return chat_format.format_chat(
        [
            chat_format.ChatMessage(role=message.role, content=message.content.strip("\r\n"))
            for message in messages
        ]
    )


def _get_language(values: Mapping[str, Any]) -> template_mapping.Language:
    """The template's language: Jinja2 unless the file says Mustache or Nunjucks."""
    template_setting = values.get("template")
    if isinstance(template_setting, Mapping):
        template_setting = template_setting.get("format", template_setting.get("type"))
        template_setting = (
            template_setting.get("kind")
            if isinstance(template_setting, Mapping)
            else template_setting
        )
    if template_setting in (None, "jinja2", "prompty"):
        return "jinja2"
    if template_setting == "mustache":
        return "mustache"
    if template_setting == "nunjucks":
        return "nunjucks"
    raise UnreadableFile(
        "A template is jinja2, mustache or nunjucks here.",
        line=2,
        field="template",
        value=str(template_setting)[:60],
    )


def _get_tags(values: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = values.get("metadata")
    tags = values.get("tags")
    if tags is None and isinstance(metadata, Mapping):
        tags = metadata.get("tags")
    tags = tags if tags is not None else []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UnreadableFile("tags is a list of texts.", line=2, field="tags")
    return tuple(tags)


FORMAT = FileFormat(
    kind="prompty",
    matches=lambda path: path.suffix == ".prompty",
    has_own_folder=False,
    parse=parse_prompty,
    label=".prompty file",
)
