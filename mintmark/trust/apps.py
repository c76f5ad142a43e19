from django.apps import AppConfig


class TrustConfig(AppConfig):
    name = "mintmark.trust"
    default_auto_field = "django.db.models.BigAutoField"
