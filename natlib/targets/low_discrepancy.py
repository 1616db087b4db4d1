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
from natlib.targets.philox import counter_words, derived_seed, slot_halves
from natlib.targets.sphere import normalise_
from natlib.targets.synchronous import is_synchronous

__all__ = ["LowDiscrepancy"]

# Points of one scrambled sequence: SobolEngine has 30 bits.
_BITS = 30
# So many bits of a point's number are looked up at once.
_DIGIT = 6
_SHIFTS = 3  # the use of Philox words, see natlib.targets.philox


@register
class LowDiscrepancy(TargetDistribution):
    """Scrambled Sobol points, carried to the sphere or to a Gaussian.

    Sobol points (Sobol' 1967; direction numbers of Joe & Kuo 2008), scrambled by random linear
    maps and a shift (Matousek 1998), go through the inverse normal distribution function, and
    onto the sphere by normalising. Each point has the law of ``uniform_sphere`` or ``gaussian``;
    consecutive ones avoid each other, so that the mean of a function over n of them errs less.
    The gain is large for few dimensions and small for many. The first 2^30 points are those of
    torch's own ``SobolEngine``; the next ones, and each layer of a bank and each process of a
    stream, have a random shift of their own on top.
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
        points = _sobol(self.seed, self.dim, flat).bitwise_xor_(
            _shifts(self.seed, self.dim, flat >> _BITS)
        )
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


def _sobol(seed: int, dim: int, slot: Tensor) -> Tensor:
    """Points int32[b, d] of the first block, in units of 2^-30, that slots int64[b] repeat."""
    shift, digits = _tables(seed, dim)
    number = slot & (2**_BITS - 1)
    gray = number ^ (number >> 1)
    points = shift.to(slot.device, non_blocking=True).expand(len(slot), dim).clone()
    for position, table in enumerate(digits.to(slot.device, non_blocking=True)):
        digit = (gray >> (_DIGIT * position)) & (2**_DIGIT - 1)
        points ^= table[digit]
    return points


def _shifts(seed: int, dim: int, block: Tensor) -> Tensor:
    """What int64[b] blocks of points are shifted by, int32[b, d] in units of 2^-30: 0 for the
    first block, random for others.
    """
    wanted, place = block, None
    if is_synchronous(block.device):
        # A batch lies in a few blocks; an accelerator is not asked in which.
        wanted, place = block.unique(return_inverse=True)
    low, high = slot_halves(wanted[:, None])
    position = torch.arange(-(-dim // 4), device=block.device)[None]
    words = torch.stack(counter_words(seed, low, high, position, use=_SHIFTS), dim=-1)
    shift = (words.flatten(1)[:, :dim] >> (32 - _BITS)).to(torch.int32) * (wanted != 0)[:, None]
    return shift if place is None else shift[place]


@lru_cache(maxsize=16)
def _tables(seed: int, dim: int) -> tuple[Tensor, Tensor]:
    """The shift int32[d] and, for every 6 bits of a Gray code, what they add: int32[5, 64, d]."""
    engine = SobolEngine(dim, scramble=True, seed=derived_seed(seed, 0))
    directions = engine.sobolstate.T.to(torch.int32).reshape(-1, _DIGIT, dim)
    digits = torch.zeros(len(directions), 2**_DIGIT, dim, dtype=torch.int32)
    for bit in range(_DIGIT):
        # All numbers that have this bit and no higher one: those below it, and the bit.
        digits[:, 2**bit : 2 ** (bit + 1)] = digits[:, : 2**bit] ^ directions[:, bit, None]
    return engine.shift.to(torch.int32), digits
