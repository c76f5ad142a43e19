"""The guide's commands and program, run as they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from mintmark.mcp import prompts, tools
from tests.installations import installation

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guides/mcp.md").read_text()


def _block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)\n```", GUIDE, flags=re.DOTALL)[0]  # type: ignore[no-any-return]


def test_the_guide_runs_as_it_stands(tmp_path: Path) -> None:
    program = tmp_path / "agent.py"
    program.write_text(_block("python"))
    with installation() as house:
        house.run("mintmark.cli", "demo", "--no-serve", "--no-corpus")
        command = shlex.split(_block("sh"))
        assert command.pop(0) == "mintmark"
        key = json.loads(house.run("mintmark.cli", *command, "--json"))["secret"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [sys.executable, str(program)],
            env=house.environment | {"MINTMARK_MCP_KEY": key, "PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    told = re.escape(_block("text")).replace("…", ".*")
    assert re.fullmatch(told, done.stdout.strip(), flags=re.DOTALL), done.stdout


def test_the_guide_names_every_tool_and_what_a_prompt_carries() -> None:
    for name in tools.TOOLS:
        assert f"| `{name}` |" in GUIDE
    assert f"`{prompts.META_KEY}`" in GUIDE


def test_the_configurations_are_json() -> None:
    for block in re.findall(r"```json\n(.*?)\n```", GUIDE, flags=re.DOTALL):
        assert json.loads(block)["mcpServers"]["mintmark"]
