"""`mintmark vault verify`: is this file what its signers signed? Needs no installation, no database and no Django."""

from pathlib import Path

import click

from mintmark.common import errors

from . import exit_codes, output

# What verifies is imported when there is something to verify: `--help` needs none of it (benchmarks/startup).


@click.command()
@click.argument("file", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "names",
    multiple=True,
    metavar="KEY",
    help="A key that you trust: 64 hex digits, or a file with them or with the public key in PEM. Repeat for several.",
)
@click.option(
    "--threshold",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many of these keys must have signed it.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    help="The largest bundle that is read. [default: 16777216]",
)
@output.json_option
@click.pass_context
def verify(
    context: click.Context,
    *,
    file: Path,
    names: tuple[str, ...],
    threshold: int,
    max_bytes: int | None,
    as_json: bool,
) -> None:
    """Check a bundle, or the folder that one was written as, against keys that you trust.

    Works anywhere: it asks no server, no database and no network. The exit code is 0 only if nothing was changed and
    as many of the given keys as --threshold says signed it; 1 if not, and 2 if something can't be read.
    """
    from mintmark.signing import bundles

    from . import bundle_verification, vault_files

    roots = [bundle_verification.read_root(name) for name in names]
    if roots and threshold > len({root.key_id for root in roots}):
        raise click.BadParameter(
            f"it takes {threshold} keys to reach, and {len(roots)} were given",
            param_hint="--threshold",
        )
    try:
        checked = bundle_verification.verify(
            file,
            roots=roots,
            threshold=threshold,
            max_bytes=bundles.LIMITS.size if max_bytes is None else max_bytes,
        )
    except vault_files.UnreadableBundle:
        raise
    except errors.DomainError as refusal:
        output.print_refusal(refusal, context=context)
        context.exit(exit_codes.PROBLEM)
    if as_json:
        output.print_json(bundle_verification.build_document(checked))
    else:
        bundle_verification.print_result(checked)
    if not checked.is_valid:
        context.exit(exit_codes.PROBLEM)
