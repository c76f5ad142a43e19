"""The schema that is checked in: `python -m mintmark.api.openapi` writes `openapi.json` and `docs/reference` anew."""

import json
import os
from pathlib import Path

from . import reference_pages

FILE = Path(__file__).resolve().parents[2] / "openapi.json"


def rendered() -> str:
    """The schema as it is checked in."""
    from . import door

    return json.dumps(door.api.get_openapi_schema(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the schema of the code as it stands, and the reference made from it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mintmark.config.settings")
    import django

    django.setup()
    FILE.write_text(rendered())
    reference_pages.write(json.loads(rendered()))


if __name__ == "__main__":
    main()
