"""Pieces that the tests of NAT share."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from natlib.assignment import (
    AssignmentTable,
    BankModule,
    CellsModule,
    StreamCounter,
    StreamModule,
)
from natlib.encoders import Head
from natlib.objectives import NAT, NATModule
from natlib.solvers import Scipy
from natlib.targets import TargetDistribution

__all__ = ["IdentityHead", "Watched", "built", "counter_of", "features_of", "table_of"]


class IdentityHead(Head):
    """Features are the head's outputs already."""

    kind: Literal["identity"] = "identity"

    def build(self, feature_dim: int, target_dim: int) -> nn.Module:
        assert feature_dim == target_dim
        return nn.Identity()


class Watched(Scipy):
    """Remembers the type of the costs that it was given."""

    kind: Literal["watched"] = "watched"  # type: ignore[assignment]
    seen: ClassVar[list[tuple[torch.dtype, bool]]] = []

    def solve(self, cost: Tensor, allowed: Tensor | None = None) -> Any:
        self.seen.append((cost.dtype, cost.requires_grad))
        return super().solve(cost, allowed)


def table_of(module: NATModule) -> AssignmentTable:
    """The table of a bank."""
    assert isinstance(module.assignment, BankModule)
    return module.assignment.table


def counter_of(module: NATModule) -> StreamCounter:
    """The counter of fresh targets."""
    assert isinstance(module.assignment, StreamModule | CellsModule)
    return module.assignment.counter


def built(samples: int | None = 50, **values: Any) -> NATModule:
    """A module of float64 without trainable parts, unless a head is given.

    The sphere in 5 dimensions stands behind it, unless other targets are given.
    """
    values = {"head": IdentityHead(), "targets": {"kind": "uniform_sphere", "dim": 5}} | values
    objective = NAT.model_validate(values)
    module = objective.build(objective.targets.dim, samples)
    return module.double()


def features_of(
    views: int, batch: int, dim: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Random features Tensor[b, d] of each view, that ask for gradients."""
    generator = torch.Generator().manual_seed(seed)
    shape = (views, batch, dim)
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return [view.clone().requires_grad_() for view in drawn]


def project(targets: TargetDistribution, row: list[float]) -> list[float]:
    """Plain-Python twin of ``TargetDistribution.project`` for one row."""
    if not targets.on_sphere:
        return row
    length = sum(x * x for x in row) ** 0.5
    return [x / length for x in row]
