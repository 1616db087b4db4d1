"""The contract of target distributions: what the encoder learns to predict."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from natlib.component import Component, Registry, Seed
from natlib.families import TARGETS

__all__ = ["TargetDistribution", "TargetModule"]


class TargetDistribution(Component):
    """An unlimited supply of target vectors, numbered by slot.

    A *slot* is the number of one target. ``rows`` is a pure function of the component's fields
    and the slot: nothing is stored, all processes and resumed runs agree, and a data set may grow.
    """

    registry: ClassVar[Registry[Any]] = TARGETS

    seeded: ClassVar[bool] = True
    """Whether another seed gives other targets; no seed can be set where it does not."""

    dim: int = Field(default=128, ge=1)
    """Length d of a target vector."""
    seed: Seed = 0
    """Seed of the distribution; another seed gives other targets."""

    @model_validator(mode="after")
    def _check_seed(self) -> Self:
        if self.seed and not self.seeded:
            raise ValueError(
                f"seed is {self.seed}, and targets '{self.kind}' do not depend on one; leave it out"
            )
        return self

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
        """Whether targets change during training; see :meth:`build`."""
        return False

    def project(self, z: Tensor) -> Tensor:
        """Project head outputs Tensor[..., d] onto the sphere if targets lie on it."""
        return F.normalize(z, dim=-1) if self.on_sphere else z

    def build(self) -> "TargetModule":
        """The targets as training uses them, with the state of a learned distribution."""
        return TargetModule(self)


class TargetModule(nn.Module):
    """Targets as training uses them. A fixed distribution has no weights and no state.

    Args:
        distribution: the targets, or those that learning starts from.
    """

    def __init__(self, distribution: TargetDistribution) -> None:
        super().__init__()
        self.distribution = distribution

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Targets Tensor[..., d] of the slots int64[...]; learned ones may have a gradient."""
        return self.distribution.rows(slot, dtype)

    def update(self, slot: Tensor, z: Tensor) -> None:
        """Learn from a matching; called once in a training step, by all processes.

        Args:
            slot: int64[m, b], the slots that were assigned to the samples.
            z: Tensor[b, d], the points that were matched, detached.
        """
