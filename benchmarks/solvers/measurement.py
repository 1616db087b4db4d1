"""One measured point, and files of them."""

import json
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import torch
from pydantic import ValidationError

from natlib.component import Settings
from natlib.errors import DataError
from natlib.runtime.cores import usable_cores

__all__ = ["Measurement", "environment", "read_measurements", "write_measurements"]

_FORMAT = 1
_PACKAGES = ("natlib", "torch", "numpy", "scipy", "lapjv")


class Measurement(Settings):
    """What one solver with one setting took and found on one problem."""

    solver: str
    """The solver's ``kind``, or the name of another package's function."""
    setting: str = ""
    """Values that were set, as ``key=value``."""
    features: str
    """Kind of the features."""
    size: int
    """b, samples and targets."""
    problems: int = 1
    """m, problems that are solved together."""
    dim: int = 128
    """d, the dimension of the targets."""
    device: str = "cpu"
    """Where tensors lie."""
    threads: int = 1
    """Threads of torch."""
    exact: bool = False
    """Whether it finds the optimum, up to rounding."""
    points: bool = False
    """Whether it was given points (``match``) and not their costs (``solve``)."""
    seconds: float | None = None
    """Median time of a call; None if it was not measured."""
    cost_seconds: float | None = None
    """What it takes to make the costs of all pairs; not part of ``seconds`` unless ``points``."""
    repeats: int = 0
    """Calls that the median is taken of."""
    similarity: float | None = None
    """Mean cosine between the samples and what they are matched with."""
    gap: float | None = None
    """What is missing to the optimum, as a share of what the optimum gains over a random
    matching: 0 is optimal, 1 is no better than random."""
    by: str = ""
    """The solver that it left the work to, if it did."""
    converged: bool = True
    """Whether it met its own tolerance."""
    skipped: str = ""
    """Why it was not measured."""

    @property
    def label(self) -> str:
        """Solver and setting, for people."""
        return f"{self.solver} {self.setting}".rstrip()


def environment() -> dict[str, object]:
    """What a person needs to know of this machine to compare measurements."""
    return {
        "platform": platform.platform(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: metadata.version(name) for name in _PACKAGES},
    }


def write_measurements(path: Path | str, measurements: Iterable[Measurement]) -> None:
    """Write measurements and what they were made on as JSON."""
    rows = [row.model_dump(mode="json", exclude_defaults=True) for row in measurements]
    content = {"format": _FORMAT, "environment": environment(), "measurements": rows}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_measurements(path: Path | str) -> list[Measurement]:
    """Measurements that were written before, by :func:`write_measurements`.

    Raises:
        DataError: the file holds something else.
        OSError: it cannot be read.
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
        if content["format"] == _FORMAT:
            return [Measurement.model_validate(row) for row in content["measurements"]]
    except (ValueError, LookupError, TypeError, ValidationError) as error:
        raise DataError(
            f"{path} holds no measurements ({type(error).__name__}); "
            "give a file that python -m benchmarks.solvers --json wrote"
        ) from error
    raise DataError(
        f"{path} has the format {content['format']}, this benchmark reads {_FORMAT}; measure again"
    )
