"""`mintmark vault revoke`."""

from datetime import UTC, datetime

import click

from mintmark.core import revocations

from . import holders, installation, output, vault_files


@click.group()
def revoke() -> None:
    """What was withdrawn here, and what others withdrew."""


@revoke.command()
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    help="Where to write it. [default: standard output, unless --json]",
)
@output.json_option
def issue(*, target: str | None, as_json: bool) -> None:
    """Sign the list of what this installation told and withdrew for good, and of keys it revoked.

    Others fetch the same from /api/v1/vault/withdrawals, without a key. `mintmark market entomb` and
    `mintmark vault keys revoke` are what puts things on it.
    """
    if target == vault_files.STREAM and as_json:
        raise click.BadParameter(
            "standard output takes one thing: name a file", param_hint="--output"
        )
    installation.open_database()
    from mintmark.vault import withdrawals

    raw = withdrawals.issued(now=datetime.now(UTC))
    if target is not None or not as_json:
        vault_files.write(target or vault_files.STREAM, raw)
    said = revocations.opened(raw).revocations
    if as_json:
        output.print_json(
            {
                "file": target,
                "bytes": len(raw),
                "issuer": said.issuer.installation,
                "sequence": said.sequence,
                "revoked": [one.model_dump(mode="json") for one in said.revoked],
                "revoked_keys": [one.model_dump(mode="json") for one in said.revoked_keys],
            }
        )
        return
    output.say(
        f"List {said.sequence}: {len(said.revoked)} prompts and {len(said.revoked_keys)} keys.",
        as_json=True,
    )


@revoke.command()
@click.argument("file")
@output.json_option
def take(*, file: str, as_json: bool) -> None:
    """Take in the list of another installation from FILE (- is standard input); it acts at once.

    What came here with its bundles and is on the list is withdrawn from everywhere, and its revoked
    keys count no more. The same list again changes nothing.
    """
    installation.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.vault import withdrawals

    taken = SymbolicPromptTokenMarketplace().take_withdrawals(
        caller=holders.acting(),
        raw=vault_files.read(file, most=revocations.LIMITS.size),
        now=datetime.now(UTC),
    )
    said = withdrawals.read(taken)
    gone = [prompt.reference for prompt in withdrawals.withdrawn_by(taken)]
    if as_json:
        output.print_json(
            {
                "issuer": taken.issuer,
                "name": said.issuer.name,
                "sequence": taken.sequence,
                "brought_at": taken.brought_at,
                "applied": taken.applied,
                "withdrawn": gone,
                "revoked_keys": [one.key_id for one in said.revoked_keys],
            }
        )
        return
    output.say(
        f"List {taken.sequence} of {output.inert(said.issuer.name)}: {len(gone)} prompts of here are withdrawn by it, "
        f"{len(said.revoked_keys)} keys are revoked."
    )
    for reference in gone:
        click.echo(f"  {output.inert(reference)}")
