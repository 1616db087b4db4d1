"""What the encoder learns to predict: a fixed distribution of target vectors."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Component, Registry

__all__ = ["Seed", "TargetDistribution"]

Seed = Annotated[int, Field(ge=0, lt=2**64)]


class TargetDistribution(Component):
    """An endless supply of target vectors, numbered by slot.

    A *slot* is the number of one target. ``rows`` is a pure function of the
    component's own values and the slot, so that nothing is stored, every process
    and every resumed run agrees, and a data set may grow.
    """

    registry: ClassVar[Registry[Any]] = Registry("target distribution", "natlib.targets")

    dim: int = Field(default=128, ge=1)
    """Length d of a target vector."""
    seed: Seed = 0
    """Seed of the distribution; another seed is another set of targets."""

    @abstractmethod
    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Targets of the given slots.

        Args:
            slot: int64[...] slot numbers, each in [0, 2^40].
            dtype: float32 or float64, what the targets are computed in.

        Returns:
            Tensor[..., d] on the device of ``slot``.
        """

    @abstractmethod
    def project(self, z: Tensor) -> Tensor:
        """Carry head outputs Tensor[..., d] into the space that the targets fill."""
