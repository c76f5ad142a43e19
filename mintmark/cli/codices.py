"""`mintmark codex`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import bootstrap, exit_codes, input_file, output, resolve

if TYPE_CHECKING:
    from mintmark.textchecks.clauses import ClauseResult

_HOLDS = {True: "kept", False: "broken", None: "undecided"}
_file_argument = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))


@click.group()
def codex() -> None:
    """Register rule sets, check texts against them, bind them to prompts and assistants."""


@codex.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List the newest version of each codex, with what it binds."""
    bootstrap.open_database()
    from mintmark.registry import codices

    default = codices.get_default()
    rows = [
        {
            "id": codex_row.pk,
            "codex": str(codex_row),
            "description": codex_row.description,
            "clauses": len(codex_row.clauses),
            "blocking": sum(clause["severity"] == "block" for clause in codex_row.clauses),
            "binds_everybody": codex_row == default,
            "prompts": codex_row.prompts,
            "assistants": codex_row.bound,
        }
        for codex_row in codices.list_newest().order_by("name")
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["codex", "clauses", "blocking", "prompts", "assistants", "description"],
        rows=[
            [
                row["codex"],
                row["clauses"],
                row["blocking"],
                "all" if row["binds_everybody"] else row["prompts"],
                "all" if row["binds_everybody"] else row["assistants"],
                output.escape_unprintable(str(row["description"])),
            ]
            for row in rows
        ],
        empty="No codex yet: `mintmark codex import FILE` registers one.",
        right=["clauses", "blocking", "prompts", "assistants"],
    )


@codex.command()
@click.argument("name", metavar="CODEX")
@output.json_option
def show(*, name: str, as_json: bool) -> None:
    """Show CODEX (its name, name@version or id): its clauses, and what it binds."""
    bootstrap.open_database()
    from mintmark.registry import codices, contracts

    codex_row = codices.resolve(reference=name)
    document: dict[str, Any] = {
        "id": codex_row.pk,
        "name": codex_row.name,
        "version": codex_row.version,
        "description": codex_row.description,
        "clauses": codex_row.clauses,
        "binds_everybody": codex_row == codices.get_default(),
        "prompts": [
            bound_row.reference for bound_row in contracts.list_bound_prompts(codex=codex_row)
        ],
        "assistants": [
            bound_row.name for bound_row in contracts.list_bound_assistants(codex=codex_row)
        ],
    }
    if as_json:
        output.print_json(document)
        return
    output.print_message(
        f"{codex_row}. {output.escape_unprintable(codex_row.description)}".rstrip()
    )
    output.print_table(
        columns=["clause", "severity", "applies to", "check", "rule"],
        rows=[
            [
                output.escape_unprintable(clause["id"]),
                clause["severity"],
                clause["applies_to"],
                clause["check"]["kind"],
                output.escape_unprintable(clause["text"]),
            ]
            for clause in codex_row.clauses
        ],
        empty="",
    )
    if document["binds_everybody"]:
        output.print_message("It binds everybody.")
    for kind in ("prompts", "assistants"):
        if document[kind]:
            output.print_message(f"It binds the {kind} {', '.join(document[kind])}.")


@codex.command(name="import")
@_file_argument
@click.option("--by", "person", metavar="USER", help="Who does it: an operator. [default: console]")
@output.json_option
def import_(*, file: Path, person: str | None, as_json: bool) -> None:
    """Register the codex that FILE (YAML or JSON; - for standard input) states.

    The same clauses again change nothing, changed ones become the next version. Registering binds nobody, except under
    the name `default`, which binds everybody and takes an admin.
    """
    bootstrap.open_database()
    from mintmark.registry import codex_documents

    codex_row, is_new = codex_documents.register_codex(
        codex_documents.parse_codex(input_file.read_document(file)),
        caller=resolve.resolve_caller(person=person),
    )
    if as_json:
        output.print_json(
            {
                "id": codex_row.pk,
                "codex": str(codex_row),
                "clauses": len(codex_row.clauses),
                "created": is_new,
            }
        )
        return
    did = "registered" if is_new else "there already"
    output.print_message(
        f"{codex_row}: {len(codex_row.clauses)} clause{'' if len(codex_row.clauses) == 1 else 's'}; {did}."
    )


@codex.command()
@_file_argument
@click.option("--codex", "name", default="default", show_default=True, help="The codex that says.")
@click.option("--output", "is_output", is_flag=True, help="FILE is an output, not a prompt.")
@output.json_option
@click.pass_context
def check(context: click.Context, *, file: Path, name: str, is_output: bool, as_json: bool) -> None:
    """Check the text of FILE (- for standard input) against a codex. Nothing is stored.

    Exit code 1 where a blocking clause is broken or can't be decided.
    """
    bootstrap.open_database()
    from mintmark.common import documents
    from mintmark.registry import codex_documents, codices

    codex_row = codices.get_default() if name == "default" else codices.resolve(reference=name)
    try:
        text = input_file.read_document(file).decode("utf-8")
    except UnicodeDecodeError as failed:
        raise documents.InvalidDocument(f"{file} is not UTF-8: byte {failed.start}.") from failed
    verdicts = codex_documents.check_text(
        codex_row, text=text, applies_to="output" if is_output else "prompt"
    )
    blocks = any(result.blocks for result in verdicts)
    if as_json:
        result_documents = [_build_document(result) for result in verdicts]
        output.print_json({"codex": str(codex_row), "blocks": blocks, "verdicts": result_documents})
    else:
        output.print_table(
            columns=["clause", "severity", "result", "reason", "place"],
            rows=[
                [
                    output.escape_unprintable(result.clause),
                    result.severity,
                    _HOLDS[result.holds],
                    output.escape_unprintable(result.reason),
                    output.escape_unprintable(result.excerpt),
                ]
                for result in verdicts
            ],
            empty=f"No clause of {codex_row} applies to {'outputs' if is_output else 'prompts'}.",
        )
    context.exit(exit_codes.PROBLEM if blocks else exit_codes.DONE)


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
    _change_binding(
        name, prompt=prompt, assistant=assistant, person=person, as_json=as_json, binds=True
    )


@codex.command()
@click.argument("name", metavar="CODEX")
@click.option("--prompt", default=None, help="The prompt: namespace/name@revision, or its id.")
@click.option("--assistant", default=None, help="The assistant.")
@click.option("--by", "person", metavar="USER", help="Who does it. [default: console]")
@output.json_option
def release(
    *, name: str, prompt: str | None, assistant: str | None, person: str | None, as_json: bool
) -> None:
    """Unbind a prompt or an assistant from CODEX. What was measured under it stays."""
    _change_binding(
        name, prompt=prompt, assistant=assistant, person=person, as_json=as_json, binds=False
    )


def _change_binding(
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
    bootstrap.open_database()
    from mintmark.registry import assistants, codices, contracts, prompts

    codex_row, caller = codices.resolve(reference=name), resolve.resolve_caller(person=person)
    if prompt is not None:
        text = prompts.resolve(reference=prompt)
        (contracts.bind if binds else contracts.unbind)(caller=caller, prompt=text, codex=codex_row)
        bindings, bound_name = contracts.get_prompt_bindings(prompt=text), text.reference
    else:
        assistant_row = assistants.resolve(reference=str(assistant))
        (contracts.bind_assistant if binds else contracts.unbind_assistant)(
            caller=caller, assistant=assistant_row, codex=codex_row
        )
        bindings, bound_name = (
            contracts.get_assistant_bindings(assistant=assistant_row),
            assistant_row.name,
        )
    codex_names = [str(bound_codex) for bound_codex in (bindings.default, *bindings.contracts)]
    if as_json:
        output.print_json({"bound": bound_name, "codices": codex_names})
    else:
        output.print_message(f"{bound_name} is bound by {', '.join(codex_names)}.")


def _build_document(result: "ClauseResult") -> dict[str, Any]:
    return {
        "clause": result.clause,
        "text": result.text,
        "kind": result.kind,
        "severity": result.severity,
        "holds": result.holds,
        "why": result.reason,
        "span": list(result.span) if result.span is not None else None,
        "excerpt": result.excerpt,
    }
