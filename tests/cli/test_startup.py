"""What a `--help` loads: none of what takes long to load. How long it takes is measured in benchmarks/startup."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

import mintmark
from mintmark.cli.main import main
from mintmark.signing import bundles

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"django", "httpx", "ninja", "numba", "numpy", "pydantic", "rich", "scipy", "yaml"}

# Runs `mintmark` and then tells, on standard error, which packages that has loaded.
_RUN = """
import json, sys
from mintmark.cli.main import main
try:
    main(sys.argv[1:], prog_name="mintmark")
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command",
    [
        "",
        "backtest",
        "demo",
        "ritual",
        "market",
        "simulate",
        "simulate attack",
        "vault export",
        "vault import",
        "vault keys",
        "vault revoke",
        "vault verify",
    ],
)
def test_a_help_loads_nothing_heavy(command: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, *command.split(), "--help"],
        env=os.environ | {"MINTMARK_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith(f"Usage: mintmark {command}".rstrip())
    loaded = set(json.loads(ran.stderr))
    assert "click" in loaded
    assert not loaded & HEAVY


def test_the_help_of_verify_states_the_limit_that_holds() -> None:
    text = CliRunner().invoke(main, ["vault", "verify", "--help"]).stdout
    assert f"[default: {bundles.LIMITS.size}]" in " ".join(text.split())


def test_the_version_is_still_said() -> None:
    assert mintmark.__version__ == version("mintmark")
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = mintmark.nothing_of_that_name
