from django.apps import AppConfig


class OtlpConfig(AppConfig):
    name = "mintmark.otlp"
    # Its tables keep the name they had first.
    label = "telemetry"
    default_auto_field = "django.db.models.BigAutoField"
