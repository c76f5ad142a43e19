"""What the commands say of files that were brought, and of who signed: texts of others are shown inert."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from . import output, resolve

if TYPE_CHECKING:
    from mintmark.signing.key_policy import TrustRoot
    from mintmark.vault.inspection import InspectedPrompt, Inspection
    from mintmark.vault.models import BundleImport


def build_document(row: "BundleImport") -> dict[str, Any]:
    """An import as JSON tells it."""
    return {
        "id": row.pk,
        "team": row.team.name,
        "state": row.state,
        "code": row.code,
        "reason": row.reason,
        "digest": row.digest,
        "size": row.size,
        "brought_by": row.brought_by.name,
        "brought_at": row.brought_at,
        "findings": [_build_finding_document(finding) for finding in row.findings],
        "bundle": row.vault_id,
        "runs": row.runs,
        "decided_by": row.decided_by.name if row.decided_by is not None else None,
        "decided_at": row.decided_at,
    }


def _build_finding_document(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding as it is stored, with its sentence as `message`."""
    return {("message" if name == "says" else name): value for name, value in finding.items()}


def print_import(row: "BundleImport") -> None:
    """An import in lines: how it stands, and what there is to look at."""
    states = {"waiting": "waits in quarantine", "accepted": "is accepted", "refused": "is refused"}
    output.print_message(
        f"Import {row.pk} for team {row.team} {states[row.state]} ({row.size:,} bytes, sha256 {row.digest})."
    )
    if row.code:
        click.echo(f"  {row.code}: {output.escape_unprintable(row.reason)}")
    elif row.reason:
        click.echo(f"  because: {output.escape_unprintable(row.reason)}")
    if row.vault_id is not None:
        click.echo(f"  it is bundle {row.vault_id}; its reputation counts as up to {row.runs} runs")
    for finding in row.findings:
        prompt_prefix = (
            f"{output.escape_unprintable(finding['prompt'])}: " if "prompt" in finding else ""
        )
        click.echo(
            f"  ! {finding['kind']}: {prompt_prefix}{output.escape_unprintable(finding['says'])}"
        )


def show_import(number: int, *, with_texts: bool, as_json: bool) -> None:
    """A file that was brought, and what it holds, if it was not refused."""
    from mintmark.vault import quarantine
    from mintmark.vault.models import BundleImport

    row = quarantine.get_import(caller=resolve.resolve_caller(), pk=number)
    is_there = row.state != BundleImport.State.REFUSED
    inspected = quarantine.inspect_import(row, now=datetime.now(UTC)) if is_there else None
    if as_json:
        output.print_json(
            build_document(row)
            | {
                "holds": _build_inspection_document(inspected, with_texts=with_texts)
                if inspected
                else None
            }
        )
        return
    print_import(row)
    if inspected is not None:
        _print_inspection(inspected, with_texts=with_texts)


def build_signers(roots_by_key_id: Mapping[str, "TrustRoot | None"]) -> list[dict[str, Any]]:
    """Who signed, as JSON tells it: each key with what is known of it now."""
    now = datetime.now(UTC)
    return [
        {
            "key_id": key_id,
            "name": root.name if root is not None else None,
            "state": root.get_state(now=now) if root is not None else "unknown",
        }
        for key_id, root in roots_by_key_id.items()
    ]


def describe_signer(signer: Mapping[str, Any]) -> str:
    """A signer in a line."""
    name = (
        output.escape_unprintable(signer["name"]) if signer["name"] is not None else "unknown here"
    )
    return f"{signer['key_id']}, {name} ({signer['state']})"


def _build_inspection_document(inspected: "Inspection", *, with_texts: bool) -> dict[str, Any]:
    bundle = inspected.bundle
    return {
        "issuer": bundle.issuer.model_dump(mode="json"),
        "purpose": bundle.purpose,
        "prompt_set": bundle.prompt_set.model_dump(mode="json"),
        "as_of": bundle.as_of,
        "signed_by": build_signers(inspected.signers),
        "worthless": inspected.refusal,
        "needs_admin": inspected.needs_admin,
        "prompts": [
            _build_prompt_document(prompt, with_texts=with_texts) for prompt in inspected.prompts
        ],
    }


def _build_prompt_document(inspected: "InspectedPrompt", *, with_texts: bool) -> dict[str, Any]:
    from mintmark.signing import bundles

    bundled = inspected.bundled_prompt
    document = {
        "name": bundled.name,
        "digest": bundled.digest,
        "author": bundled.author,
        "licence": bundled.licence,
        "rights": bundled.rights,
        "trust": bundled.reputation.trust_ppm / bundles.MILLION,
        "outcomes": bundled.reputation.outcomes,
        "known": inspected.known.reference if inspected.known is not None else None,
        "elsewhere": [prompt.reference for prompt in inspected.other_matches],
        "descends": inspected.parent.reference if inspected.parent is not None else None,
        "withdrawn": inspected.withdrawn,
        "hidden": len(inspected.hidden),
        "marks": len(inspected.marks),
    }
    return document | {"text": inspected.visible_text} if with_texts else document


def _print_inspection(inspected: "Inspection", *, with_texts: bool) -> None:
    from mintmark.signing import bundles

    bundle = inspected.bundle
    output.print_message(
        f"{output.escape_unprintable(bundle.issuer.name)} ({bundle.issuer.installation}) issued it, as of "
        f"{bundle.as_of}: {output.escape_unprintable(bundle.prompt_set.title or bundle.prompt_set.name)}"
    )
    for signer in build_signers(inspected.signers):
        output.print_message(f"signed by {describe_signer(signer)}")
    if inspected.refusal:
        output.print_message(output.escape_unprintable(inspected.refusal))
    output.print_table(
        columns=["prompt", "sha256", "licence", "told by", "trust there", "outcomes", "here"],
        rows=[
            [
                prompt.bundled_prompt.name,
                prompt.bundled_prompt.digest[:16],
                output.escape_unprintable(prompt.bundled_prompt.licence),
                prompt.bundled_prompt.rights.replace("_", " "),
                f"{prompt.bundled_prompt.reputation.trust_ppm / bundles.MILLION:.3f}",
                f"{prompt.bundled_prompt.reputation.outcomes:,}",
                _describe_local_match(prompt),
            ]
            for prompt in inspected.prompts
        ],
        empty="",
        right=["trust there", "outcomes"],
    )
    if with_texts:
        for prompt in inspected.prompts:
            click.echo(f"\n{prompt.bundled_prompt.name}")
            for text_line in prompt.visible_text.split("\n"):
                click.echo(f"  | {output.escape_unprintable(text_line.replace(chr(9), '    '))}")
    if inspected.needs_admin:
        output.print_message("To accept it takes an admin and a reason.")


def _describe_local_match(inspected: "InspectedPrompt") -> str:
    if inspected.withdrawn:
        return "withdrawn"
    if inspected.known is not None:
        return f"is {inspected.known.reference}"
    return f"from {inspected.parent.reference}" if inspected.parent is not None else "new"
