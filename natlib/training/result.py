"""What came of a run."""

from dataclasses import dataclass
from pathlib import Path

from natlib.evaluation import Evaluation

__all__ = ["TrainResult"]


@dataclass(frozen=True)
class TrainResult:
    """What came of a run.

    Attributes:
        run: its directory.
        step: updates done.
        finished: False if it was interrupted; resuming goes on.
        signal: number of the signal that interrupted it.
        seconds: time that this call trained and evaluated.
        evaluation: the encoder beside its baselines; None if it was not evaluated.
        not_evaluated: why it was not, of a finished run.
        unreadable: samples that were left out, since they cannot be decoded; ``train.log``
            lists them.
        notes: what the source leaves out or guesses, a line each.
        found_finished: whether there was nothing left to do.
    """

    run: Path
    step: int
    finished: bool
    signal: int | None
    seconds: float
    evaluation: Evaluation | None
    not_evaluated: str | None = None
    unreadable: int = 0
    notes: tuple[str, ...] = ()
    found_finished: bool = False
