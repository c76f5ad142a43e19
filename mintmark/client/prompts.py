"""A prompt as the caller's program holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mintmark.textchecks import chat_format, placeholders

from . import transport
from .selection import Selection

REQUIRED_MEMBERS = frozenset(("reference", "digest", "variables", "text"))
"""What the answer that tells a prompt has at least."""

type PromptSource = Literal["server", "cached", "stale", "fallback"]


class MissingVariables(transport.MintmarkError):
    """A prompt was rendered without a value for each of its variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One exact text. `source` says how current it is.

    `server`: fetched just now; `cached`: confirmed less than `fresh_seconds` ago; `stale`: confirmed `age_seconds` ago
    and the server can't be reached; `fallback`: the caller's own text, for the reason `why`, without a reference.
    `choice` explains why this prompt was selected, where it was selected as the best.
    """

    reference: str
    digest: str
    text: str = field(repr=False)
    variables: tuple[str, ...]
    source: PromptSource = "server"
    age_seconds: float = 0.0
    reason: str = ""
    selection: Selection | None = None
    is_chat: bool = False

    def render(self, values: Mapping[str, object] | None = None, /, **variables: object) -> str:
        """The text with its variables filled in; what is filled in is not read for variables again.

        `MissingVariables` names those that have no value. Values that the text has no variable for are left out.
        """
        return placeholders.substitute(
            text=self.text, values=self._get_needed_texts(values, variables)
        )

    def render_messages(
        self, values: Mapping[str, object] | None = None, /, **variables: object
    ) -> list[dict[str, str]]:
        """The messages (`role`, `content`) with their variables filled in, as chat completions take them; one message
        of the user where the prompt is no chat. `MissingVariables` as for `render`.

        A value never begins a message, whatever is written in it.
        """
        needed_texts = self._get_needed_texts(values, variables)
        messages = (
            chat_format.parse_chat(self.text)
            if self.is_chat
            else [chat_format.ChatMessage(role="user", content=self.text)]
        )
        return [
            {
                "role": message.role,
                "content": placeholders.substitute(text=message.content, values=needed_texts),
            }
            for message in messages
        ]

    def _get_needed_texts(
        self, values: Mapping[str, object] | None, variables: Mapping[str, object]
    ) -> dict[str, str]:
        texts = {name: str(value) for name, value in {**(values or {}), **variables}.items()}
        missing = [name for name in self.variables if name not in texts]
        if missing:
            raise MissingVariables(
                f"{self.reference or 'The fallback'} needs a value for {', '.join(missing)}."
            )
        return {name: texts[name] for name in self.variables}


def parse_prompt(
    body: Mapping[str, Any], *, source: PromptSource, age_seconds: float, reason: str
) -> Prompt:
    """A prompt as the server tells it; `Refused` where it keeps the text back, or the prompt was withdrawn."""
    reference, text = str(body["reference"]), body["text"]
    if body.get("withdrawn_at") is not None:
        raise transport.Refused(
            f"{reference} was withdrawn and may not be used.", code="prompt_withdrawn", status=403
        )
    if not isinstance(text, str):
        raise transport.Refused(
            f"The text of {reference} is for those entitled to it: buy it first.",
            code="forbidden",
            status=403,
        )
    return Prompt(
        reference=reference,
        digest=str(body["digest"]),
        text=text,
        variables=tuple(map(str, body["variables"] or ())),
        is_chat=chat_format.TAG in (body.get("tags") or ()),
        source=source,
        age_seconds=age_seconds,
        reason=reason,
    )


def create_fallback(text: str, *, reason: str) -> Prompt:
    """The caller's own text in a prompt's place."""
    names = tuple(placeholders.list_names(text))
    return Prompt(
        reference="", digest="", text=text, variables=names, source="fallback", reason=reason
    )
