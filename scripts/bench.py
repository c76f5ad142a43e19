"""Runs the benchmarks, each a script `benchmarks/TOPIC/NAME.py` that needs no argument.

python scripts/bench.py [TOPIC…]
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks"


def main(*, topics: list[str]) -> int:
    """Run every benchmark, or those of `topics`; returns the number of those that failed."""
    scripts = [script for script in _scripts() if not topics or script.parent.name in topics]
    unknown = set(topics) - {script.parent.name for script in scripts}
    if unknown or not scripts:
        known = sorted({script.parent.name for script in _scripts()})
        asked = ", ".join(sorted(unknown)) or FOLDER.name
        print(f"No benchmark in {asked}; topics: {', '.join(known) or 'none'}.")
        return 1
    failed = 0
    for script in scripts:
        print(f"· {script.relative_to(ROOT)}: {_purpose(script)}", flush=True)
        failed += subprocess.run([sys.executable, script], cwd=ROOT).returncode != 0
    return failed


def _scripts() -> list[Path]:
    return sorted(
        path for path in FOLDER.glob("*/*.py") if 'if __name__ == "__main__":' in path.read_text()
    )


def _purpose(script: Path) -> str:
    documented = ast.get_docstring(ast.parse(script.read_text())) or "undocumented"
    return documented.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main(topics=sys.argv[1:]))
