"""Estimate the cells of a target distribution, one for each sample.

Semi-discrete optimal transport from the targets to the samples, the limit of infinitely many
matchings. The target ``c`` belongs to the sample with the largest ``<z_i, c> + potential_i``. The
potentials maximise a concave function whose gradient is ``1 / b - mass``, estimated from a few
targets at a time by averaged stochastic ascent (Genevay, Cuturi, Peyre & Bach, "Stochastic
optimization for large-scale optimal transport", NeurIPS 2016, section 3), from soft cells to ever
harder ones. A second pass over the targets gives the centroids. No matching is solved: a target
costs b dot products.

Shapes: b samples, d dimensions, n targets, c of them at a time.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from natlib.errors import MatchingError

__all__ = ["CellEstimate", "estimate_cells"]

# Pairs whose scores are in memory at a time.
_PAIRS = 2**20
# Targets from which the typical difference of scores is estimated.
_SAMPLE = 1024
# The ascent starts at this temperature, and each update multiplies it by the cooling factor, or
# by less, so that it is at its final value after a third of the updates.
_WARMEST, _COOLING, _COOL_AFTER = 3.0, 0.8, 1 / 3
# With hard borders, the temperature below which they become hard.
_COLDEST = 0.02
# Scores this far below the best one give a share of 1e-26.
_FARTHEST = -60.0
# Steps shrink as (1 + update / _SETTLING) ** -_POWER.
_SETTLING, _POWER = 10.0, 2.0 / 3.0
# The largest step by which a cell that is too large shrinks: a longer one would empty it.
_LARGEST_STEP = 3.0


class CellEstimate(NamedTuple):
    """A cell of the target distribution for each sample, all of equal mass.

    Attributes:
        centroid: Tensor[b, d], the mean of the targets in the cell: the limit of the mean of m
            matched targets for large m and large batches.
        mass: Tensor[b], the share of the targets in the cell; 1 / b up to sampling error.
        potential: Tensor[b], added to the scores ``<z_i, c>`` of sample i to make the masses
            equal; 0 on average.
        iterations: updates of the potentials.
    """

    centroid: Tensor
    mass: Tensor
    potential: Tensor
    iterations: int


@torch.no_grad()
def estimate_cells(
    z: Tensor, targets: Tensor, *, passes: int, temperature: float, rate: float
) -> CellEstimate:
    """Estimate the cell of each sample.

    Args:
        z: Tensor[b, d]; half precision is widened to float32.
        targets: Tensor[n, d], used for the potentials and for the centroids.
        passes: passes of the ascent over the targets.
        temperature: softness of the borders, in units of the typical difference between the best
            and the second best score; 0 for hard cells.
        rate: length of the first steps of the ascent, in the same unit.

    Raises:
        MatchingError: there is no sample or no target, shapes do not fit, or a sample holds NaN
            or infinity.
    """
    _check(z, targets)
    with torch.autocast(z.device.type, enabled=False):
        z = z if z.dtype == torch.float64 else z.float()
        targets = targets.to(z)
        unit = _typical_difference(z, targets[:_SAMPLE])
        potential, updates = _ascend(z, targets, unit, passes, temperature, rate)
        centroid, mass = _measure(z, targets, potential, temperature * unit)
    return CellEstimate(
        centroid.to(z.dtype), mass.to(z.dtype), potential - potential.mean(), updates
    )


def _check(z: Tensor, targets: Tensor) -> None:
    if z.ndim != 2 or len(z) == 0:
        raise MatchingError(f"samples need the shape [b, d] with b >= 1, got {list(z.shape)}")
    bad = ~torch.isfinite(z).all(1)
    if bad.any():
        raise MatchingError(
            f"sample {int(bad.nonzero()[0])} holds NaN or infinity; check the features"
        )
    if targets.ndim != 2 or targets.shape[1] != z.shape[1]:
        raise MatchingError(
            f"targets need the shape [n, {z.shape[1]}], with d as the samples have it, "
            f"got {list(targets.shape)}"
        )
    if len(targets) == 0:
        raise MatchingError("cells cannot be estimated from 0 targets; give at least one")


def _ascend(
    z: Tensor, targets: Tensor, unit: float, passes: int, final_temperature: float, rate: float
) -> tuple[Tensor, int]:
    """Potentials [b], averaged over the second half of the updates, and the number of updates."""
    b, n = len(z), len(targets)
    batch = -(-n // max(1, n // min(max(b, 64), 1024)))
    updates = -(-n // batch) * passes
    # A batch much smaller than b gives a noisy gradient for each cell.
    rate = rate * min(1.0, batch / b)
    temperature = _WARMEST
    current = torch.zeros_like(z[:, 0])
    average = torch.zeros_like(current)
    coldest = max(final_temperature, _COLDEST)
    cooling = min(_COOLING, (coldest / _WARMEST) ** (1 / (_COOL_AFTER * updates)))
    for update, few in enumerate(_in_parts(targets, batch, passes)):
        shares = _shares(few, z, current, temperature * unit)
        step = rate / (1 + update / _SETTLING) ** _POWER
        if temperature > coldest:
            step = max(step, temperature)
        excess = (b * shares.mean(0) - 1).clamp_max(_LARGEST_STEP)
        current = current - step * unit * excess
        temperature = temperature * cooling
        if temperature < coldest:
            temperature = final_temperature
        if update >= updates // 2:
            average += current
    return average / (updates - updates // 2), updates


def _measure(
    z: Tensor, targets: Tensor, potential: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Centroids float64[b, d] and masses float64[b] of the cells."""
    total = torch.zeros_like(z, dtype=torch.float64)
    mass = total.new_zeros(len(z))
    for few in _in_parts(targets, max(1, _PAIRS // len(z))):
        shares = _shares(few, z, potential, temperature)
        total += (shares.mT @ few).double()
        mass += shares.sum(0, dtype=torch.float64)
    empty = mass == 0
    if empty.any():
        total[empty] = _nearest(z[empty], z, targets, potential, potential[empty])
    centroid = total / torch.where(empty, 1.0, mass)[:, None]
    return centroid, mass / mass.sum()


def _nearest(
    z: Tensor, everyone: Tensor, targets: Tensor, potential: Tensor, own: Tensor
) -> Tensor:
    """The target nearest to each of the empty cells of z: float64[len(z), d]."""
    nearest = torch.full_like(own, -torch.inf)
    found = torch.zeros_like(z)
    for few in _in_parts(targets, max(1, _PAIRS // len(everyone))):
        best = torch.addmm(potential, few, everyone.mT).amax(1, keepdim=True)
        margin, which = (torch.addmm(own, few, z.mT) - best).max(0)
        found = torch.where((margin > nearest)[:, None], few[which], found)
        nearest = torch.maximum(nearest, margin)
    return found.double()


def _in_parts(targets: Tensor, size: int, passes: int = 1) -> Iterator[Tensor]:
    """The targets in parts [c, d] with c <= size, ``passes`` times."""
    for _ in range(passes):
        yield from targets.split(size)


def _shares(points: Tensor, z: Tensor, potential: Tensor, temperature: float) -> Tensor:
    """The shares of each target [c, d] in the cells: [c, b]; every row sums to 1."""
    if temperature > 0:
        inverse = 1 / temperature
        scores = torch.addmm(potential * inverse, points, (z * inverse).mT)
        # Subnormal shares contribute nothing, and a CPU is several times slower with them.
        return scores.sub_(scores.amax(1, keepdim=True)).clamp_(min=_FARTHEST).softmax(1)
    scores = torch.addmm(potential, points, z.mT)
    return torch.zeros_like(scores).scatter_(1, scores.argmax(1, keepdim=True), 1.0)


def _typical_difference(z: Tensor, points: Tensor) -> float:
    """About the gap between the best and second best of b normally distributed scores."""
    scores = points @ z.mT
    rest = scores - scores.mean(0) if len(points) > 1 else scores
    rest = rest - rest.mean(1, keepdim=True)
    spread = float(rest.square().mean().sqrt()) / math.sqrt(2 * math.log(max(len(z), 3)))
    # If all samples are equal, so are all scores, and each cell gets 1 / b of every target.
    return max(spread, math.sqrt(torch.finfo(z.dtype).tiny))
