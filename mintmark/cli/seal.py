"""`mintmark seal`."""

from datetime import UTC, datetime

import click

from . import bootstrap, output


@click.command()
@output.json_option
def seal(*, as_json: bool) -> None:
    """Seal what is new in the books, and print the heads of their seals.

    Write the heads down elsewhere: `mintmark audit --head HEAD` proves that they are still there.
    """
    bootstrap.open_database()
    from mintmark.evidence import checkpoints as evidence
    from mintmark.tokens import checkpoints as tokens

    counts = {}
    heads = []
    for book in (evidence, tokens):
        checkpoints = book.create_checkpoints(now=datetime.now(UTC))
        head = book.get_head()
        counts[head.book] = sum(checkpoint.count for checkpoint in checkpoints)
        heads.append(str(head))
    if as_json:
        output.print_json({"sealed": counts, "heads": heads})
        return
    # Beside the answer: the heads alone are what is written down.
    summary = f"Sealed: {counts['evidence']:,} events, {counts['tokens']:,} transfers."
    output.print_message(summary, as_json=True)
    for text in heads:
        click.echo(text)
