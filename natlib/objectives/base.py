"""What is minimised, as a component and as the module that it builds."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from natlib.component import Component, Registry
from natlib.progress import ProgressReporter

__all__ = ["Objective", "ObjectiveModule", "ObjectiveOutput", "Work"]

# Tells how far it is; returns whether it is finished, or broken off by a signal.
Work = Callable[[ProgressReporter], bool]


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

    def attach(self, folder: Path) -> None:
        """Give a folder for what is too large for a checkpoint; called once, before training.

        All processes call it, the first one before the others, with one folder. It is kept as
        long as the run is, and given again when the run resumes.

        Raises:
            CheckpointError: nothing can be written there.
        """

    def before_epoch(self, epoch: int) -> Work | None:
        """What is due before the first update of an epoch; None where nothing is.

        All processes ask, and do what they get, together. Work that was broken off goes on
        where it was when the run resumes.
        """
        return None

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
