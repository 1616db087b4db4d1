"""Assign each sample the centroid of its cell of the target distribution.

Shapes: b samples in the batch, d target dimensions, n targets that cells are estimated from.
"""

import time
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from natlib.assignment.base import Assigned, Assignment, AssignmentModule, Step, preview_slots
from natlib.assignment.counter import StreamCounter
from natlib.assignment.semi_discrete import CellEstimate, estimate_cells
from natlib.component import register
from natlib.targets import TargetDistribution, TargetModule

__all__ = ["Cells", "CellsModule"]


@register
class Cells(Assignment):
    """A sample aims at the centroid of its cell: the limit of the mean of m matched targets.

    Semi-discrete optimal transport from the target distribution to the samples of the batch,
    estimated from fresh targets in every step (Genevay, Cuturi, Peyre & Bach, "Stochastic
    optimization for large-scale optimal transport", NeurIPS 2016, section 3). No matching is
    solved, and samples keep nothing between steps, so it needs two views.
    """

    min_views: ClassVar[int] = 2

    kind: Literal["cells"] = "cells"
    points: int = Field(default=16_384, ge=1)
    """n, the fresh targets that a step estimates cells from; at least one for each sample."""
    passes: int = Field(default=1, ge=1)
    """Passes of the ascent over these targets."""
    temperature: float = Field(default=0.1, ge=0)
    """Softness of the cells' borders, in units of the typical difference between the best and
    the second best score; 0 for hard cells. With soft borders a target counts for several cells,
    which reduces the variance of the centroids and shortens them a little."""
    rate: float = Field(default=0.3, gt=0)
    """Length of the first steps of the ascent, in the same unit."""

    def check_targets(self, targets: TargetDistribution) -> None:
        if targets.learned:
            raise ValueError(
                f"assignment 'cells' needs fixed targets, and targets '{targets.kind}' learn; "
                "set assignment to stream, or choose other targets"
            )

    def estimate(self, z: Tensor, targets: Tensor) -> CellEstimate:
        """The cells of points Tensor[b, d] among targets Tensor[n, d].

        Raises:
            MatchingError: there is no sample or no target, shapes do not fit, or a sample holds NaN
                or infinity.
        """
        return estimate_cells(
            z,
            targets,
            passes=self.passes,
            temperature=self.temperature,
            rate=self.rate,
        )

    def build(self, targets: TargetModule, samples: int | None = None) -> "CellsModule":
        """See :meth:`Assignment.build`; ``samples`` is not needed."""
        return CellsModule(self, targets)


class CellsModule(AssignmentModule[Tensor]):
    """The counter of used slots.

    Args:
        config: how cells are estimated.
        targets: the targets of the slots.
    """

    def __init__(self, config: Cells, targets: TargetModule) -> None:
        super().__init__(targets)
        self.config = config
        self.counter = StreamCounter()

    def begin(self, z_BD: Tensor, step: Step) -> Tensor:
        # Computed on the encoder's device, so nothing is gained by starting early.
        return z_BD

    def finish(self, pending: Tensor) -> Assigned:
        began = time.perf_counter()
        slots = self.counter.peek(max(self.config.points, len(pending)))
        assigned = self._assign(pending, slots)
        if self.training:
            self.counter.take(len(slots))
        seconds = torch.tensor(time.perf_counter() - began)
        return assigned._replace(measures=assigned.measures | {"solver_seconds": seconds})

    @torch.no_grad()
    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        return self._assign(
            z_BD, preview_slots(max(self.config.points, len(z_BD)), seed, z_BD.device)
        )

    def _assign(self, z_BD: Tensor, slots: Tensor) -> Assigned:
        targets_ND = self.targets.rows(slots, dtype=z_BD.dtype)
        cells = self.config.estimate(z_BD, targets_ND)
        share_B = len(z_BD) * cells.mass
        measures = {"uneven_cells": (share_B - 1).square().mean().sqrt().float()}
        return Assigned(cells.centroid[None], targets_ND[None, : len(z_BD)], measures)
