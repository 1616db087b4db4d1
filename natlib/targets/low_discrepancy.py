"""Targets that fill space more evenly than random ones do."""

import math
from functools import lru_cache
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.quasirandom import SobolEngine

from natlib.component import register
from natlib.targets.base import TargetDistribution
from natlib.targets.philox import derived_seed
from natlib.targets.sphere import normalise_

__all__ = ["LowDiscrepancy"]

# Points of one scrambled sequence: SobolEngine has 30 bits.
_BITS = 30
# So many bits of a point's number are looked up at once.
_DIGIT = 6


@register
class LowDiscrepancy(TargetDistribution):
    """Scrambled Sobol points, carried to the sphere or to a Gaussian.

    Sobol points (Sobol' 1967; direction numbers of Joe & Kuo 2008), scrambled by random linear
    maps and a shift (Matousek 1998), go through the inverse normal distribution function, and
    onto the sphere by normalising. Each point has the law of ``uniform_sphere`` or ``gaussian``;
    consecutive ones avoid each other, so that the mean of a function over n of them errs less.
    The gain is large for few dimensions and small for many. After 2^30 points comes another
    scrambling. The points are those of torch's own ``SobolEngine``.
    """

    kind: Literal["low_discrepancy"] = "low_discrepancy"
    onto: Literal["sphere", "gaussian"] = "sphere"
    """Where the points are carried to; the Gaussian has a mean squared norm of 1."""
    dim: int = Field(default=128, ge=1)
    """Length d of a target vector, at most 21,201, which is as far as direction numbers go."""

    @model_validator(mode="after")
    def _check_dim(self) -> Self:
        if self.dim > SobolEngine.MAXDIM:
            raise ValueError(
                f"dim is {self.dim}, and Sobol points have at most {SobolEngine.MAXDIM} "
                "dimensions; lower dim or use uniform_sphere"
            )
        return self

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        flat = slot.reshape(-1)
        block = flat >> _BITS
        points = torch.empty(len(flat), self.dim, dtype=torch.int32, device=slot.device)
        for number in block.unique().tolist():
            chosen = (block == number).nonzero().squeeze(1)
            points[chosen] = _sobol(self.seed, self.dim, number, flat[chosen])
        # The lower half of the unit interval keeps its precision near 0, and the upper one is
        # its mirror image: exactly symmetric, and finite in float32.
        upper = points >= 2 ** (_BITS - 1)
        points = torch.where(upper, (2**_BITS - 1) - points, points)
        tail = points.to(dtype).add_(0.5).mul_(2.0**-_BITS)
        normal = torch.special.ndtri(tail)
        rows = torch.where(upper, -normal, normal).reshape(*slot.shape, self.dim)
        return normalise_(rows) if self.on_sphere else rows.mul_(1 / math.sqrt(self.dim))

    @property
    def on_sphere(self) -> bool:
        return self.onto == "sphere"


def _sobol(seed: int, dim: int, block: int, slot: Tensor) -> Tensor:
    """Points int32[b, d] of one block, in units of 2^-30."""
    shift, digits = _tables(seed, dim, block)
    number = slot & (2**_BITS - 1)
    gray = number ^ (number >> 1)
    points = shift.to(slot.device).expand(len(slot), dim).clone()
    for position, table in enumerate(digits.to(slot.device)):
        digit = (gray >> (_DIGIT * position)) & (2**_DIGIT - 1)
        points ^= table[digit]
    return points


@lru_cache(maxsize=16)
def _tables(seed: int, dim: int, block: int) -> tuple[Tensor, Tensor]:
    """The shift int32[d] and, for every 6 bits of a Gray code, what they add: int32[5, 64, d]."""
    engine = SobolEngine(dim, scramble=True, seed=derived_seed(seed, block))
    directions = engine.sobolstate.T.to(torch.int32).reshape(-1, _DIGIT, dim)
    digits = torch.zeros(len(directions), 2**_DIGIT, dim, dtype=torch.int32)
    for bit in range(_DIGIT):
        # All numbers that have this bit and no higher one: those below it, and the bit.
        digits[:, 2**bit : 2 ** (bit + 1)] = digits[:, : 2**bit] ^ directions[:, bit, None]
    return engine.shift.to(torch.int32), digits
