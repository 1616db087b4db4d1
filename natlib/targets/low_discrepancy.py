"""Targets that fill space more evenly than independent random ones."""

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

# Bits of a point's number within one scrambled sequence, as SobolEngine has them.
_BITS = 30
# Bits of that number that are looked up at once.
_DIGIT = 6
_SHIFTS = 3  # last word of a Philox counter; see natlib.targets.philox


@register
class LowDiscrepancy(TargetDistribution):
    """Scrambled Sobol points, mapped to the sphere or to a Gaussian.

    Sobol points (Sobol' 1967; direction numbers of Joe & Kuo 2008), scrambled by random linear
    maps and a shift (Matousek 1998), are mapped by the inverse normal distribution function, and
    for the sphere normalised. Each point is distributed as ``uniform_sphere`` or ``gaussian``;
    consecutive ones keep apart, so the mean of a function over n of them has a smaller error.
    The gain is large in few dimensions and small in many. The first 2^30 points are those of
    torch's ``SobolEngine``; later ones, each layer of a bank and each process of a stream have
    an additional random shift of their own.
    """

    kind: Literal["low_discrepancy"] = "low_discrepancy"
    onto: Literal["sphere", "gaussian"] = "sphere"
    """What the points are mapped to; the Gaussian has a mean squared norm of 1."""
    dim: int = Field(default=128, ge=1)
    """Length d of a target vector, at most 21,201: there are direction numbers for no more."""

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
        # The upper half of the unit interval is computed as the mirror image of the lower one,
        # which is precise near 0: points are exactly symmetric, and finite in float32.
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
    """Points int32[b, d] of slots int64[b] modulo 2^30, in units of 2^-30."""
    shift, digits = _tables(seed, dim)
    number = slot & (2**_BITS - 1)
    gray = number ^ (number >> 1)
    points = shift.to(slot.device, non_blocking=True).expand(len(slot), dim).clone()
    for position, table in enumerate(digits.to(slot.device, non_blocking=True)):
        digit = (gray >> (_DIGIT * position)) & (2**_DIGIT - 1)
        points ^= table[digit]
    return points


def _shifts(seed: int, dim: int, block: Tensor) -> Tensor:
    """The shifts of blocks int64[b] of 2^30 points, int32[b, d] in units of 2^-30: 0 for the first
    block, random for others.
    """
    wanted, place = block, None
    if is_synchronous(block.device):
        # A batch lies in a few blocks; finding them on an accelerator would make the host wait.
        wanted, place = block.unique(return_inverse=True)
    low, high = slot_halves(wanted[:, None])
    position = torch.arange(-(-dim // 4), device=block.device)[None]
    words = torch.stack(counter_words(seed, low, high, position, use=_SHIFTS), dim=-1)
    shift = (words.flatten(1)[:, :dim] >> (32 - _BITS)).to(torch.int32) * (wanted != 0)[:, None]
    return shift if place is None else shift[place]


@lru_cache(maxsize=16)
def _tables(seed: int, dim: int) -> tuple[Tensor, Tensor]:
    """The shift int32[d], and the term of each 6 bits of a Gray code: int32[5, 64, d]."""
    engine = SobolEngine(dim, scramble=True, seed=derived_seed(seed, 0))
    directions = engine.sobolstate.T.to(torch.int32).reshape(-1, _DIGIT, dim)
    digits = torch.zeros(len(directions), 2**_DIGIT, dim, dtype=torch.int32)
    for bit in range(_DIGIT):
        # Numbers whose highest bit this is: the term of the lower bits, combined with this bit's.
        digits[:, 2**bit : 2 ** (bit + 1)] = digits[:, : 2**bit] ^ directions[:, bit, None]
    return engine.shift.to(torch.int32), digits
