"""What was signed and what was decided stays as it was."""

from django.db import migrations

from mintmark.storage.append_only import make_append_only


class Migration(migrations.Migration):
    dependencies = [("vault", "0001_initial")]

    operations = [
        make_append_only("vault_identity"),
        make_append_only("vault_promptmarketplacevault"),
        make_append_only("vault_promptmarketplacevault_prompt_set"),
        make_append_only("vault_foreignprompt"),
        make_append_only("vault_revocationlist"),
        make_append_only("vault_trustedkey", except_columns=["revoked_at", "revocation_reason"]),
        make_append_only(
            "vault_signingkey", except_columns=["retired_at", "revoked_at", "revocation_reason"]
        ),
        make_append_only(
            "vault_bundleimport",
            except_columns=[
                "state", "code", "reason", "findings", "envelope", "vault_id", "runs",
                "decided_by_id", "decided_at",
            ],
        ),
    ]  # fmt: skip
