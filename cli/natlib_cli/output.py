"""What is printed, and how errors are said."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from natlib.errors import NatlibError
from natlib.evaluation import Evaluation

__all__ = ["SPEAKS", "console", "one_line_errors", "print_evaluation"]

# Of the processes that torchrun starts, one speaks.
SPEAKS = int(os.environ.get("RANK", 0)) == 0

console = Console(quiet=not SPEAKS, highlight=False)
_errors = Console(stderr=True, highlight=False)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn errors that a user can do something about into one line and exit code 1."""
    try:
        yield
    except (NatlibError, OSError) as error:
        # One line, whatever the width of the terminal: logs are read with grep.
        text = " ".join(str(error).split())
        _errors.print(f"[bold red]Error:[/] {_escaped(text)}", soft_wrap=True)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        _errors.print("Stopped.")
        raise SystemExit(130) from error


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def print_evaluation(evaluation: Evaluation) -> None:
    """Accuracies of the encoder beside its baselines."""
    table = Table(title="Accuracy on the test samples (%)", title_justify="left")
    table.add_column("features")
    table.add_column("kNN", justify="right")
    table.add_column("linear probe", justify="right")
    for row in evaluation.table():
        table.add_row(row.features, f"{row.knn:.1f}", f"{row.linear:.1f}")
    console.print(table)
    if not evaluation.details.held_out:
        console.print(
            "The source has no test split, so the probes were tested on a fifth of its samples. "
            "An encoder that was trained on this source has seen them, without their labels.",
            soft_wrap=True,
        )
