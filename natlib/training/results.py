"""Evaluations in a run directory: one JSON file for each protocol and source."""

import re
from pathlib import Path

from natlib.errors import ConfigError
from natlib.evaluation import STANDARD, Evaluation
from natlib.runtime.reading import read_text
from natlib.runtime.storage import write_file
from natlib.training.run_directory import RunDirectory

__all__ = ["read_evaluations", "save_evaluation"]


def save_evaluation(directory: RunDirectory, evaluation: Evaluation) -> Path:
    """Write an evaluation to ``RUN/evaluations``, replacing an older one; returns the file.

    Raises:
        CheckpointError: the run directory is gone.
        OSError: the file cannot be written.
    """
    directory.check_there()
    directory.evaluations.mkdir(exist_ok=True)
    path = directory.evaluations / f"{_name(evaluation)}.json"
    write_file(path, evaluation.to_json())
    return path


def read_evaluations(directory: RunDirectory) -> dict[str, Evaluation]:
    """Every evaluation in a run directory, by name.

    They are named after their protocol, and after the source if it is not the run's own;
    ``standard`` is also the one at the end of training.

    Raises:
        ConfigError: a file cannot be read.
    """
    found = {}
    for path in sorted(directory.evaluations.glob("*.json"), key=_standard_first):
        try:
            found[path.stem] = Evaluation.from_json(read_text(path))
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"{path} is not an evaluation that this version of natlib can read; remove it and "
                "evaluate the run again (natlib eval)"
            ) from error
    return found


def _standard_first(path: Path) -> tuple[bool, str]:
    return path.stem != STANDARD, path.stem


def _name(evaluation: Evaluation) -> str:
    if evaluation.source is None:
        return evaluation.protocol
    last = re.sub(r"[^A-Za-z0-9._]+", "-", Path(evaluation.source).name).strip("-.")
    return f"{evaluation.protocol}-{last or 'other'}"
