"""`mintmark ledger seal` and `mintmark audit`: the evidence log and the ledger of credits are sealed, and checked."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from . import bootstrap, exit_codes, output

if TYPE_CHECKING:
    from mintmark.storage.audit_results import InvariantResult


@click.group()
def ledger() -> None:
    """Seal the evidence log and the ledger of credits."""


@ledger.command()
@output.json_option
def seal(*, as_json: bool) -> None:
    """Seal what is new in both ledgers, and print their heads.

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


@click.command()
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="BOOK:NUMBER:DIGEST",
    help="A head that `mintmark ledger seal` printed: must still be part of its chain. Repeat for several.",
)
@output.json_option
@click.pass_context
def audit(context: click.Context, *, heads: tuple[str, ...], as_json: bool) -> None:
    """Check every invariant of the ledgers.

    Reads everything, changes nothing. The exit code is 1 if one is broken.
    """
    bootstrap.open_database()
    from mintmark.market import audit as market
    from mintmark.projection import audit as trust
    from mintmark.tokens import audit as tokens
    from mintmark.vault import audit as vault

    # From the lowest floor up.
    findings = [
        *_check_heads(heads),
        *tokens.audit(progress=output.print_step),
        *trust.audit(now=datetime.now(UTC), progress=output.print_step),
        *vault.audit(progress=output.print_step),
        *market.audit(progress=output.print_step),
    ]
    if as_json:
        output.print_json(
            {
                "holds": all(finding.holds for finding in findings),
                "findings": [
                    {
                        "code": finding.code,
                        "message": finding.description,
                        "checked": finding.checked,
                        "holds": finding.holds,
                        "broken": list(finding.broken),
                    }
                    for finding in findings
                ],
            }
        )
    else:
        output.print_table(
            columns=["", "invariant", "checked"],
            rows=[
                [
                    "holds" if finding.holds else "BROKEN",
                    finding.description,
                    f"{finding.checked:,}",
                ]
                for finding in findings
            ],
            right=["checked"],
            empty="There is nothing to check.",
        )
        for finding in findings:
            for broken in finding.broken:
                click.echo(f"! {finding.code}: {broken}", err=True)
    if not all(finding.holds for finding in findings):
        context.exit(exit_codes.PROBLEM)


def _check_heads(texts: Sequence[str]) -> "list[InvariantResult]":
    """Whether every head that was remembered is still part of its chain; nothing where none was."""
    from mintmark.evidence.checkpoints import CHECKPOINTED_TABLE as EVIDENCE
    from mintmark.storage import audit_results, checkpoints
    from mintmark.tokens.checkpoints import CHECKPOINTED_TABLE as TOKENS

    books = {book.name: book for book in (EVIDENCE, TOKENS)}
    heads = []
    for text in texts:
        try:
            head = checkpoints.ChainHead.parse(text)
        except ValueError as wrong:
            raise click.BadParameter(str(wrong), param_hint="--head") from wrong
        if head.book not in books:
            raise click.BadParameter(
                f"there is no ledger {head.book!r}; there are {', '.join(books)}",
                param_hint="--head",
            )
        heads.append(head)
    if not heads:
        return []
    departed = [checkpoints.explain_missing_head(books[head.book], head) for head in heads]
    return [
        audit_results.InvariantResult(
            code="heads",
            description="every remembered head is still part of its chain of seals",
            checked=len(heads),
            broken=tuple(reason for reason in departed if reason is not None),
        )
    ]
