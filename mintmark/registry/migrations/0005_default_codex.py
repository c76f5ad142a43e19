"""A registered codex never changes; and the one that every installation starts with, as it was when this was written."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.database.append_only import append_only

DESCRIPTION = "What every prompt and every output keeps: nothing hidden, nothing secret, nothing left unfilled."
CLAUSES = [
    {
        "id": "no-hidden-unicode",
        "text": "A prompt hides no characters from its reader.",
        "severity": "block",
        "applies_to": "prompt",
        "check": {"kind": "no-hidden-unicode"},
    },
    {
        "id": "no-secrets",
        "text": "A prompt shows no key and no token.",
        "severity": "block",
        "applies_to": "prompt",
        "check": {"kind": "no-secrets"},
    },
    {
        "id": "no-unfilled-variables",
        "text": "A prompt at work has a value for each of its variables.",
        "severity": "warn",
        "applies_to": "prompt",
        "check": {"kind": "no-unfilled-variables"},
    },
    {
        "id": "output-no-hidden-unicode",
        "text": "An output hides no characters from its reader.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "no-hidden-unicode"},
    },
    {
        "id": "output-no-secrets",
        "text": "An output shows no key and no token.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "no-secrets"},
    },
    {
        "id": "output-no-unfilled-variables",
        "text": "An output repeats no variable of its prompt unfilled.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "no-unfilled-variables"},
    },
]


def register(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    Codex = apps.get_model("registry", "Codex")
    if not Codex.objects.filter(name="default").exists():
        Codex.objects.create(name="default", version=1, description=DESCRIPTION, clauses=CLAUSES)


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_tombstones_stay")]

    operations = [
        migrations.RunPython(register, migrations.RunPython.noop),
        append_only("registry_codex"),
    ]
