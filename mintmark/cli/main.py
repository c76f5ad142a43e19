"""The operator's door: `mintmark COMMAND`. Commands are loaded when they are called.

So `mintmark --help` is quick, and `backtest` and `simulate` need neither Django nor a database.
"""

import os
import sys
from typing import Any

import click

from mintmark.common import errors

from . import exit_codes, lazy, output
from .bootstrap import NotReady

COMMANDS = {
    "demo": (
        "demo:demo",
        "Set up, load a living example, serve it, print its address and a sign-in.",
    ),
    "migrate": ("migrate:migrate", "Create the database's tables, or bring them up to date."),
    "serve": ("serve:serve", "Serve the pages and the API until Ctrl-C or SIGTERM."),
    "mcp": (
        "mcp:mcp",
        "Serve assistants over MCP, on standard input and output or over HTTP.",
    ),
    "worker": (
        "worker:worker",
        "Turn recorded evidence into scores, settle warranties, score listings, continuously.",
    ),
    "import": ("imports:imports", "Import prompts and evidence from files and registries."),
    "export": ("exports:exports", "Export prompts and what was measured of them."),
    "compare": (
        "comparisons:compare",
        "Compare two prompts for one assistant, and stop whenever you have seen enough.",
    ),
    "ritual": (
        "rituals:ritual",
        "Define tasks (rituals), configure how assistants are reached, run prompts.",
    ),
    "codex": (
        "codices:codex",
        "Register rule sets, check texts against them, bind them to prompts and assistants.",
    ),
    "otel": (
        "otel:otel",
        "Show and set how evaluations from OpenTelemetry become evidence.",
    ),
    "trust": (
        "trust:trust",
        "Tell how far ASSISTANT can trust PROMPT on a task, and what it measured on others.",
    ),
    "calibrate": (
        "calibrate:calibrate",
        "Learn the priors from the log, and put them in force as a new policy.",
    ),
    "replay": (
        "replay:replay",
        "Rebuild all scores from the log, or check that this gives the same bits.",
    ),
    "audit": ("ledger:audit", "Check every invariant of the ledgers."),
    "ledger": ("ledger:ledger", "Seal the evidence log and the ledger of credits."),
    "tokens": ("tokens:tokens", "Issue new credits."),
    "wallet": (
        "tokens:wallet",
        "Show a wallet with its newest entries, or all accounts that hold credits.",
    ),
    "royalties": (
        "royalties:royalties",
        "List and pay what sales here owe to people of other installations.",
    ),
    "market": ("market:market", "See what is traded; settle, revoke, withdraw permanently."),
    "vault": (
        "vault:vault",
        "Carry prompts to other installations and back, in signed bundles.",
    ),
    "backtest": (
        "backtest:backtest",
        "Predict the scores in FILE from what came before, beside plain means.",
    ),
    "simulate": ("simulate:simulate", "Play a simulated market into the real scoring code."),
    "webhook": (
        "webhooks:webhook",
        "Notify other systems of what happens, over signed webhooks.",
    ),
    "reporter": (
        "reporters:reporters",
        "Vouch for those who report outcomes, and see what of their claims held when it was run again.",
    ),
    "key": ("keys:keys", "Issue, list and revoke bearer keys."),
    "user": ("users:users", "Create and list the people who sign in."),
    "team": (
        "teams:teams",
        "Create and list teams, and say which task or rule set belongs to which.",
    ),
}
"""Every command: where it is, and its first line of help."""


class _RootGroup(lazy.LazyGroup):
    """Turns whatever a command raises into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NotReady as refusal:
            output.print_refusal(refusal, context=ctx)
            ctx.exit(exit_codes.NOT_READY)
        except errors.DomainError as refusal:
            output.print_refusal(refusal, context=ctx)
            ctx.exit(exit_codes.BAD_INPUT)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. Whatever was not finished was not stored.", err=True)
            ctx.exit(exit_codes.INTERRUPTED)
        except BrokenPipeError:
            # Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(exit_codes.READER_GONE)
        except Exception as mistake:
            if not _is_unavailable(mistake):
                raise
            output.print_refusal(
                NotReady(f"The database can't answer now: {' '.join(str(mistake).split())}"),
                context=ctx,
            )
            ctx.exit(exit_codes.NOT_READY)


def _is_unavailable(mistake: Exception) -> bool:
    if "django.db" not in sys.modules:
        return False
    from mintmark.storage import transient_errors

    return transient_errors.is_transient(mistake)


@click.group(
    cls=_RootGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="mintmark")
def main() -> None:
    """Evidence-based reputation and trust for the prompts that a fleet of LLM assistants runs on.

    Start with `mintmark demo`. Every command takes --help; those that answer take --json.
    """
