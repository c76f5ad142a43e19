"""The ASGI entry point of MCP, a process of its own, that `mintmark mcp --http` hands to granian."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mintmark.config.settings")
django.setup()

from mintmark.mcp import http  # noqa: E402  # it reads the settings

application = http.build_application()
