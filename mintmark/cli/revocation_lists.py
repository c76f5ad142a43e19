"""`mintmark vault revoke`."""

from datetime import UTC, datetime

import click

from . import bootstrap, output, resolve, vault_files


@click.group()
def revoke() -> None:
    """Publish what was withdrawn here, and apply what others withdrew."""


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
    """Sign the list of what this installation exported and withdrew permanently, and of keys it revoked.

    Others fetch the same from /api/v1/vault/revocation-list, without a key. `mintmark market withdraw-permanently` and
    `mintmark vault keys revoke` put things on it.
    """
    if target == vault_files.STREAM and as_json:
        raise click.BadParameter(
            "standard output takes one thing: name a file", param_hint="--output"
        )
    bootstrap.open_database()
    from mintmark.signing import revocation_list
    from mintmark.vault import revocation_lists

    raw = revocation_lists.build_revocation_list(now=datetime.now(UTC))
    if target is not None or not as_json:
        vault_files.write_file(target or vault_files.STREAM, raw)
    issued_list = revocation_list.verify(raw).revocations
    if as_json:
        output.print_json(
            {
                "file": target,
                "bytes": len(raw),
                "issuer": issued_list.issuer.installation,
                "sequence": issued_list.sequence,
                "revoked": [entry.model_dump(mode="json") for entry in issued_list.revoked],
                "revoked_keys": [
                    entry.model_dump(mode="json") for entry in issued_list.revoked_keys
                ],
            }
        )
        return
    output.print_message(
        f"List {issued_list.sequence}: {len(issued_list.revoked)} prompts and {len(issued_list.revoked_keys)} keys.",
        as_json=True,
    )


@revoke.command()
@click.argument("file")
@output.json_option
def take(*, file: str, as_json: bool) -> None:
    """Apply the list of another installation from FILE (- is standard input), at once.

    What came here with its bundles and is on the list is withdrawn from everywhere, and its revoked
    keys are no longer trusted. The same list again changes nothing.
    """
    bootstrap.open_database()
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.signing import revocation_list
    from mintmark.vault import revocation_lists

    applied_list = SymbolicPromptTokenMarketplace().apply_revocation_list(
        caller=resolve.resolve_caller(),
        raw=vault_files.read_file(file, max_bytes=revocation_list.LIMITS.size),
        now=datetime.now(UTC),
    )
    content = revocation_lists.parse_revocation_list(applied_list)
    references = [
        prompt.reference for prompt in revocation_lists.list_withdrawn_prompts(applied_list)
    ]
    if as_json:
        output.print_json(
            {
                "issuer": applied_list.issuer,
                "name": content.issuer.name,
                "sequence": applied_list.sequence,
                "brought_at": applied_list.brought_at,
                "applied": applied_list.applied,
                "withdrawn": references,
                "revoked_keys": [key.key_id for key in content.revoked_keys],
            }
        )
        return
    output.print_message(
        f"List {applied_list.sequence} of {output.escape_unprintable(content.issuer.name)}: {len(references)} prompts "
        f"here are withdrawn by it, {len(content.revoked_keys)} keys are revoked."
    )
    for reference in references:
        click.echo(f"  {output.escape_unprintable(reference)}")
