from django.apps import AppConfig


class ProjectionConfig(AppConfig):
    name = "mintmark.projection"
    default_auto_field = "django.db.models.BigAutoField"
