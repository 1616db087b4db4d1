"""What a run evaluates itself: kNN while it trains, all probes beside baselines at the end."""

from torch import Tensor

from natlib.errors import DataError
from natlib.evaluation import (
    Evaluation,
    Splits,
    evaluate,
    has_labels,
    online_knn,
    split_training_samples,
)
from natlib.runtime.log import logger
from natlib.runtime.progress import ProgressReporter, stages
from natlib.training.checkpoint import Position
from natlib.training.config import RunConfig
from natlib.training.loop import Loop
from natlib.training.results import save_evaluation
from natlib.training.run_directory import RunDirectory
from natlib.training.start import start_of

__all__ = ["OnlineKnn", "final_evaluation"]


class OnlineKnn:
    """kNN accuracy every few epochs, on training samples: test samples are read at the end only.

    Args:
        config: the configuration of the run.
        loop: gives samples, labels and the encoder.
    """

    def __init__(self, config: RunConfig, loop: Loop) -> None:
        self._config = config
        self._loop = loop
        self._every = config.training.knn_every_epochs
        self._splits: Splits | None = None
        if self._every is None or not has_labels(loop.samples):
            return
        try:
            self._splits = split_training_samples(loop.samples, config.evaluation.seed, _seen(loop))
        except DataError as error:
            logger.warning("kNN is not measured: %s", error)

    def measure(self, position: Position) -> float | None:
        """The accuracy in percent; None where none is due."""
        if self._splits is None or self._every is None:
            return None
        if position.epoch_step or position.epoch % self._every:
            return None
        return online_knn(
            self._loop.learner.encoder,
            self._config.data,
            self._splits,
            self._config.evaluation,
            device=self._loop.processes.device,
            workers=self._loop.workers,
        )


def final_evaluation(
    config: RunConfig, directory: RunDirectory, loop: Loop, progress: ProgressReporter
) -> Evaluation:
    """Evaluate the trained encoder beside its baselines, and write the result down.

    Raises:
        DataError: there are no labels, or too few to measure anything by.
    """
    if not has_labels(loop.samples):
        raise DataError("there are no labels")
    with progress:
        evaluation = evaluate(
            loop.learner.encoder,
            loop.learner.objective,
            config.data,
            config.evaluation,
            start_of(config, directory),
            device=loop.processes.device,
            workers=loop.workers,
            progress=stages(progress),
            train=loop.samples,
            cache=directory.index,
            seen=_seen(loop),
            classifier=loop.learner.objective,
            config_hash=config.digest(),
        )
    save_evaluation(directory, evaluation)
    return evaluation


def _seen(loop: Loop) -> Tensor | None:
    """The samples whose labels training sees."""
    return None if loop.labels is None else loop.labels.index
