"""The app of audits of claims."""

from django.apps import AppConfig


class ClaimAuditsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "mintmark.claim_audits"
