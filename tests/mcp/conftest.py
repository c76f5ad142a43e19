"""A scene on a database that other processes see, and MCP over HTTP as `mintmark mcp --http` serves it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.factories.mcp_scene import Scene, environment
from tests.installations import await_answer, free_port


@pytest.fixture
def scene(emptied_past_the_triggers: None, transactional_db: None) -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def url(django_db_setup: None) -> Iterator[str]:
    """Where MCP is served over HTTP, on the database of the run."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "mintmark.cli", "mcp", "--http", "--port", str(port)],
        env=environment(),
    )
    try:
        await_answer(port=port, process=server)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.terminate()
        server.wait(timeout=60)
