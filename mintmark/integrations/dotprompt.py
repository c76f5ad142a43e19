"""`.prompt` files (dotprompt): front matter that says what a prompt is for, and a Handlebars template."""

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from mintmark.textchecks import chat_format, placeholders

from . import template_mapping
from .file_discovery import MAX_LICENCE_LENGTH, FileFormat, PromptFile, RefusedFile
from .front_matter import FrontMatterDocument, UnreadableFile, get_text_field

_KNOWN_FIELDS = {"name", "variant", "description"}


def parse_dotprompt(document: FrontMatterDocument, path: PurePosixPath) -> PromptFile:
    """What a `.prompt` file says. Its name is that of its front matter, else of the file; a variant is a prompt of its
    own (`greet.formal`)."""
    values = document.values
    plain, _, variant = path.name.removesuffix(".prompt").partition(".")
    if plain.startswith("_"):
        raise UnreadableFile(
            "Its name begins with `_`: it is a partial, and partials are not read.", line=1
        )
    name = get_text_field(values, "name", max_length=200, default=plain)
    variant = get_text_field(values, "variant", max_length=100, default=variant)
    native_text = _get_native_text(document)
    text = native_text or template_mapping.map_template(
        document.text, language="handlebars", roles=True
    )
    require_mapped(text, document=document)
    return PromptFile(
        name=f"{name}.{variant}" if variant else name,
        title=f"{name} ({variant})" if variant else name,
        text=text.text,
        first_line=document.first_line,
        description=get_text_field(values, "description", max_length=4_000),
        licence=get_text_field(
            _get_metadata(values), "mintmark_licence", max_length=MAX_LICENCE_LENGTH
        ),
        tags=(chat_format.TAG,) if text.is_chat else (),
        variables=text.variables,
        ignored_fields=sorted(values.keys() - _KNOWN_FIELDS),
    )


def require_mapped(text: template_mapping.MappedText, *, document: FrontMatterDocument) -> None:
    """Refuse a file with each part of its template that has no meaning here."""
    if text.unsupported:
        raise RefusedFile(
            [
                UnreadableFile(
                    f"{part.excerpt} has no meaning here: {part.reason}.",
                    line=document.first_line + part.line - 1, field="text", value=part.excerpt,
                )
                for part in text.unsupported
            ]
        )  # fmt: skip


def _get_native_text(document: FrontMatterDocument) -> template_mapping.MappedText | None:
    """The text as it stands, where a vault wrote this file: then it is no template of Handlebars."""
    digest = hashlib.sha256(document.text.encode()).hexdigest()
    if _get_metadata(document.values).get("mintmark_digest") != f"sha256:{digest}":
        return None
    return template_mapping.MappedText(
        text=document.text,
        variables=placeholders.list_names(document.text),
        is_chat=chat_format.find_heading(document.text) is not None,
        unsupported=[],
    )


def _get_metadata(values: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = values.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


FORMAT = FileFormat(
    kind="dotprompt",
    matches=lambda path: path.suffix == ".prompt",
    has_own_folder=False,
    parse=parse_dotprompt,
    label=".prompt file",
)
