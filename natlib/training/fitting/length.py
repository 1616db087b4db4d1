"""Chooses how many updates a run has: by the number of samples, and the time that one takes."""

import math
from typing import Any

from natlib.training.config import RunConfig, TrainingConfig
from natlib.training.fitting.form import Form
from natlib.training.fitting.open_settings import OpenSettings
from natlib.training.fitting.time_limits import FOR_UPDATES, HALF_AN_HOUR, SHOWN

__all__ = ["no_larger_batch", "with_epochs"]


def no_larger_batch(left: OpenSettings, config: RunConfig, count: int) -> RunConfig:
    """The configuration with all samples in one batch, where they are fewer than one.

    Args:
        left: what may be chosen.
        config: resolved.
        count: training samples.
    """
    asked = left.asks("training", "batch_size") or left.asks("training", "micro_batch")
    if not left.everything or asked:
        return config
    return _changed(config, batch_size=min(config.training.batch_size, max(2, count)))


def with_epochs(
    left: OpenSettings,
    form: Form,
    config: RunConfig,
    count: int,
    epoch_seconds: float,
    seconds: float,
) -> RunConfig:
    """The configuration with the epochs that fit into the time that is left.

    Without a budget, there are no more of them than the preset has, or than show an encoder that
    was chosen here enough samples.

    Args:
        left: what may be chosen.
        form: what was chosen of inputs, encoder and batch.
        config: resolved.
        count: training samples.
        epoch_seconds: that the updates of an epoch take.
        seconds: that have passed since the run was asked for.
    """
    if left.asks("training", "epochs"):
        return config
    budget = left.budget or HALF_AN_HOUR
    epochs = max(1, int((budget - seconds) * FOR_UPDATES / epoch_seconds))
    if left.budget is None:
        enough = 0 if form.candidate is None else math.ceil(SHOWN / count)
        epochs = min(epochs, max(config.training.epochs, enough))
    chosen: dict[str, Any] = {"epochs": epochs}
    every = config.training.knn_every_epochs
    if every is not None and not left.asks("training", "knn_every_epochs"):
        chosen["knn_every_epochs"] = max(1, epochs // 10)
    return _changed(config, **chosen)


def _changed(config: RunConfig, **values: Any) -> RunConfig:
    training = TrainingConfig.model_validate(config.training.model_dump() | values)
    return config.model_copy(update={"training": training})
