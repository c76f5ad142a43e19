"""What was agreed stays as it was agreed; on PostgreSQL a purchase is one function."""

from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.storage.append_only import make_append_only

_SQL = Path(__file__).parent.parent / "buy.postgresql.sql"


def _function(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(_SQL.read_text(), params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0001_initial"),
        ("tokens", "0002_book"),
        ("registry", "0004_tombstones_stay"),
    ]

    operations = [
        make_append_only("market_purchase"),
        make_append_only("market_royaltyterm"),
        make_append_only(
            "market_prompttokenlisting",
            except_columns=[
                "token_cost", "symbolic_tag_weight", "swarm_adoption_score", "codex_usage_score",
                "scored_at", "withdrawn_at", "withdrawal_reason",
            ],
        ),
        make_append_only("market_promptset", except_columns=["withdrawn_at"]),
        make_append_only("market_promptsetitem"),
        make_append_only(
            "market_warranty",
            except_columns=["state", "settled_at", "score", "runs", "transfer_id"],
        ),
        make_append_only("market_injection", except_columns=["ended_at", "ended_by_id", "end_reason"]),
        migrations.RunPython(_function, migrations.RunPython.noop),
    ]  # fmt: skip
