"""`mintmark seal`."""

from datetime import UTC, datetime

import click

from . import installation, output


@click.command()
@output.json_option
def seal(*, as_json: bool) -> None:
    """Seal what is new in the books, and print the heads of their seals.

    Write the heads down elsewhere: `mintmark audit --head HEAD` proves that they are still there.
    """
    installation.open_database()
    from mintmark.evidence import seals as evidence
    from mintmark.tokens import seals as tokens

    sealed = {}
    heads = []
    for book in (evidence, tokens):
        made = book.seal(now=datetime.now(UTC))
        head = book.head()
        sealed[head.book] = sum(one.count for one in made)
        heads.append(str(head))
    if as_json:
        output.print_json({"sealed": sealed, "heads": heads})
        return
    # Beside the answer: the heads alone are what is written down.
    said = f"Sealed: {sealed['evidence']:,} events, {sealed['tokens']:,} transfers."
    output.say(said, as_json=True)
    for text in heads:
        click.echo(text)
