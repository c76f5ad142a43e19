from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "mintmark.web"
    default_auto_field = "django.db.models.BigAutoField"
