"""A guide as its reader goes through it: its commands in a shell, in order, and what the page says that they print."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.installations import Installation

FOLDER = Path(__file__).resolve().parents[1] / "docs/guides"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block, and the `text` that follows it: what it prints, `…` for whatever stands there."""

    language: str
    content: str
    prints: str | None


def blocks(name: str) -> list[Block]:
    """The blocks of a guide that are run, in order."""
    found = _BLOCK.findall((FOLDER / f"{name}.md").read_text())
    return [
        Block(
            language=language,
            content=content,
            prints=after[1] if after[0] == "text" else None,
        )
        for (language, content), after in zip(found, [*found[1:], ("", "")], strict=True)
        if language in ("sh", "python")
    ]


@dataclass(kw_only=True)
class Reader:
    """Follows a guide in a folder of his own; `says` is what he puts in for words of the page."""

    house: Installation
    folder: Path
    says: Mapping[str, str] = field(default_factory=dict)

    def follow(self, block: Block) -> None:
        """Run a block. AssertionError if it fails, or prints something else than the page says."""
        content = self._own(block.content)
        command = ["bash", "-euo", "pipefail", "-c", content]
        if block.language == "python":
            command = [sys.executable, "-c", content]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            env=self.house.environment | {"PATH": path},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{content}\n{done.stdout}\n{done.stderr}"
        if block.prints is not None:
            told = re.escape(self._own(block.prints).strip()).replace("…", ".*")
            printed = done.stdout.lstrip("\ufeff").strip()
            assert re.fullmatch(told, printed, flags=re.DOTALL), f"{content}\n{printed}"

    def _own(self, text: str) -> str:
        for word, own in self.says.items():
            text = text.replace(word, own)
        return text
