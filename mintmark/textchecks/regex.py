r"""Regular expressions on RE2, matched in time linear in the text.

RE2 (Cox 2007, "Regular Expression Matching Can Be Simple And Fast") has no look-around and no back-references; the end
of a text is `\z`. The time is pattern times text at worst, so both are bounded: the work is that product.
"""

import functools
import re
from dataclasses import dataclass, field
from typing import Any

import re2

MAX_CHARACTERS = 2_000
MAX_INSTRUCTIONS = 10_000
"""The longest pattern, and the largest compiled size (`x{1000}` is short and large)."""
_MEMORY_BYTES = 2 << 20
# Other dialects write a character by its code in this form; RE2 writes \x{…}.
_CODE = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9A-Fa-f]{4})")


class InvalidPattern(ValueError):
    """RE2 can't compile a pattern, or it is too large."""

    @property
    def message(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A compiled pattern; `size` is its number of RE2 instructions."""

    source: str
    size: int
    _compiled: Any = field(repr=False, compare=False)

    def search(self, text: str) -> tuple[int, int] | None:
        """The span of the first match in a text (offsets, the end excluded); None without a match."""
        data = text.encode(
            errors="replace"
        )  # half a surrogate pair has no UTF-8 form, and is read as "?"
        match = self._compiled.search(data)
        if match is None:
            return None
        start, end = match.span()
        if len(data) == len(text):
            return start, end
        first = len(data[:start].decode())
        return first, first + len(data[start:end].decode())

    def estimate_work(self, text: str) -> int:
        """The number of steps that searching a text takes at worst; usual patterns take a thousandth of it."""
        return self.size * (len(text) if text.isascii() else len(text.encode(errors="replace")))


@functools.lru_cache(maxsize=128)
def compile_pattern(source: str) -> Pattern:
    """Compile a pattern in RE2's syntax. Raises `InvalidPattern`, which says what is wrong with it."""
    if len(source) > MAX_CHARACTERS:
        raise InvalidPattern(
            f"The pattern has {len(source):,} characters; at most {MAX_CHARACTERS:,} are allowed."
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    options.never_capture = True
    try:
        program = re2.compile(_CODE.sub(r"\1\\x{\2}", source), options=options)
    except re2.error as wrong:
        message = wrong.args[0] if wrong.args else ""
        message = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
        raise InvalidPattern(
            f"The pattern {source[:60]!r} is not valid for RE2: {message[:120]}."
        ) from None
    except UnicodeEncodeError:
        raise InvalidPattern("The pattern holds half a surrogate pair.") from None
    if program.programsize > MAX_INSTRUCTIONS:
        raise InvalidPattern(
            f"The pattern {source[:60]!r} is too large: repeat less ({program.programsize:,} instructions; at most "
            f"{MAX_INSTRUCTIONS:,})."
        )
    return Pattern(source=source, size=program.programsize, _compiled=program)
