"""Waves at another rate, through torchaudio."""

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

__all__ = ["resample", "resampled_length"]

# Denominators up to this: 44,100 to 16,000 Hz is 441 to 160. Rates without a common divisor would
# need filters of gigabytes; with this limit they are off by less than one in a million.
_LARGEST = 1_000


def resample(wave: Tensor, old: int, new: int) -> Tensor:
    """Waves float32[..., t] at a new rate, float32[..., resampled_length(t)]."""
    if old == new:
        return wave
    above, below = _ratio(old, new)
    resampler = _resampler(above, below, wave.device)
    result: Tensor = resampler(wave)
    return result[..., : resampled_length(wave.shape[-1], old, new)]


def resampled_length(length: int, old: int, new: int) -> int:
    """Values after resampling, at least one."""
    above, below = _ratio(old, new)
    return max(1, length * below // above)


@lru_cache(maxsize=64)
def _ratio(old: int, new: int) -> tuple[int, int]:
    ratio = Fraction(old, new).limit_denominator(_LARGEST)
    return ratio.numerator, ratio.denominator


@lru_cache(maxsize=32)
def _resampler(above: int, below: int, device: torch.device) -> "Resample":
    from torchaudio.transforms import Resample

    return Resample(above, below).to(device)
