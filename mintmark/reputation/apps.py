from django.apps import AppConfig


class ReputationConfig(AppConfig):
    name = "mintmark.reputation"
    default_auto_field = "django.db.models.BigAutoField"
