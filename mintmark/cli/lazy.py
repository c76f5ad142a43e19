"""Groups whose commands are loaded when they are called, so that `--help` is quick."""

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

type CommandTable = Mapping[str, tuple[str, str]]
"""Every command of a group: where it is (`module:name`, in this package), and its first line of help."""


class LazyGroup(click.Group):
    """A group of the commands in `places`, in their order."""

    def __init__(self, *arguments: Any, places: CommandTable, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f".{module}", __package__), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in self.places.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [
            CompletionItem(name, help=help)
            for name, (_, help) in self.places.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)
