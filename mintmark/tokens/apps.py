from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TokensConfig(AppConfig):
    name = "mintmark.tokens"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import system_accounts

        # The database's own start and no event of the domain: a book without its house's accounts is no book.
        post_migrate.connect(system_accounts.open_accounts, sender=self)
