"""Chats as one text: each message after a line of its role (`system:`, `user:`, `assistant:`), as Prompty has it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
    """Messages as one text, which `messages_of` reads back. Raises `Ambiguous`."""
    for message in messages:
        if heading := _HEADING_PATTERN.search(message.content):
            line = message.content.count("\n", 0, heading.start()) + 1
            raise AmbiguousMessage(message, heading[0].strip(), line)
    return "\n".join(f"{chat_message.role}:\n{chat_message.content}" for chat_message in messages)


def parse_chat(text: str) -> list[ChatMessage]:
    """The messages of a text; one of the role `user` where it has no line of a role, or begins without."""
    headings = list(_HEADING_PATTERN.finditer(text))
    if not headings or text[: headings[0].start()].strip():
        return [ChatMessage(role="user", content=text)]
    ends = [heading.start() for heading in headings[1:]] + [len(text) + 1]
    return [
        # The line's end before the next heading is the join's, not the message's.
        ChatMessage(role=heading[1], content=text[heading.end() : end - 1])
        for heading, end in zip(headings, ends, strict=True)
    ]


def find_heading(text: str) -> int | None:
    """The line (from 1) of the first line that would be read as a role, if there is one."""
    match = _HEADING_PATTERN.search(text)
    return None if match is None else text.count("\n", 0, match.start()) + 1
