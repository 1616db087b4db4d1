"""Cells of a target distribution, one for each sample: the limit of infinitely many matchings.

Semi-discrete optimal transport from the targets to the samples. The target ``c`` belongs to the
sample with the largest ``<z_i, c> + potential_i``, the one that is nearest up to a price. The
potentials maximise a concave function whose gradient is ``1 / b - mass``, estimated from a few
targets at a time: averaged stochastic ascent (Genevay, Cuturi, Peyre & Bach, "Stochastic
optimization for large-scale optimal transport", NeurIPS 2016, section 3), from soft cells to ever
harder ones. A second look at the targets gives the centroids. No matching is solved: a target
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

# Scores of so many pairs are held at a time.
_PAIRS = 2**20
# Of so many targets the typical difference of scores is taken.
_SAMPLE = 1024
# The ascent starts at this temperature, which falls by this factor in each update, or
# faster, so that most of the updates are at the final one.
_WARMEST, _COOLING, _COOL_AFTER = 3.0, 0.8, 1 / 3
# How far it falls before borders become hard, where hard ones are asked for.
_COLDEST = 0.02
# Scores so far below the best one give a share of 1e-26.
_FARTHEST = -60.0
# Updates after which steps have become noticeably shorter, and how they go on.
_SETTLING, _POWER = 10.0, 2.0 / 3.0
# A cell that is far too large shrinks by steps of this length, lest it vanish.
_LARGEST_STEP = 3.0


class CellEstimate(NamedTuple):
    """A cell of the target distribution for each sample, all of the same mass.

    Attributes:
        centroid: Tensor[b, d], the mean of the targets in the cell: what m matched targets have as
            their mean in the limit of large m and large batches.
        mass: Tensor[b], the share of the targets that is in the cell; 1 / b but for sampling.
        potential: Tensor[b], what is added to the score ``<z_i, c>`` of a target c so that all
            cells get the same mass; 0 on average.
        iterations: updates of the potentials.
        converged: whether ``b * mass`` is 1 within the tolerance.
    """

    centroid: Tensor
    mass: Tensor
    potential: Tensor
    iterations: int
    converged: bool


@torch.no_grad()
def estimate_cells(
    z: Tensor, targets: Tensor, *, passes: int, temperature: float, rate: float, tolerance: float
) -> CellEstimate:
    """Estimate the cell of each sample.

    Args:
        z: Tensor[b, d]; half precision is widened to float32.
        targets: Tensor[n, d], used for the potentials and for the centroids.
        passes: how often the ascent goes through the targets.
        temperature: softness of the borders, in units of the typical difference between the best
            and the second best score; 0 for hard cells.
        rate: length of the first steps of the ascent, in the same unit.
        tolerance: root mean square of ``b * mass - 1`` up to which the ascent has converged.

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
    error = (len(z) * mass - 1).square().mean().sqrt()
    return CellEstimate(
        centroid.to(z.dtype),
        mass.to(z.dtype),
        potential - potential.mean(),
        updates,
        bool(error <= tolerance),
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
            f"targets need the shape [n, {z.shape[1]}], as long as the samples are, "
            f"got {list(targets.shape)}"
        )
    if len(targets) == 0:
        raise MatchingError("cells need targets to be made of; give at least one")


def _ascend(
    z: Tensor, targets: Tensor, unit: float, passes: int, final_temperature: float, rate: float
) -> tuple[Tensor, int]:
    """Potentials [b], averaged over the second half of the updates, and their number."""
    b, n = len(z), len(targets)
    batch = -(-n // max(1, n // min(max(b, 64), 1024)))
    updates = -(-n // batch) * passes
    # A batch much smaller than b says little about each cell.
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
    """The target that comes nearest to each cell that has none: float64[len(z), d]."""
    nearest = torch.full_like(own, -torch.inf)
    found = torch.zeros_like(z)
    for few in _in_parts(targets, max(1, _PAIRS // len(everyone))):
        best = torch.addmm(potential, few, everyone.mT).amax(1, keepdim=True)
        margin, which = (torch.addmm(own, few, z.mT) - best).max(0)
        found = torch.where((margin > nearest)[:, None], few[which], found)
        nearest = torch.maximum(nearest, margin)
    return found.double()


def _in_parts(targets: Tensor, size: int, passes: int = 1) -> Iterator[Tensor]:
    """The targets, [c, d] with c <= size at a time, over and over."""
    for _ in range(passes):
        yield from targets.split(size)


def _shares(points: Tensor, z: Tensor, potential: Tensor, temperature: float) -> Tensor:
    """How much of each target [c, d] goes to which cell: [c, b]; every row sums to 1."""
    if temperature > 0:
        warmth = 1 / temperature
        scores = torch.addmm(potential * warmth, points, (z * warmth).mT)
        # Shares that no float32 holds with all its digits are worth nothing, and a CPU takes
        # several times as long to multiply with them.
        return scores.sub_(scores.amax(1, keepdim=True)).clamp_(min=_FARTHEST).softmax(1)
    scores = torch.addmm(potential, points, z.mT)
    return torch.zeros_like(scores).scatter_(1, scores.argmax(1, keepdim=True), 1.0)


def _typical_difference(z: Tensor, points: Tensor) -> float:
    """About what the best score is above the second best: of b normal ones, if they are many."""
    scores = points @ z.mT
    rest = scores - scores.mean(0) if len(points) > 1 else scores
    rest = rest - rest.mean(1, keepdim=True)
    spread = float(rest.square().mean().sqrt()) / math.sqrt(2 * math.log(max(len(z), 3)))
    # Of equal samples no score is better; the cells are shares of 1 / b then.
    return max(spread, math.sqrt(torch.finfo(z.dtype).tiny))
