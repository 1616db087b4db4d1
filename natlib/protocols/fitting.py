"""The loop in which protocols train classifiers: on features, or with the encoder."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["cosine", "cut", "decayed", "fit_classifier"]

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
"""Inputs Tensor[b, ...] and labels int64[b] of the batches of an epoch, by its number."""


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
    """Train a classifier by cross-entropy; it is in evaluation mode afterwards.

    Draws from torch's global generators.

    Args:
        module: from inputs to logits Tensor[b, c].
        optimizer: over what is trained.
        batches: what it is trained on.
        epochs: how often.
        steps: batches in an epoch.
        rate: learning rate by the epochs that are done, with their fractions.
        told: called with the steps done and the steps in all.
    """
    module.train()
    with torch.enable_grad():
        for epoch in range(epochs):
            for step, (inputs, labels) in enumerate(batches(epoch)):
                for group in optimizer.param_groups:
                    group["lr"] = rate(epoch + step / steps)
                optimizer.zero_grad()
                F.cross_entropy(module(inputs).float(), labels).backward()
                optimizer.step()
                if told is not None:
                    told(epoch * steps + step + 1, epochs * steps)
    module.eval()


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
            # The first step would otherwise be none.
            return learning_rate * max(0.01, done / warmup)
        left = torch.tensor(torch.pi * (done - warmup) / (epochs - warmup)).cos()
        return learning_rate * 0.5 * (1 + float(left))

    return rate


def cut(order: Tensor, batch_size: int) -> list[Tensor]:
    """Batches of at most so many, whose sizes differ by one at most.

    Batch norm cannot train on a batch of one, which a remainder might be.
    """
    return list(order.tensor_split(max(1, -(-len(order) // batch_size))))
