"""Whether the installation itself reaches an assistant's model, so that what it reports can be run again here."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("registry", "0006_class_names")]

    operations: ClassVar = [
        migrations.AddField(
            "assistant",
            "is_reached",
            models.BooleanField(
                default=False,
                help_text="an administrator configured how this installation reaches it",
            ),
        ),
    ]
