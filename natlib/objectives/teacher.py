"""A slow copy of what is trained: the moving average of an encoder and a head.

Tarvainen & Valpola, "Mean teachers are better role models" (NeurIPS 2017); Grill et al.,
"Bootstrap your own latent" (NeurIPS 2020, arXiv 2006.07733), whose schedule this is.
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
    """How slowly the average follows.

    After every update of the weights, ``average = momentum * average + (1 - momentum) * weights``.
    """

    momentum: float = Field(default=0.996, ge=0, le=1)
    """Share of the average that an update leaves. 1 / (1 - momentum) updates are remembered, so
    a short run needs a lower one: 0.99 remembers 100."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """``cosine`` leads the momentum to 1 over the run, along half a wave; or ``constant``."""

    def momentum_at(self, done: float) -> float:
        """The momentum of an update: a pure function, so that a resumed run agrees.

        Args:
            done: share of the run's updates that came before.
        """
        if self.schedule == "constant":
            return self.momentum
        return 1.0 - (1.0 - self.momentum) * 0.5 * (1.0 + math.cos(math.pi * done))


class TeacherModule(TrainingState):
    """Copies of an encoder and a head whose weights are averages of theirs; all of it is state.

    Only weights are averaged. Buffers are the teacher's own: it is in training mode when what it
    copies is, so that batch norm uses the statistics of its own batch (of all processes together,
    where batch norm is synchronised) and keeps its own running ones, as in Grill et al. Averages of
    two networks' running statistics would be those of neither.

    Args:
        encoder: from inputs to features; copied as it is now.
        head: from features to embeddings; copied as well.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.head = copy.deepcopy(head)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """What head and encoder make of inputs: Tensor[b, d] without gradient."""
        embeddings: Tensor = self.head(self.encoder(inputs))
        return embeddings

    @torch.no_grad()
    def follow(self, encoder: nn.Module, head: nn.Module, momentum: float) -> None:
        """Move towards the weights as they are after an update."""
        for own, trained in ((self.encoder, encoder), (self.head, head)):
            mine: list[Tensor] = list(own.parameters())
            theirs: list[Tensor] = list(trained.parameters())
            if mine:
                # Weights that never change stay exactly as they are.
                torch._foreach_lerp_(mine, theirs, 1.0 - momentum)


def teacher_embeddings(embeddings: list[Tensor] | None, kind: str) -> list[Tensor]:
    """What the teacher made of the views of this step.

    Args:
        embeddings: tensors [b, d]; None if it has not seen them.
        kind: of the objective, for the error.

    Raises:
        ConfigError: it has not seen them.
    """
    if embeddings is None:
        raise ConfigError(
            f"the objective '{kind}' has a teacher that has seen no views: call "
            "on_start(encoder) once, then extra_inputs(views) in every step, before the "
            "features are given"
        )
    return embeddings
