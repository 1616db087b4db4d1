"""Builds the loop of a run from its configuration: data, labels, modules, initial weights."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from natlib.data import (
    Modality,
    SampleSet,
    TrainingLabels,
    notes_of,
    training_labels,
    training_samples,
)
from natlib.encoders import Encoder
from natlib.errors import ConfigError, DataError
from natlib.model import load
from natlib.objectives import ObjectiveModule
from natlib.runtime.log import logger
from natlib.runtime.memory_errors import memory_errors
from natlib.runtime.model_size import no_larger_than
from natlib.runtime.progress import ProgressReporter
from natlib.training.batch_norm import synchronise_batch_norm
from natlib.training.config import RunConfig
from natlib.training.label_use import check_label_use
from natlib.training.learner import Learner
from natlib.training.loop import Loop
from natlib.training.processes import Processes, decoding_workers
from natlib.training.run_directory import RunDirectory

__all__ = ["open_samples", "prepare", "resolve", "with_labels"]


def resolve(config: RunConfig, processes: Processes, progress: ProgressReporter) -> RunConfig:
    """Fill in what depends on the source, the encoder's checkpoint and the machine."""
    accelerator = processes.encoder_device.type != "cpu"
    asked = config.data.for_encoder(config.encoder, accelerator)
    if processes.first and config.encoder is not None:
        read = [f"{name} {value}" for name, value in _changed(config.data, asked)]
        if read:
            progress.say(f"From {config.encoder.pretrained}: data.{', data.'.join(read)}.")
    data = asked.resolved()
    # Whatever was fitted, all processes use the same.
    data = data.with_fitted(processes.agree(data.fitted()))
    encoder = config.encoder or data.default_encoder(accelerator)
    return config.model_copy(update={"data": data, "encoder": data.complete(encoder)})


def _changed(before: Modality, after: Modality) -> list[tuple[str, Any]]:
    names = type(before).model_fields
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return [(name, new) for name, old, new in pairs if new != old]


def open_samples(
    config: RunConfig, directory: RunDirectory, processes: Processes, progress: ProgressReporter
) -> SampleSet:
    """The training samples; the first process indexes them, the others read its index."""
    if not processes.first:
        processes.wait()
    samples = training_samples(config.data, config.labels, directory.index)
    if processes.first:
        processes.wait()
    known = notes_of(samples)
    with progress:
        _say(progress, processes, known)
        progress.stage("reading samples", len(samples))
        samples.preload(
            decoding_workers(config.training), lambda done, _total: progress.advance(done)
        )
        _say(progress, processes, [note for note in notes_of(samples) if note not in known])
    return samples


def _say(progress: ProgressReporter, processes: Processes, notes: list[str]) -> None:
    if processes.first:
        for note in notes:
            progress.say(f"Note: {note}")


def with_labels(config: RunConfig, samples: SampleSet) -> tuple[RunConfig, TrainingLabels | None]:
    """The labels that training sees, and the configuration with what depends on them filled in.

    Raises:
        ConfigError: see :func:`natlib.training.label_use.check_label_use`.
        DataError: there are none to see, or too few.
    """
    check_label_use(config)
    objective, labels = config.objective, config.labels
    if labels is None:
        return config, None
    found = training_labels(samples, labels)
    if labels.classes is not None and labels.classes != found.counts:
        raise DataError(
            "the labels have changed since the run began; restore them, or start a new run from "
            "its weights (--init-from)"
        )
    filled = labels.model_copy(update={"classes": found.counts})
    objective = objective.for_classes(list(found.counts.values()))
    return config.model_copy(update={"labels": filled, "objective": objective}), found


def prepare(
    config: RunConfig,
    samples: SampleSet,
    labels: TrainingLabels | None,
    processes: Processes,
    init_from: Path | str | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> Loop:
    """Build what is trained, and the loop that trains it.

    Args:
        config: resolved, with what depends on labels filled in.
        samples: what to train on.
        labels: those that training sees.
        processes: this process among all.
        init_from: a run whose encoder and head give the initial weights.
        weights: those of the checkpoint that a run goes on from, where it goes on: its
            configuration, which a stranger may have written, must not ask for far more.

    Raises:
        NatlibError: settings exclude each other, or the weights of that run do not fit.
    """
    torch.manual_seed(config.training.seed)
    assert config.encoder is not None
    with (
        memory_errors("encoder and objective cannot be built", "set smaller widths and counts"),
        nullcontext() if weights is None else no_larger_than(weights, "the run's config.yaml"),
    ):
        encoder = config.encoder.build(config.data.input_shape)
        objective = config.objective.build(encoder.dim, samples=len(samples))
    if labels is not None:
        objective.take_labels(labels.visible, labels.classes)
    if init_from is not None:
        _initialise(encoder, objective, init_from)
    learner = Learner(encoder, objective)
    synchronise_batch_norm(learner, processes.device)
    return Loop(
        config.training,
        config.data,
        samples,
        learner,
        config.objective.views,
        processes,
        decoding_workers(config.training),
        labels,
        None if config.labels is None else config.labels.share,
    )


def _initialise(encoder: Encoder, objective: ObjectiveModule, run: Path | str) -> None:
    """Take encoder and head of another run; they need to have the same shapes.

    A head that was made for something else is left: of objectives of other kinds, only the encoder
    is taken over. Where objectives are combined, the main part counts.
    """
    source = load(run)
    mine, theirs = objective.main, source.objective.main
    pairs: list[tuple[str, nn.Module, nn.Module]] = [("encoder", encoder, source.encoder)]
    if _purpose(mine) == _purpose(theirs):
        pairs.append(("head", mine.head, theirs.head))
    else:
        logger.info("took over the encoder of %s; its head has another purpose", run)
    for name, own, taken in pairs:
        try:
            own.load_state_dict(taken.state_dict())
        except RuntimeError as error:
            why = str(error).splitlines()[1].strip().rstrip(".")
            raise ConfigError(
                f"the {name} of {run} does not fit this configuration: {why}; "
                f"use the same {name} settings"
            ) from error


def _purpose(module: ObjectiveModule) -> tuple[type, str | None]:
    return type(module), getattr(module, "kind", None)
