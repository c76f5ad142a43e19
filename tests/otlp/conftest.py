"""Fixtures of the tests of telemetry."""

from typing import Any

import pytest

from tests.factories.cast import Cast

from .exports import Exporter


@pytest.fixture
def exporter(db: None, built_cast: Cast) -> Exporter:
    """The buyer's exporter, with a mapping in force."""
    return Exporter(built_cast)


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}
