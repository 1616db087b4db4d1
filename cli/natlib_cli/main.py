"""The application: its commands and its entry point.

The modules of commands import what computes inside their functions: help, completion and errors in
options come without torch.
"""

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

import natlib
from natlib_cli.compare import compare
from natlib_cli.config import config_app
from natlib_cli.doctor import doctor
from natlib_cli.embed import embed
from natlib_cli.evaluate import evaluate
from natlib_cli.output import console, one_line_errors
from natlib_cli.plugins import plugins
from natlib_cli.report import report
from natlib_cli.train import train

__all__ = ["app", "run"]

app = typer.Typer(
    name="natlib",
    help="Train encoders without labels by Noise As Targets, on any kind of data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _command(name: str, function: Callable[..., None], panel: str) -> None:
    """Add a command; its docstring is the help, with the lines of a paragraph joined."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, help=text, rich_help_panel=panel)(function)


_command("train", train, "Train")
_command("eval", evaluate, "Use and evaluate")
_command("embed", embed, "Use and evaluate")
_command("report", report, "Use and evaluate")
_command("compare", compare, "Use and evaluate")
_command("doctor", doctor, "Use and evaluate")
app.add_typer(config_app, name="config", rich_help_panel="Look up")
_command("plugins", plugins, "Look up")


def _version(asked: bool) -> None:
    if asked:
        console.say(f"natlib {natlib.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train encoders without labels by Noise As Targets, on any kind of data."""


def run() -> None:
    """Run the command line; errors take one line and never show a traceback."""
    with one_line_errors():
        # Not standalone, or Typer would print its own errors, in boxes of several lines.
        code = app(prog_name="natlib", standalone_mode=False)
        if code == 130:  # Typer's way to say that Ctrl-C came
            raise KeyboardInterrupt
    raise SystemExit(code)
