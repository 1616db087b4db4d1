"""Chooses inputs, encoder and batch by what they cost."""

from pathlib import Path
from typing import NamedTuple

from natlib.data import Candidate
from natlib.encoders import EncoderRecipe
from natlib.runtime.log import logger
from natlib.training.config import RunConfig
from natlib.training.fitting.batch import ON_TOP
from natlib.training.fitting.cost import Cost, encoder_cost
from natlib.training.fitting.machine import Machine
from natlib.training.fitting.open_settings import OpenSettings
from natlib.training.fitting.time_limits import FOR_UPDATES, HALF_AN_HOUR, SHOWN

__all__ = ["Form", "choose_form"]

# What a view costs beside the encoder's two passes: augmentation, head, matching, optimiser.
_BESIDE = 1.5
# Part of the free memory that activations may take.
_MEMORY = 0.5
_SMALLEST_BATCH = 64
# Small sets get smaller batches, so that an epoch has so many updates.
_UPDATES_IN_EPOCH = 10


class Form(NamedTuple):
    """What was chosen of inputs, encoder and batch.

    Attributes:
        config: the configuration with it.
        candidate: the way to train that was taken; None where there is only one.
        larger: the next costlier one.
    """

    config: RunConfig
    candidate: Candidate | None = None
    larger: Candidate | None = None


def choose_form(
    left: OpenSettings, config: RunConfig, machine: Machine, index: Path | None = None
) -> Form:
    """Take the costliest way to train that time and memory allow, or else the cheapest.

    Each is timed by its encoder, on random inputs, from the cheapest upwards.

    Args:
        left: what may be chosen.
        config: everything as it is without a choice.
        machine: what there is to compute with.
        index: folder in which an index of the source may be kept.
    """
    form = Form(config)
    if not left.everything or machine.has_accelerator:
        return form
    if config.encoder is not None and config.encoder.inputs():
        return form  # its weights have seen inputs of one form
    candidates = config.data.candidates()
    if not candidates:
        return form
    samples = config.data.for_encoder(config.encoder).resolved().dataset("train", index)
    count = 0 if samples is None else len(samples.usable)
    budget, last = left.budget or HALF_AN_HOUR, None
    for candidate in candidates:
        settings = dict(candidate.settings)
        if left.asks("encoder"):
            settings.pop("encoder", None)
        tried = left.compose(chosen=settings)
        if tried == last:
            continue  # they differ in what the user gave
        last = tried
        cost = encoder_cost(*_encoder(tried), machine.device)
        batch = _batch(left, tried, count, cost, machine)
        shown = budget * FOR_UPDATES / (cost.seconds * config.objective.views * _BESIDE)
        needed = count * tried.training.epochs if left.asks("training", "epochs") else SHOWN
        logger.info(
            "%s: %.2g s and %.3g MiB a view, batches of %s; %.3g samples in %.0f s, %.3g needed",
            candidate.text, cost.seconds, cost.memory / 2**20, batch, shown, budget, needed,
        )  # fmt: skip
        if form.candidate is not None and (batch is None or shown < needed):
            return form._replace(larger=candidate)
        fallback = min(_SMALLEST_BATCH, tried.training.batch_size)
        layer = {"training": {"batch_size": batch or fallback}}
        form = Form(left.compose(chosen={**settings, **layer}), candidate)
    return form


def _encoder(config: RunConfig) -> tuple[EncoderRecipe, tuple[int, ...]]:
    """The encoder, and the shape of its inputs."""
    data = config.data.for_encoder(config.encoder).resolved()
    return data.complete(config.encoder or data.default_encoder(False)), data.input_shape


def _batch(
    left: OpenSettings, config: RunConfig, count: int, cost: Cost, machine: Machine
) -> int | None:
    """The batch that data and memory suggest; None if not even the smallest fits."""
    batch = config.training.batch_size
    of_a_sample = cost.memory * config.objective.views * ON_TOP
    most = _MEMORY * machine.memory / max(of_a_sample, 1.0)
    # A micro-batch is smaller than the batch that it was given for.
    if left.asks("training", "batch_size") or left.asks("training", "micro_batch"):
        return batch if batch <= most else None
    while batch >= 2 * _SMALLEST_BATCH and (count < _UPDATES_IN_EPOCH * batch or batch > most):
        batch //= 2
    return batch if batch <= most else None
