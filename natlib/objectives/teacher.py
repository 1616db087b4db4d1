"""A teacher: the exponential moving average of an encoder and a head.

Tarvainen & Valpola, "Mean teachers are better role models" (NeurIPS 2017); Grill et al.,
"Bootstrap your own latent" (NeurIPS 2020, arXiv 2006.07733), from which the schedule is.
"""

import copy
import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from natlib.component import Settings
from natlib.errors import ConfigError
from natlib.runtime.training_state import TrainingState

__all__ = ["Teacher", "TeacherModule", "teacher_embeddings"]


class Teacher(Settings):
    """How slowly the average follows the weights.

    After every update, ``average = momentum * average + (1 - momentum) * weights``.
    """

    momentum: float = Field(default=0.996, ge=0, le=1)
    """Share of the average that is kept in an update. The average is over about 1 / (1 - momentum)
    updates, so a short run needs a lower momentum: 0.99 averages over 100."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """``cosine`` raises the momentum to 1 over the run, along half a cosine; or ``constant``."""

    def momentum_at(self, done: float) -> float:
        """The momentum of an update: a pure function, so that a resumed run gets the same.

        Args:
            done: share of the run's updates before this one.
        """
        if self.schedule == "constant":
            return self.momentum
        return 1.0 - (1.0 - self.momentum) * 0.5 * (1.0 + math.cos(math.pi * done))


class TeacherModule(TrainingState):
    """Copies of an encoder and a head whose weights are moving averages of theirs.

    Only weights are averaged; buffers are the teacher's own. The teacher is in training mode when
    the original is, so that its batch norm uses the statistics of its own batch (over all
    processes if batch norm is synchronised) and keeps its own running statistics, as in Grill et
    al. An average of two networks' running statistics would fit neither.

    Args:
        encoder: from inputs to features; copied as it is now.
        head: from features to embeddings; copied as it is now.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.head = copy.deepcopy(head)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings Tensor[b, d] of inputs, without gradient."""
        embeddings: Tensor = self.head(self.encoder(inputs))
        return embeddings

    @torch.no_grad()
    def follow(self, encoder: nn.Module, head: nn.Module, momentum: float) -> None:
        """Average in the weights after an update."""
        for own, trained in ((self.encoder, encoder), (self.head, head)):
            mine: list[Tensor] = list(own.parameters())
            theirs: list[Tensor] = list(trained.parameters())
            if mine:
                # Unlike m * a + (1 - m) * w, lerp keeps weights that never change exactly.
                torch._foreach_lerp_(mine, theirs, 1.0 - momentum)


def teacher_embeddings(embeddings: list[Tensor] | None, kind: str) -> list[Tensor]:
    """The teacher's embeddings of the views of this step.

    Args:
        embeddings: tensors [b, d]; None if the teacher has not encoded the views.
        kind: kind of the objective, for the error.

    Raises:
        ConfigError: the teacher has not encoded the views.
    """
    if embeddings is None:
        raise ConfigError(
            f"the objective '{kind}' has a teacher that has seen no views: call "
            "on_start(encoder) once, then extra_inputs(views) in every step, before the "
            "features are given"
        )
    return embeddings
