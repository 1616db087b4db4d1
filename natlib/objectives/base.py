"""What is minimised, as a component and as the module that it builds."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from natlib.component import Component, Registry

__all__ = ["Objective", "ObjectiveModule", "ObjectiveOutput"]


class ObjectiveOutput(NamedTuple):
    """What one step of an objective returns.

    Attributes:
        loss: scalar to call ``backward`` on.
        parts: the named parts of the loss, unweighted and detached.
        health: label-free measures of whether training works, detached.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    health: dict[str, Tensor]


class ObjectiveModule(nn.Module):
    """The trainable side of an objective: its head and whatever state it keeps.

    Attributes:
        loss_is_sum: whether the loss is a sum over the batch; otherwise it is a mean.
            Whoever averages gradients over processes needs to know.
    """

    loss_is_sum: bool

    @abstractmethod
    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        """One step.

        Args:
            features: v tensors [b, f], the encoder's features of each view. Give a generator
                that computes them, and the objective can work while a view is computed.
            index: int64[b], the stable index of each sample; needed where samples
                own something from step to step.
            epoch: number of the epoch, from 0.
            health: also compute the measures that cost time.
        """

    @abstractmethod
    def embed(self, features: Tensor) -> Tensor:
        """The head's output Tensor[b, d] for features Tensor[b, f]."""

    @abstractmethod
    def merge(self) -> None:
        """Bring the state of all processes together; a collective call."""


class Objective(Component):
    """What to minimise. Works inside natlib's loop and in anybody else's."""

    registry: ClassVar[Registry[Any]] = Registry("objective", "natlib.objectives")

    views: int = Field(default=2, ge=1)
    """Augmented views of a sample in a step."""

    @abstractmethod
    def build(self, feature_dim: int, samples: int | None = None) -> ObjectiveModule:
        """A fresh module.

        Args:
            feature_dim: f, the number of features of the encoder.
            samples: n, the size of the data set; needed where samples own slots
                from epoch to epoch.
        """
