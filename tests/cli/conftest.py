"""Commands, called as a shell calls them."""

import json
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from click.testing import CliRunner, Result

from mintmark.cli.main import main


class Call(Protocol):
    """`call("key", "list")` runs a command in this process."""

    def __call__(self, *arguments: str, input: str | None = None) -> Result: ...


@pytest.fixture
def call() -> Call:
    """Run a command; whatever it raises but for an exit is the test's failure."""

    def run(*arguments: str, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, arguments, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def answer(call: Call) -> Callable[..., Any]:
    """Run a command with `--json` that must succeed; the document it printed."""

    def run(*arguments: str, input: str | None = None) -> Any:
        result = call(*arguments, "--json", input=input)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
