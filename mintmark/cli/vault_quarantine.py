"""What the commands say of files that were brought, and of who signed: texts of others are shown inert."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mintmark.core import bundles

from . import holders, output

if TYPE_CHECKING:
    from mintmark.core.trust_roots import Root
    from mintmark.vault.inspection import Inspection, Seen
    from mintmark.vault.models import BundleImport


def brief(row: "BundleImport") -> dict[str, Any]:
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
        "findings": row.findings,
        "bundle": row.vault_id,
        "runs": row.runs,
        "decided_by": row.decided_by.name if row.decided_by is not None else None,
        "decided_at": row.decided_at,
    }


def say(row: "BundleImport") -> None:
    """An import in lines: how it stands, and what there is to look at."""
    states = {"waiting": "waits in quarantine", "accepted": "is taken in", "refused": "is refused"}
    output.say(
        f"Import {row.pk} for team {row.team} {states[row.state]} ({row.size:,} bytes, sha256 {row.digest})."
    )
    if row.code:
        click.echo(f"  {row.code}: {output.inert(row.reason)}")
    elif row.reason:
        click.echo(f"  because: {output.inert(row.reason)}")
    if row.vault_id is not None:
        click.echo(f"  it is bundle {row.vault_id}; its reputation counts as up to {row.runs} runs")
    for finding in row.findings:
        where = f"{output.inert(finding['prompt'])}: " if "prompt" in finding else ""
        click.echo(f"  ! {finding['kind']}: {where}{output.inert(finding['says'])}")


def show(number: int, *, with_texts: bool, as_json: bool) -> None:
    """A file that was brought, and what it holds, if it was not refused."""
    from mintmark.vault import imports
    from mintmark.vault.models import BundleImport

    row = imports.named(caller=holders.acting(), pk=number)
    is_there = row.state != BundleImport.State.REFUSED
    found = imports.inspected(row, now=datetime.now(UTC)) if is_there else None
    if as_json:
        output.print_json(
            brief(row) | {"holds": _as_json(found, with_texts=with_texts) if found else None}
        )
        return
    say(row)
    if found is not None:
        _print(found, with_texts=with_texts)


def signers(found: Mapping[str, "Root | None"]) -> list[dict[str, Any]]:
    """Who signed, as JSON tells it: each key with what is known of it now."""
    now = datetime.now(UTC)
    return [
        {
            "key_id": key_id,
            "name": root.name if root is not None else None,
            "state": root.state(now=now) if root is not None else "unknown",
        }
        for key_id, root in found.items()
    ]


def named(signer: Mapping[str, Any]) -> str:
    """A signer in a line."""
    who = output.inert(signer["name"]) if signer["name"] is not None else "nobody who is known here"
    return f"{signer['key_id']}, {who} ({signer['state']})"


def _as_json(found: "Inspection", *, with_texts: bool) -> dict[str, Any]:
    bundle = found.bundle
    return {
        "issuer": bundle.issuer.model_dump(mode="json"),
        "purpose": bundle.purpose,
        "prompt_set": bundle.prompt_set.model_dump(mode="json"),
        "as_of": bundle.as_of,
        "signed_by": signers(found.signers),
        "worthless": found.refusal,
        "needs_admin": found.needs_admin,
        "prompts": [_seen(one, with_texts=with_texts) for one in found.prompts],
    }


def _seen(one: "Seen", *, with_texts: bool) -> dict[str, Any]:
    told = one.told
    shown = {
        "name": told.name,
        "digest": told.digest,
        "author": told.author,
        "licence": told.licence,
        "rights": told.rights,
        "trust": told.reputation.trust_ppm / bundles.MILLION,
        "outcomes": told.reputation.outcomes,
        "known": one.known.reference if one.known is not None else None,
        "elsewhere": [prompt.reference for prompt in one.elsewhere],
        "descends": one.parent.reference if one.parent is not None else None,
        "withdrawn": one.withdrawn,
        "hidden": len(one.hidden),
        "marks": len(one.marks),
    }
    return shown | {"text": one.visible_text} if with_texts else shown


def _print(found: "Inspection", *, with_texts: bool) -> None:
    bundle = found.bundle
    output.say(
        f"{output.inert(bundle.issuer.name)} ({bundle.issuer.installation}) tells it, as of {bundle.as_of}: "
        f"{output.inert(bundle.prompt_set.title or bundle.prompt_set.name)}"
    )
    for signer in signers(found.signers):
        output.say(f"signed by {named(signer)}")
    if found.refusal:
        output.say(output.inert(found.refusal))
    output.print_table(
        columns=["prompt", "sha256", "licence", "told by", "trust there", "outcomes", "here"],
        rows=[
            [
                one.told.name,
                one.told.digest[:16],
                output.inert(one.told.licence),
                one.told.rights.replace("_", " "),
                f"{one.told.reputation.trust_ppm / bundles.MILLION:.3f}",
                f"{one.told.reputation.outcomes:,}",
                _here(one),
            ]
            for one in found.prompts
        ],
        empty="",
        right=["trust there", "outcomes"],
    )
    if with_texts:
        for one in found.prompts:
            click.echo(f"\n{one.told.name}")
            for line in one.visible_text.split("\n"):
                click.echo(f"  | {output.inert(line.replace(chr(9), '    '))}")
    if found.needs_admin:
        output.say("Taking it in takes an admin and a reason.")


def _here(one: "Seen") -> str:
    if one.withdrawn:
        return "withdrawn"
    if one.known is not None:
        return f"is {one.known.reference}"
    return f"from {one.parent.reference}" if one.parent is not None else "new"
