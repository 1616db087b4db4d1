"""The command line as a page, from the Typer application itself."""

import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from natlib_cli.main import app

__all__ = ["commands", "render"]

_OPTION = re.compile(r"(?<![\w`-])--[\w-]+(?: [\w.]+=\w+)?")


def commands() -> Iterator[tuple[typer.Context, Any]]:
    """Every command with its context, groups before what is in them."""
    root = get_command(app)
    yield from _walk(typer.Context(root, info_name="natlib"), root)


def _walk(context: typer.Context, command: Any) -> Iterator[tuple[typer.Context, Any]]:
    yield context, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(typer.Context(inner, info_name=name, parent=context), inner)


def render() -> str:
    """Markdown with a section for each command."""
    sections = [_section(context, command) for context, command in commands()]
    return "\n".join(sections)


def _section(context: typer.Context, command: Any) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [
        f"## {context.command_path}",
        "",
        _prose(command.help),
        "",
        "```text",
        usage,
        "```",
        "",
    ]
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if parameter.hidden:
            continue
        panel = parameter.rich_help_panel or "Arguments and options"
        panels.setdefault(panel, []).append(_row(parameter, context))
    for panel, rows in panels.items():
        lines += [f"| {panel} | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any, context: typer.Context) -> str:
    record = parameter.get_help_record(context)
    if record is None:  # an argument
        shown, text = parameter.metavar or parameter.name.upper(), parameter.help or ""
    else:
        shown, text = record
    shown, text = shown.replace("|", r"\|"), " ".join(text.split()).replace("|", r"\|")
    return f"| `{shown}` | {_prose(text)} |"


def _prose(text: str | None) -> str:
    """Help text in which options stay as they are typed."""
    return _OPTION.sub(r"`\g<0>`", text or "")
