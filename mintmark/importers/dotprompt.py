"""`.prompt` files (dotprompt): front matter that says what a prompt is for, and a Handlebars template."""

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from mintmark.core import placeholders

from . import chats, templates
from .front_matter import Document, Unreadable, word
from .prompt_files import MOST_LICENCE, Format, Refused, Written

_KEPT = {"name", "variant", "description"}


def written(document: Document, path: PurePosixPath) -> Written:
    """What a `.prompt` file says. Its name is that of its front matter, else of the file; a variant is a prompt of its
    own (`greet.formal`)."""
    values = document.values
    plain, _, variant = path.name.removesuffix(".prompt").partition(".")
    if plain.startswith("_"):
        raise Unreadable(
            "Its name begins with `_`: it is a partial, and partials are not read.", line=1
        )
    name = word(values, "name", most=200, default=plain)
    variant = word(values, "variant", most=100, default=variant)
    own = _of_this_place(document)
    text = own or templates.mapped(document.text, language="handlebars", roles=True)
    require_mapped(text, document=document)
    return Written(
        name=f"{name}.{variant}" if variant else name,
        title=f"{name} ({variant})" if variant else name,
        text=text.text,
        line=document.line,
        description=word(values, "description", most=4_000),
        licence=word(_metadata(values), "mintmark_licence", most=MOST_LICENCE),
        tags=(chats.TAG,) if text.is_chat else (),
        variables=text.variables,
        unkept=sorted(values.keys() - _KEPT),
    )


def require_mapped(text: templates.Text, *, document: Document) -> None:
    """Refuse a file with each part of its template that has no meaning here."""
    if text.unmapped:
        raise Refused(
            [
                Unreadable(
                    f"{one.what} has no meaning here: {one.why}.",
                    line=document.line + one.line - 1, field="text", value=one.what,
                )
                for one in text.unmapped
            ]
        )  # fmt: skip


def _of_this_place(document: Document) -> templates.Text | None:
    """The text as it stands, where a vault wrote this file: then it is no template of Handlebars."""
    digest = hashlib.sha256(document.text.encode()).hexdigest()
    if _metadata(document.values).get("mintmark_digest") != f"sha256:{digest}":
        return None
    return templates.Text(
        text=document.text,
        variables=placeholders.names(document.text),
        is_chat=chats.heading_at(document.text) is not None,
        unmapped=[],
    )


def _metadata(values: Mapping[str, Any]) -> Mapping[str, Any]:
    found = values.get("metadata")
    return found if isinstance(found, Mapping) else {}


FORMAT = Format(
    kind="dotprompt",
    is_one=lambda path: path.suffix == ".prompt",
    has_own_folder=False,
    read=written,
    called=".prompt file",
)
