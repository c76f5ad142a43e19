"""Chats as one text: each message after a line of its role (`system:`, `user:`, `assistant:`), as Prompty has it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

TAG = "type:chat"
ROLES = ("system", "user", "assistant", "developer")
_HEADING = re.compile(rf"^({'|'.join(ROLES)}):[ \t]*\r?$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a chat."""

    role: str
    content: str


class Ambiguous(Exception):
    """A message that could not be told from two once it is written; `line` counts within the message."""

    def __init__(self, message: Message, heading: str, line: int) -> None:
        super().__init__(
            f"line {line} of the {message.role} message is {heading!r}, which would begin another message"
        )


def written(messages: Sequence[Message]) -> str:
    """Messages as one text, which `messages_of` reads back. Raises `Ambiguous`."""
    for message in messages:
        if heading := _HEADING.search(message.content):
            line = message.content.count("\n", 0, heading.start()) + 1
            raise Ambiguous(message, heading[0].strip(), line)
    return "\n".join(f"{one.role}:\n{one.content}" for one in messages)


def messages_of(text: str) -> list[Message]:
    """The messages of a text; one of the role `user` where it has no line of a role, or begins without."""
    headings = list(_HEADING.finditer(text))
    if not headings or text[: headings[0].start()].strip():
        return [Message(role="user", content=text)]
    ends = [one.start() for one in headings[1:]] + [len(text) + 1]
    return [
        # The line's end before the next heading is the join's, not the message's.
        Message(role=one[1], content=text[one.end() : end - 1])
        for one, end in zip(headings, ends, strict=True)
    ]


def heading_at(text: str) -> int | None:
    """The line (from 1) of the first line that would be read as a role, if there is one."""
    found = _HEADING.search(text)
    return None if found is None else text.count("\n", 0, found.start()) + 1
