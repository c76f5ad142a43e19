"""The schema that is checked in: `python -m mintmark.api.openapi` writes `openapi.json` and `docs/reference` anew."""

import json
import os
from pathlib import Path

from . import reference_pages

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "openapi.json"


def render_schema() -> str:
    """The schema as it is checked in."""
    from . import app

    return json.dumps(app.api.get_openapi_schema(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the schema of the code as it stands, and the reference made from it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mintmark.config.settings")
    import django

    django.setup()
    SCHEMA_FILE.write_text(render_schema())
    reference_pages.write_pages(json.loads(render_schema()))


if __name__ == "__main__":
    main()
