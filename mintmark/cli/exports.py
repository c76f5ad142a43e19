"""`mintmark export`."""

import click

from . import export_registries, export_tables


@click.group()
def exports() -> None:
    """Export prompts and what was measured of them."""


for _command in (
    export_tables.evidence,
    export_tables.scores,
    export_registries.mlflow,
    export_registries.langfuse,
):
    exports.add_command(_command)
