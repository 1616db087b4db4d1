"""What the encoder learns to predict: a fixed distribution of target vectors."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from natlib.component import Component, Registry
from natlib.families import TARGETS

__all__ = ["Seed", "TargetDistribution", "TargetModule"]

Seed = Annotated[int, Field(ge=0, lt=2**64)]


class TargetDistribution(Component):
    """An endless supply of target vectors, numbered by slot.

    A *slot* is the number of one target. ``rows`` is a pure function of the
    component's own values and the slot, so that nothing is stored, every process
    and every resumed run agrees, and a data set may grow.
    """

    registry: ClassVar[Registry[Any]] = TARGETS

    dim: int = Field(default=128, ge=1)
    """Length d of a target vector."""
    seed: Seed = 0
    """Seed of the distribution; another seed is another set of targets."""

    @abstractmethod
    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Targets of the given slots.

        Args:
            slot: int64[...] slot numbers, each in [0, 2^62].
            dtype: float32 or float64, what the targets are computed in.

        Returns:
            Tensor[..., d] on the device of ``slot``.
        """

    @property
    def on_sphere(self) -> bool:
        """Whether all targets have norm 1, so that head outputs are normalised too."""
        return True

    @property
    def learned(self) -> bool:
        """Whether targets change while a run goes on; see :meth:`build`."""
        return False

    def project(self, z: Tensor) -> Tensor:
        """Carry head outputs Tensor[..., d] into the space that the targets fill."""
        return F.normalize(z, dim=-1) if self.on_sphere else z

    def build(self) -> "TargetModule":
        """The targets as a run uses them: with what a learned distribution trains and keeps."""
        return TargetModule(self)


class TargetModule(nn.Module):
    """Targets in use. Of a fixed distribution it holds nothing and learns nothing.

    Args:
        distribution: where the targets come from, or start from.
    """

    def __init__(self, distribution: TargetDistribution) -> None:
        super().__init__()
        self.distribution = distribution

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Targets Tensor[..., d] of the slots int64[...]; they pass gradients where learned."""
        return self.distribution.rows(slot, dtype)

    def update(self, slot: Tensor, z: Tensor) -> None:
        """Learn from what was matched; called once in a training step, by all processes.

        Args:
            slot: int64[m, b], the slots that the samples own after the matching.
            z: Tensor[b, d], what voted in the matching, detached.
        """
