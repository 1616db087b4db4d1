"""The loop that protocols train classifiers with, on features or together with the encoder."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Learner", "cosine", "cut", "decayed", "fit_classifier", "fit_together"]

Batches = Callable[[int], Iterable[tuple[Any, Tensor]]]
"""Inputs (Tensor[b, ...], or whatever the classifiers take) and labels int64[b] of the batches of
an epoch, by its number."""


class Learner(NamedTuple):
    """A classifier and how it is trained.

    Attributes:
        module: from inputs to logits Tensor[b, c].
        optimizer: updates what is trained.
        rate: learning rate as a function of the epochs done, with fractions.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    rate: Callable[[float], float]


def fit_classifier(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    *,
    epochs: int,
    steps: int,
    rate: Callable[[float], float],
    told: Callable[[int, int], None] | None = None,
) -> None:
    """:func:`fit_together` of a single classifier; see :class:`Learner` for what it needs."""
    fit_together([Learner(module, optimizer, rate)], batches, epochs=epochs, steps=steps, told=told)


def fit_together(
    learners: Sequence[Learner],
    batches: Batches,
    *,
    epochs: int,
    steps: int,
    told: Callable[[int, int], None] | None = None,
) -> None:
    """Train several classifiers by cross-entropy on the same batches, each on its own.

    Leaves them in evaluation mode. Draws from torch's global generators.

    Args:
        learners: what to train.
        batches: the batches of each epoch.
        epochs: passes over the batches.
        steps: batches in an epoch.
        told: called with the steps done and the total.
    """
    for learner in learners:
        learner.module.train()
    with torch.enable_grad():
        for epoch in range(epochs):
            for step, (inputs, labels) in enumerate(batches(epoch)):
                for learner in learners:
                    _update(learner, inputs, labels, epoch + step / steps)
                if told is not None:
                    told(epoch * steps + step + 1, epochs * steps)
    for learner in learners:
        learner.module.eval()


def _update(learner: Learner, inputs: Any, labels: Tensor, done: float) -> None:
    for group in learner.optimizer.param_groups:
        group["lr"] = learner.rate(done)
    learner.optimizer.zero_grad()
    F.cross_entropy(learner.module(inputs).float(), labels).backward()
    learner.optimizer.step()


def decayed(learning_rate: float, epochs: int) -> Callable[[float], float]:
    """The learning rate of the 2017 paper's transfer: constant, then falling as 1 / epoch.

    Of 100 epochs, constant for 20, then ``learning_rate / (1 + 0.3 (epoch - 20))``; of fewer or
    more, the same in proportion.
    """

    def rate(done: float) -> float:
        epoch = int(done) * 100 / epochs
        return learning_rate / (1 + 0.3 * max(0.0, epoch - 20))

    return rate


def cosine(learning_rate: float, epochs: int) -> Callable[[float], float]:
    """A tenth of the epochs linear warm-up, then half a cosine to zero."""
    warmup = epochs / 10

    def rate(done: float) -> float:
        if done < warmup:
            # The first step would otherwise have a learning rate of 0.
            return learning_rate * max(0.01, done / warmup)
        left = torch.tensor(torch.pi * (done - warmup) / (epochs - warmup)).cos()
        return learning_rate * 0.5 * (1 + float(left))

    return rate


def cut(order: Tensor, batch_size: int) -> list[Tensor]:
    """Batches of at most ``batch_size``, whose sizes differ by one at most.

    A remainder could be a single sample, which batch norm cannot train on.
    """
    return list(order.tensor_split(max(1, -(-len(order) // batch_size))))
