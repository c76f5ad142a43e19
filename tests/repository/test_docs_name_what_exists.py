"""Modules and files of the package that the docs name exist."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# ADRs and the changelog keep the names of their time.
PAGES = sorted(
    page
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    if "adr" not in page.relative_to(ROOT).parts
)
_DOTTED = re.compile(r"(?<![\w./-])(?:mintmark|benchmarks)(?:\.[a-z_][a-z_0-9]*)+\b(?!\.\w)")
_FILE = re.compile(
    r"(?<![\w.])(?:mintmark|tests|benchmarks|scripts)/[\w./-]+\.(?:py|sql|md|json|html)\b"
)
# What has the same spelling and is no module: a host, a variable of an example, attributes of exports.
_NOT_MODULES = re.compile(
    r"mintmark\.(?:example|call_tool|get_prompt|list_prompts|assistant|digest|reference)\b"
)


def _is_module_or_member(name: str) -> bool:
    """Whether a dotted name is a module, or what a module defines."""
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    module, _, member = name.rpartition(".")
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    if spec is None or spec.origin is None or module in ("mintmark", "benchmarks"):
        return False
    return re.search(rf"\b{member}\b", Path(spec.origin).read_text()) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    modules = {name for name in _DOTTED.findall(text) if not _NOT_MODULES.match(name)}
    missing = {name for name in modules if not _is_module_or_member(name)}
    missing |= {path for path in _FILE.findall(text) if not (ROOT / path).exists()}
    assert not missing, f"{page.relative_to(ROOT)} names what is not there: {sorted(missing)}"
