"""A model server, and the scene around it."""

from collections.abc import Iterator

import pytest

from tests.factories.cast import Cast
from tests.factories.ritual_scene import KEY, KEY_NAME, Scene

from . import model_server
from .model_server import Model


@pytest.fixture
def endpoint() -> Iterator[tuple[str, Model]]:
    with model_server.served() as served:
        yield served


@pytest.fixture
def model(endpoint: tuple[str, Model]) -> Model:
    """What the endpoint saw."""
    return endpoint[1]


@pytest.fixture
def scene(
    db: None, built_cast: Cast, endpoint: tuple[str, Model], monkeypatch: pytest.MonkeyPatch
) -> Scene:
    monkeypatch.setenv(KEY_NAME, KEY)
    return Scene(url=endpoint[0], cast=built_cast)
