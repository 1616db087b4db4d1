"""Resample waves, with torchaudio."""

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

__all__ = ["resample", "resampled_length"]

# Largest denominator of the ratio of two rates, 441 / 160 from 44,100 to 16,000 Hz for example.
# Rates without a common divisor would need filters of gigabytes; with this limit the new rate is
# wrong by less than one part in a million.
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
    """Number of values after resampling, at least one."""
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
