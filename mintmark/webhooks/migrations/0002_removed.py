from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="removed_at",
            field=models.DateTimeField(
                blank=True,
                help_text="a row stays, since what is told just now may name it",
                null=True,
            ),
        ),
    ]
