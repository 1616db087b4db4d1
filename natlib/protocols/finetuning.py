"""Fine-tuning: the whole encoder is trained with a linear classifier on top."""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from natlib.component import Settings
from natlib.data import SampleSet
from natlib.encoders import Encoder
from natlib.encoders.pretrained import weights_replaced
from natlib.evaluation import Splits, percent, stratified_split
from natlib.evaluation.modes import evaluating, seeded
from natlib.protocols.base import Subject
from natlib.protocols.fitting import cosine, cut, fit_classifier
from natlib.protocols.labelled_batches import labelled_batches
from natlib.training.optimizers import may_be_fused

__all__ = ["STARTS", "FineTuning", "Tuned", "fine_tune"]

STARTS = {"encoder": "encoder, fine-tuned", "random": "from scratch"}
"""Where training begins: the trained encoder or a fresh one; name of the row."""


class FineTuning(Settings):
    """How encoder and classifier are trained: one view, AdamW, warm-up, then half a cosine."""

    epochs: int = Field(default=20, ge=1)
    """Passes over the labelled samples."""
    min_updates: int = Field(default=200, ge=0)
    """Least number of updates; more epochs are added, since few labels make short epochs."""
    batch_size: int = Field(default=128, ge=2)
    """Samples in a step."""
    learning_rates: tuple[PositiveFloat, ...] = Field(default=(3e-3, 1e-3, 3e-4), min_length=1)
    """Peak learning rates to choose from, on a validation split of the labelled samples."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay."""


class Tuned(NamedTuple):
    """The result of fine-tuning.

    Attributes:
        accuracy: percent of the test samples.
        chosen: the learning rate, and the validation accuracy of each.
    """

    accuracy: float
    chosen: dict[str, Any]


def fine_tune(
    subject: Subject,
    settings: FineTuning,
    start: str,
    splits: Splits,
    *,
    seed: int,
) -> Tuned:
    """Choose the learning rate on a validation split, train on all samples, test once.

    Args:
        subject: the run; a copy of its encoder is trained.
        settings: how to train.
        start: ``encoder`` or ``random``.
        splits: the labelled samples to train on, and the test samples.
        seed: of the fresh weights, the validation split, the order and the views.
    """
    rates = sorted(set(settings.learning_rates))
    tried: dict[float, float] = {}
    kept, aside = stratified_split(
        splits.train_labels, subject.evaluation.validation_fraction, seed
    )
    if len(rates) > 1 and len(aside):
        for rate in rates:
            module = _trained(subject, settings, start, splits, kept, rate, seed)
            tried[rate] = _accuracy(
                subject, module, splits.train, splits.train_index[aside], splits.train_labels[aside]
            )
    # Of equally good ones the smallest; with nothing to choose on, the middle one.
    best = max(tried, key=lambda rate: tried[rate]) if tried else rates[len(rates) // 2]
    everything = torch.arange(len(splits.train_index))
    module = _trained(subject, settings, start, splits, everything, best, seed)
    accuracy = _accuracy(subject, module, splits.test, splits.test_index, splits.test_labels)
    said = {f"{rate:g}": right for rate, right in tried.items()}
    return Tuned(accuracy, {"learning_rate": best, "validation_accuracy": said})


def _trained(
    subject: Subject,
    settings: FineTuning,
    start: str,
    splits: Splits,
    rows: Tensor,
    rate: float,
    seed: int,
) -> nn.Module:
    """Encoder and classifier, trained on some rows of the labelled training samples."""
    index, device = splits.train_index[rows], subject.device
    steps = len(cut(index, settings.batch_size))
    epochs = max(settings.epochs, -(-settings.min_updates // steps))
    with seeded(device, seed):
        if start == "encoder":
            encoder: Encoder = copy.deepcopy(subject.model.encoder)
        else:
            with weights_replaced():  # not those of a checkpoint
                encoder = subject.model.recipe.build(subject.modality.input_shape)
        module = nn.Sequential(encoder, nn.Linear(encoder.dim, len(splits.classes))).to(device)
        for weight in module.parameters():
            weight.grad = None
        trained = [weight for weight in module.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(
            trained, lr=rate, weight_decay=settings.weight_decay, fused=may_be_fused(trained)
        )
        labels = splits.train_labels[rows]
        modality = subject.modality

        def batches(_epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
            parts = cut(index[torch.randperm(len(index))], settings.batch_size)
            loaded = labelled_batches(subject, splits.train, index, labels, parts)
            for batch, truth in loaded:
                if len(batch.index) > 1:
                    yield modality.views(batch, 1)[0], truth

        fit_classifier(
            module,
            optimizer,
            batches,
            epochs=epochs,
            steps=steps,
            rate=cosine(rate, epochs),
            told=lambda done, total: subject.progress(STARTS[start], done, total),
        )
    return module


def _accuracy(
    subject: Subject, module: nn.Module, samples: SampleSet, index: Tensor, labels: Tensor
) -> float:
    right, count = 0.0, 0
    parts = cut(index, subject.evaluation.batch_size)
    with evaluating(module), seeded(subject.device, 0):
        for batch, truth in labelled_batches(subject, samples, index, labels, parts):
            if not len(batch.index):
                continue
            predicted = module(subject.modality.plain(batch)).argmax(1)
            right += percent(predicted, truth) * len(batch.index)
            count += len(batch.index)
    return right / max(1, count)
