"""What is printed, and how errors are said."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from natlib.errors import NatlibError, one_line
from natlib.escaping import escaped
from natlib.extras import how_to_install
from natlib.runtime.terminal import SafeConsole

if TYPE_CHECKING:
    from natlib.evaluation import Evaluation

__all__ = ["SPEAKS", "console", "one_line_errors", "print_evaluation", "print_note"]

# Of the processes that torchrun starts, one speaks.
SPEAKS = int(os.environ.get("RANK", 0)) == 0

console = SafeConsole(quiet=not SPEAKS)
_errors = SafeConsole(stderr=True)

# Set by those who look for a fault.
_TRACEBACK = "NATLIB_TRACEBACK"

# What Typer raises for arguments that no command takes; it has moved between versions.
_UsageError: Any = typer.BadParameter.__base__


_SEEN = (
    "The encoder has seen {seen} of the {tested} test samples in training, without their labels."
)
_NOT_HELD_OUT = (
    "The source has no test split, so the probes were tested on a fifth of its samples. "
    "An encoder that was trained on this source has seen them, without their labels."
)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn errors that a user can do something about into one line and an exit code.

    The code is 2 for arguments that no command takes, 130 after Ctrl-C, and otherwise 1.
    """
    try:
        yield
    except NatlibError as error:
        _say(str(error))
        raise SystemExit(1) from error
    except OSError as error:
        _say(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        raise SystemExit(1) from error
    except _UsageError as error:
        # Without a text, the help has just been shown.
        if text := error.format_message():
            text = text.replace("Value error, ", "").rstrip(".")
            command = error.ctx.command_path if error.ctx else "natlib"
            _say(f"{text} (see {command} --help)")
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt as error:
        _errors.say("Stopped.")
        raise SystemExit(130) from error
    except Exception as error:
        # The last net: nothing is known of what happened.
        if os.environ.get(_TRACEBACK):
            raise
        _say(_unexpected(error))
        raise SystemExit(1) from error


def _unexpected(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"memory does not suffice ({one_line(error)}); use less data, or smaller batches"
    if isinstance(error, ModuleNotFoundError) and (command := how_to_install(error.name or "")):
        return f"this needs {error.name}, which is not installed: {command}"
    if isinstance(error, RecursionError):
        return f"something is nested too deep to be read ({one_line(error)})"
    return (
        f"{type(error).__name__}: {one_line(error)}; this was not expected, of natlib or of a "
        f"plug-in: set {_TRACEBACK}=1 to see where it comes from, and report it"
    )


def print_note(text: str) -> None:
    """Something that was changed and nobody asked for, in one line on standard error."""
    if SPEAKS:
        _errors.say(text)


def _say(text: str) -> None:
    # One line, also of what a library said in several: logs are read with grep.
    _errors.say(("Error:", "bold red"), " ", " ".join(escaped(text, lines=True).split()))


def print_evaluation(evaluation: "Evaluation") -> None:
    """Figures of the encoder beside its baselines."""
    table = Table(title=evaluation.title, title_justify="left")
    for number, column in enumerate(["features", *evaluation.columns.values()]):
        # Where a terminal is too narrow, titles take two lines rather than names.
        table.add_column(column, justify="right" if number else "left", no_wrap=not number)
    for row in evaluation.cells():
        table.add_row(*row)
    console.print(table)
    details = evaluation.details
    for note in details.notes:
        console.say(f"Note: {note}")
    if not details.held_out:
        seen = details.more.get("seen_in_training")
        said = _SEEN.format(seen=seen, tested=details.test_samples) if seen else _NOT_HELD_OUT
        console.say(said)
