"""`mintmark codex`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import exits, holders, installation, output, written

if TYPE_CHECKING:
    from mintmark.core.clauses import Verdict

_HOLDS = {True: "kept", False: "broken", None: "undecided"}
_file = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))


@click.group()
def codex() -> None:
    """Register rule sets, try them on texts, say what they bind."""


@codex.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List the newest version of each codex, with what it binds."""
    installation.open_database()
    from mintmark.registry import codices

    default = codices.default()
    found = [
        {
            "id": one.pk,
            "codex": str(one),
            "description": one.description,
            "clauses": len(one.clauses),
            "blocking": sum(clause["severity"] == "block" for clause in one.clauses),
            "binds_everybody": one == default,
            "prompts": one.prompts,
            "assistants": one.bound,
        }
        for one in codices.newest().order_by("name")
    ]
    if as_json:
        output.print_json(found)
        return
    output.print_table(
        columns=["codex", "clauses", "blocking", "prompts", "assistants", "description"],
        rows=[
            [
                one["codex"],
                one["clauses"],
                one["blocking"],
                "all" if one["binds_everybody"] else one["prompts"],
                "all" if one["binds_everybody"] else one["assistants"],
                output.inert(str(one["description"])),
            ]
            for one in found
        ],
        empty="No codex yet: `mintmark codex import FILE` registers one.",
        right=["clauses", "blocking", "prompts", "assistants"],
    )


@codex.command()
@click.argument("name", metavar="CODEX")
@output.json_option
def show(*, name: str, as_json: bool) -> None:
    """Show CODEX (its name, name@version or id): its clauses, and what it binds."""
    installation.open_database()
    from mintmark.registry import codices, contracts

    found = codices.named(reference=name)
    told: dict[str, Any] = {
        "id": found.pk,
        "name": found.name,
        "version": found.version,
        "description": found.description,
        "clauses": found.clauses,
        "binds_everybody": found == codices.default(),
        "prompts": [one.reference for one in contracts.prompts_of(codex=found)],
        "assistants": [one.name for one in contracts.assistants_of(codex=found)],
    }
    if as_json:
        output.print_json(told)
        return
    output.say(f"{found}. {output.inert(found.description)}".rstrip())
    output.print_table(
        columns=["clause", "severity", "applies to", "check", "rule"],
        rows=[
            [
                output.inert(clause["id"]),
                clause["severity"],
                clause["applies_to"],
                clause["check"]["kind"],
                output.inert(clause["text"]),
            ]
            for clause in found.clauses
        ],
        empty="",
    )
    if told["binds_everybody"]:
        output.say("It binds everybody.")
    for what in ("prompts", "assistants"):
        if told[what]:
            output.say(f"It binds the {what} {', '.join(told[what])}.")


@codex.command(name="import")
@_file
@click.option("--by", "person", metavar="USER", help="Who does it: an operator. [default: console]")
@output.json_option
def import_(*, file: Path, person: str | None, as_json: bool) -> None:
    """Register the codex that FILE (YAML or JSON; - for standard input) states.

    The same clauses again change nothing, changed ones become the next version. Registering binds nobody, except under
    the name `default`, which binds everybody and takes an admin.
    """
    installation.open_database()
    from mintmark.rituals import rule_sets

    made, is_new = rule_sets.register(
        rule_sets.read(written.raw(file)), caller=holders.acting(person=person)
    )
    if as_json:
        output.print_json(
            {
                "id": made.pk,
                "codex": str(made),
                "clauses": len(made.clauses),
                "created": is_new,
            }
        )
        return
    did = "registered" if is_new else "there already"
    output.say(f"{made}: {len(made.clauses)} clause{'' if len(made.clauses) == 1 else 's'}; {did}.")


@codex.command()
@_file
@click.option("--codex", "name", default="default", show_default=True, help="The codex that says.")
@click.option("--output", "is_output", is_flag=True, help="FILE is an output, not a prompt.")
@output.json_option
@click.pass_context
def check(context: click.Context, *, file: Path, name: str, is_output: bool, as_json: bool) -> None:
    """Say what a codex finds in the text of FILE (- for standard input). Nothing is stored.

    Exit code 1 where a clause stands in the way: one that blocks and is broken, or can't be decided.
    """
    installation.open_database()
    from mintmark.registry import codices
    from mintmark.rituals import documents, rule_sets

    found = codices.default() if name == "default" else codices.named(reference=name)
    try:
        text = written.raw(file).decode("utf-8")
    except UnicodeDecodeError as failed:
        raise documents.InvalidDocument(f"{file} is not UTF-8: byte {failed.start}.") from failed
    verdicts = rule_sets.check(found, text=text, applies_to="output" if is_output else "prompt")
    blocks = any(one.blocks for one in verdicts)
    if as_json:
        told = [_told(one) for one in verdicts]
        output.print_json({"codex": str(found), "blocks": blocks, "verdicts": told})
    else:
        output.print_table(
            columns=["clause", "severity", "says", "why", "place"],
            rows=[
                [
                    output.inert(one.clause),
                    one.severity,
                    _HOLDS[one.holds],
                    output.inert(one.why),
                    output.inert(one.excerpt),
                ]
                for one in verdicts
            ],
            empty=f"No clause of {found} applies to {'outputs' if is_output else 'prompts'}.",
        )
    context.exit(exits.PROBLEM if blocks else exits.DONE)


@codex.command()
@click.argument("name", metavar="CODEX")
@click.option("--prompt", default=None, help="The prompt: namespace/name@revision, or its id.")
@click.option("--assistant", default=None, help="The assistant.")
@click.option("--by", "person", metavar="USER", help="Who does it. [default: console]")
@output.json_option
def bind(
    *, name: str, prompt: str | None, assistant: str | None, person: str | None, as_json: bool
) -> None:
    """Bind a prompt or an assistant to CODEX; again changes nothing.

    It takes an author of the prompt's team, or an operator of the assistant's.
    """
    _contract(name, prompt=prompt, assistant=assistant, person=person, as_json=as_json, binds=True)


@codex.command()
@click.argument("name", metavar="CODEX")
@click.option("--prompt", default=None, help="The prompt: namespace/name@revision, or its id.")
@click.option("--assistant", default=None, help="The assistant.")
@click.option("--by", "person", metavar="USER", help="Who does it. [default: console]")
@output.json_option
def release(
    *, name: str, prompt: str | None, assistant: str | None, person: str | None, as_json: bool
) -> None:
    """Let a prompt or an assistant go from CODEX. What was measured under it stays measured."""
    _contract(name, prompt=prompt, assistant=assistant, person=person, as_json=as_json, binds=False)


def _contract(
    name: str,
    *,
    prompt: str | None,
    assistant: str | None,
    person: str | None,
    as_json: bool,
    binds: bool,
) -> None:
    if (prompt is None) == (assistant is None):
        raise click.UsageError("Give --prompt or --assistant; not both.")
    installation.open_database()
    from mintmark.registry import assistants, codices, contracts, prompts

    found, caller = codices.named(reference=name), holders.acting(person=person)
    if prompt is not None:
        text = prompts.named(reference=prompt)
        (contracts.bind if binds else contracts.release)(caller=caller, prompt=text, codex=found)
        bound, who = contracts.of_prompt(prompt=text), text.reference
    else:
        one = assistants.named(reference=str(assistant))
        (contracts.bind_assistant if binds else contracts.release_assistant)(
            caller=caller, assistant=one, codex=found
        )
        bound, who = contracts.of_assistant(assistant=one), one.name
    by = [str(one) for one in (bound.default, *bound.contracts)]
    if as_json:
        output.print_json({"bound": who, "codices": by})
    else:
        output.say(f"{who} is bound by {', '.join(by)}.")


def _told(one: "Verdict") -> dict[str, Any]:
    return {
        "clause": one.clause,
        "text": one.text,
        "kind": one.kind,
        "severity": one.severity,
        "holds": one.holds,
        "why": one.why,
        "span": list(one.span) if one.span is not None else None,
        "excerpt": one.excerpt,
    }
