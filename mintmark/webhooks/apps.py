from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "mintmark.webhooks"
    default_auto_field = "django.db.models.BigAutoField"
