"""Whether a run that is asked for once more is the one that is there, and whether it is done."""

from pathlib import Path

from natlib.errors import ConfigError
from natlib.evaluation import STANDARD, Evaluation
from natlib.training.config import RunConfig
from natlib.training.result import TrainResult
from natlib.training.results import read_evaluations
from natlib.training.run_directory import RunDirectory

__all__ = ["check_same_start", "finished_result"]


def check_same_start(directory: RunDirectory, init_from: Path | str | None) -> None:
    """Check that a run has begun from the weights that are asked for.

    Raises:
        ConfigError: it has begun from other ones.
    """
    before = directory.read_info().init_from
    now = None if init_from is None else str(Path(init_from).absolute())
    if before != now:
        raise ConfigError(
            f"this is not the run that was begun in {directory.path}: its initial weights were "
            f"{_weights(before)}, now {_weights(now)}; choose another directory (--out)"
        )


def finished_result(
    directory: RunDirectory, saved: RunConfig, asked: RunConfig
) -> TrainResult | None:
    """What came of a run that is trained and evaluated; None where something is left to do.

    Args:
        directory: the run directory.
        saved: its configuration.
        asked: the configuration that is asked for now.

    Raises:
        ConfigError: its files are damaged.
    """
    info = directory.read_info()
    if info.status != "finished":
        return None
    evaluation = read_evaluations(directory).get(STANDARD)
    # Without labels, there is nothing to evaluate.
    settled = evaluation is None and info.not_evaluated not in (None, "evaluation.final is false")
    if asked.evaluation.final and not settled and not _is_evaluated(evaluation, saved, asked):
        return None
    return TrainResult(
        directory.path,
        info.step,
        finished=True,
        signal=None,
        seconds=0.0,
        evaluation=evaluation if asked.evaluation.final else None,
        not_evaluated=info.not_evaluated or "evaluation.final is false",
        unreadable=info.unreadable,
        found_finished=True,
    )


def _is_evaluated(evaluation: Evaluation | None, saved: RunConfig, asked: RunConfig) -> bool:
    """Whether it was evaluated as it is asked for."""
    if evaluation is None:
        return False
    return asked.evaluation == saved.evaluation or evaluation.config_hash == asked.digest()


def _weights(init_from: str | None) -> str:
    return "random" if init_from is None else f"those of {init_from}"
