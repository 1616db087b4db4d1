"""The limit of infinitely many matchings: cells of the target distribution, one for each sample.

Shapes: b samples (anchors), d dimensions, n noise points, c points at a time.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Settings
from natlib.errors import MatchingError

__all__ = ["Cells", "SemiDiscrete"]

Noise = Tensor | Callable[[int], Tensor]

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


class Cells(NamedTuple):
    """A cell of the target distribution for each sample, all of the same mass.

    Attributes:
        centroid: [b, d], the mean of the targets in the cell: what m matched targets have as
            their mean, for m without end and pools without end.
        mass: [b], the share of the targets that is in the cell; 1 / b but for sampling.
        potential: [b], what is added to the score ``<z_i, c>`` of a target c so that all cells
            get the same mass; 0 on average.
        iterations: updates of the potentials.
        converged: whether ``b * mass`` is 1 within the tolerance.
    """

    centroid: Tensor
    mass: Tensor
    potential: Tensor
    iterations: int
    converged: bool


class SemiDiscrete(Settings):
    """Semi-discrete optimal transport from the target distribution to the samples.

    The target ``c`` belongs to the sample with the largest ``<z_i, c> + potential_i``, the one
    that is nearest up to a price. The potentials maximise a concave function whose
    gradient is ``1 / b - mass``, estimated from a few targets at a time: averaged stochastic
    ascent (Genevay, Cuturi, Peyre & Bach, "Stochastic optimization for large-scale
    optimal transport", NeurIPS 2016, section 3), from soft cells to ever harder ones. A second
    look at the targets gives the centroids. No matching is solved: a target costs
    b dot products.
    """

    points: int = Field(default=16_384, ge=1)
    """n, the targets that are drawn in a step, where ``noise`` is a function."""
    passes: int = Field(default=1, ge=1)
    """How often the ascent goes through them."""
    temperature: float = Field(default=0.1, ge=0)
    """Softness of the cells' borders, in units of the typical difference between the best and
    the second best score; 0 for hard cells. Soft borders lend targets to several cells, which
    steadies the centroids and shortens them a little."""
    rate: float = Field(default=0.3, gt=0)
    """Length of the first steps of the ascent, in the same unit."""
    tolerance: float = Field(default=0.3, gt=0)
    """Root mean square of ``b * mass - 1`` up to which the ascent counts as converged. Sampling
    alone makes it ``sqrt(b / n)`` for hard cells."""

    @torch.no_grad()
    def cells(self, z: Tensor, noise: Noise, potential: Tensor | None = None) -> Cells:
        """Estimate the cell of each sample.

        Args:
            z: Tensor[b, d], the anchors; half precision is widened to float32.
            noise: Tensor[n, d] of targets, used for the potentials and for the centroids; or a
                function from a count to that many fresh targets.
            potential: Tensor[b], where to start, such as the potentials of the same samples a
                while ago. By default 0, which one pass makes up for.

        Raises:
            MatchingError: there is no anchor or no target, shapes do not fit, or an anchor holds
                NaN or infinity.
        """
        with torch.autocast(z.device.type, enabled=False):
            z = z if z.dtype == torch.float64 else z.float()
            source = _Source(noise, self.points, z)
            unit = _typical_difference(z, source.first(_SAMPLE))
            if potential is not None and potential.shape != z.shape[:1]:
                raise MatchingError(
                    f"potentials need the shape [{len(z)}], one for each sample, "
                    f"got {list(potential.shape)}"
                )
            found, updates = self._ascend(z, source, unit, potential)
            centroid, mass = self._measure(z, source, unit, found)
        error = (len(z) * mass - 1).square().mean().sqrt()
        return Cells(
            centroid.to(z.dtype),
            mass.to(z.dtype),
            found - found.mean(),
            updates,
            bool(error <= self.tolerance),
        )

    def _ascend(
        self, z: Tensor, source: "_Source", unit: float, potential: Tensor | None
    ) -> tuple[Tensor, int]:
        """Potentials [b], averaged over the second half of the updates, and their number."""
        b = len(z)
        each = max(1, source.count // min(max(b, 64), 1024))
        batch = -(-source.count // each)
        updates = -(-source.count // batch) * self.passes
        # A batch much smaller than b says little about each cell.
        rate = self.rate * min(1.0, batch / b)
        warm = potential is not None
        temperature = self.temperature if warm else _WARMEST
        current = torch.zeros_like(z[:, 0]) if potential is None else potential.to(z)
        average = torch.zeros_like(current)
        points = source.points(batch, self.passes)
        coldest = max(self.temperature, _COLDEST)
        cooling = min(_COOLING, (coldest / _WARMEST) ** (1 / (_COOL_AFTER * updates)))
        for update in range(updates):
            shares = _shares(next(points), z, current, temperature * unit)
            step = rate / (1 + (update + 3 * _SETTLING * warm) / _SETTLING) ** _POWER
            if temperature > coldest:
                step = max(step, temperature)
            excess = (b * shares.mean(0) - 1).clamp_max(_LARGEST_STEP)
            current = current - step * unit * excess
            temperature = temperature * cooling
            if temperature < coldest:
                temperature = self.temperature
            if update >= updates // 2:
                average += current
        return average / (updates - updates // 2), updates

    def _measure(
        self, z: Tensor, source: "_Source", unit: float, potential: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Centroids float64[b, d] and masses float64[b] of the cells."""
        total = torch.zeros_like(z, dtype=torch.float64)
        mass = total.new_zeros(len(z))
        for points in source.points(max(1, _PAIRS // len(z)), 1):
            shares = _shares(points, z, potential, self.temperature * unit)
            total += (shares.mT @ points).double()
            mass += shares.sum(0, dtype=torch.float64)
        empty = mass == 0
        if empty.any():
            total[empty] = self._nearest(z[empty], z, source, potential, potential[empty])
        centroid = total / torch.where(empty, 1.0, mass)[:, None]
        return centroid, mass / mass.sum()

    def _nearest(
        self, z: Tensor, everyone: Tensor, source: "_Source", potential: Tensor, own: Tensor
    ) -> Tensor:
        """The target that comes nearest to each cell that has none: float64[len(z), d]."""
        nearest = torch.full_like(own, -torch.inf)
        found = torch.zeros_like(z)
        for points in source.points(max(1, _PAIRS // len(everyone)), 1):
            best = torch.addmm(potential, points, everyone.mT).amax(1, keepdim=True)
            margin, which = (torch.addmm(own, points, z.mT) - best).max(0)
            found = torch.where((margin > nearest)[:, None], points[which], found)
            nearest = torch.maximum(nearest, margin)
        return found.double()


class _Source:
    """Targets, a few at a time: from a tensor over and over, or fresh from a function."""

    def __init__(self, noise: Noise, count: int, z: Tensor) -> None:
        if z.ndim != 2 or len(z) == 0:
            raise MatchingError(f"anchors need the shape [b, d] with b >= 1, got {list(z.shape)}")
        bad = ~torch.isfinite(z).all(1)
        if bad.any():
            raise MatchingError(
                f"anchor {int(bad.nonzero()[0])} holds NaN or infinity; check the features"
            )
        self.noise = noise
        self.z = z
        self.count = len(noise) if isinstance(noise, Tensor) else count
        if self.count == 0:
            raise MatchingError("cells need targets to be made of; give at least one")

    def first(self, count: int) -> Tensor:
        """Some targets, at most ``count``."""
        return next(self.points(min(count, self.count), 1))

    def points(self, size: int, passes: int) -> Iterator[Tensor]:
        """Tensors [c, d] with c <= size, in one pass or several; all of a kind of the anchors."""
        for _ in range(passes):
            for start in range(0, self.count, size):
                count = min(size, self.count - start)
                if isinstance(self.noise, Tensor):
                    few = self.noise[start : start + count]
                else:
                    few = self.noise(count)
                if few.shape != (count, self.z.shape[1]):
                    raise MatchingError(
                        f"targets need the shape [{count}, {self.z.shape[1]}], as long as the "
                        f"anchors are, got {list(few.shape)}"
                    )
                yield few.to(self.z)


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
    # Of equal anchors no score is better; the cells are shares of 1 / b then.
    return max(spread, math.sqrt(torch.finfo(z.dtype).tiny))
