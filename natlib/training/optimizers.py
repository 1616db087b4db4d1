"""Optimisers: what turns gradients into updates of the weights."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from natlib.component import Component, Registry, register
from natlib.families import OPTIMIZERS

__all__ = ["SGD", "AdamW", "Optimizer", "may_be_fused"]


class Optimizer(Component):
    """How weights are updated. A plug-in registers its own under ``natlib.optimizers``."""

    registry: ClassVar[Registry[Any]] = OPTIMIZERS

    learning_rate: float = Field(default=4e-3, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay."""

    @abstractmethod
    def build(self, weights: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """A fresh optimiser.

        Its state must consist of tensors, which checkpoints contain. The loop sets the learning
        rate of every group before each update (see :class:`Schedule`).

        Args:
            weights: what is trained.
        """


Decay = Annotated[float, Field(ge=0, lt=1)]


@register
class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv 1711.05101.
    """

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay of the averages of the gradient and of its square."""

    def build(self, weights: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            weights,
            lr=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
            fused=may_be_fused(weights),
        )


@register
class SGD(Optimizer):
    """Stochastic gradient descent; the weight decay is added to the gradient."""

    kind: Literal["sgd"] = "sgd"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the average of the gradient; 0 keeps none."""

    def build(self, weights: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            weights,
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            fused=may_be_fused(weights),
        )


def may_be_fused(weights: Sequence[Tensor]) -> bool | None:
    """Whether an optimiser may update these weights and their averages in one pass.

    Four times as fast on a CPU, which matters where a table of words is most of the encoder. The
    fused kernels ignore strides, though, and a checkpoint brings averages back without those of
    channels-last weights.

    Returns:
        None where torch decides: for channels-last weights, and on an accelerator.
    """
    plain = all(w.device.type == "cpu" and w.is_contiguous() for w in weights)
    return True if plain else None
