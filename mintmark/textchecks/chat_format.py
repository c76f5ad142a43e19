"""Chats as one text: each message after a line of its role (`system:`, `user:`, `assistant:`), as Prompty has it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TAG = "type:chat"
ROLES = ("system", "user", "assistant", "developer")
_HEADING_PATTERN = re.compile(rf"^({'|'.join(ROLES)}):[ \t]*\r?$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of a chat."""

    role: str
    content: str


class AmbiguousMessage(Exception):
    """A message that could not be told from two once it is written; `line` counts within the message."""

    def __init__(self, message: ChatMessage, heading: str, line: int) -> None:
        super().__init__(
            f"line {line} of the {message.role} message is {heading!r}, which would begin another message"
        )


def format_chat(messages: Sequence[ChatMessage]) -> str:
    """Messages as one text, which `parse_chat` reads back. Raises `AmbiguousMessage`."""
    for message in messages:
        if heading := _HEADING_PATTERN.search(message.content):
            line = message.content.count("\n", 0, heading.start()) + 1
            raise AmbiguousMessage(message, heading[0].strip(), line)
    return "\n".join(f"{chat_message.role}:\n{chat_message.content}" for chat_message in messages)


def parse_chat(text: str) -> list[ChatMessage]:
    """The messages of a text. What stands before the first line of a role is the system's, as in Prompty; a text
    without any such line is one message of the user."""
    headings = list(_HEADING_PATTERN.finditer(text))
    if not headings:
        return [ChatMessage(role="user", content=text)]
    preamble = text[: headings[0].start()]
    messages = [ChatMessage(role="system", content=preamble[:-1])] if preamble.strip() else []
    ends = [heading.start() for heading in headings[1:]] + [len(text) + 1]
    return messages + [
        # The line's end before the next heading is the join's, not the message's.
        ChatMessage(role=heading[1], content=text[heading.end() : end - 1])
        for heading, end in zip(headings, ends, strict=True)
    ]


def find_heading(text: str) -> int | None:
    """The line (from 1) of the first line that would be read as a role, if there is one."""
    match = _HEADING_PATTERN.search(text)
    return None if match is None else text.count("\n", 0, match.start()) + 1


def parse_messages(raw_messages: Any) -> list[ChatMessage]:
    """Messages as other tools have them, a list of `{"role", "content"}`. Raises ValueError naming the first that is no
    text of a role: an image, a call of a tool, a placeholder for earlier messages."""
    if not isinstance(raw_messages, list) or not raw_messages:
        raise ValueError("A chat is a list of messages.")
    messages = []
    for number, raw in enumerate(raw_messages):
        fields = raw if isinstance(raw, dict) else {}
        role, content = fields.get("role"), fields.get("content")
        if role not in ROLES:
            shown_role = str(role)[:40]
            raise ValueError(
                f"Message {number + 1} has the role {shown_role!r}; only {', '.join(ROLES)} have a place here."
            )
        if not isinstance(content, str):
            kind = (
                next((str(part.get("type")) for part in content if isinstance(part, dict)), "")
                if isinstance(content, list)
                else ""
            )
            raise ValueError(
                f"Message {number + 1} is no text{f' but {kind[:40]}' if kind else ''}: prompts are texts here."
            )
        if unknown := sorted(fields.keys() - {"role", "content"}):
            raise ValueError(
                f"Message {number + 1} has {unknown[0][:40]!r}, which has no place here."
            )
        messages.append(ChatMessage(role=role, content=content))
    return messages
