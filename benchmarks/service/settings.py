"""Mintmark's settings for what is compared: nobody folds, and plain views hang beside the API."""

from mintmark.config.settings import *  # noqa: F403

PROJECTION = "nobody"
ROOT_URLCONF = "benchmarks.service.urls"
