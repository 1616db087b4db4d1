"""Measure training clips: their rate and length, and the mean and deviation of inputs."""

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import soundfile
from torch import Tensor

from natlib.data import SampleSet, Source, evenly_spaced
from natlib.errors import DataError
from natlib_audio.decoding import Clip

__all__ = ["input_statistics", "natural_form"]

_PEEK = 64
_LOWEST_RATE = 1_000
_HIGHEST_RATE = 16_000
_LONGEST = 4.0
_SHORTEST = 0.1
# Clips that mean and deviation are computed from.
_MEASURED = 256


def natural_form(source: Source, name: str, longest: float) -> tuple[int, float]:
    """The rate in hertz and the length in seconds that suit the clips of a source.

    Raises:
        DataError: none of the first clips can be read.
    """
    rates, seconds = [], []
    for item in source.peek(_PEEK):
        try:
            rate, length = _form(item)
        except (soundfile.SoundFileError, OSError):  # damaged; the others will do
            continue
        rates.append(rate)
        seconds.append(length)
    if not rates:
        raise DataError(f"none of the first sounds in {name} can be read; are they sounds?")
    length = min(float(np.quantile(seconds, 0.9)), _LONGEST, longest)
    rate = min(max(round(median(rates)), _LOWEST_RATE), _HIGHEST_RATE)
    return rate, min(longest, max(_SHORTEST, round(length, 2)))


def input_statistics(
    clips: SampleSet, prepared: Callable[[Clip], Tensor], name: str
) -> tuple[float, float]:
    """Mean and standard deviation of the inputs that an encoder gets from training clips.

    Args:
        clips: the training clips.
        prepared: from a clip to its input [1, *input_shape], not normalised yet.
        name: what the source is called in messages.

    Raises:
        DataError: none of the clips that were tried can be read.
    """
    count = total = squares = 0.0
    for index in evenly_spaced(len(clips), _MEASURED):
        clip = clips[index]
        if not isinstance(clip, Clip):
            continue
        values = prepared(clip).double()
        # Padding is exactly 0 in every band, and takes no part.
        spoken = values[values.abs().amax(tuple(range(values.ndim - 1))).expand_as(values) > 0]
        count += spoken.numel()
        total += float(spoken.sum())
        squares += float(spoken.square().sum())
    if not count:
        raise DataError(f"none of the first sounds in {name} can be read; are they sounds?")
    mean = total / count
    std = max(squares / count - mean**2, 0.0) ** 0.5
    # A few digits, since a person reads them too.
    return _short(mean), max(_short(std), 1e-4)


def _form(item: Any) -> tuple[int, float]:
    if isinstance(item, tuple):
        return item[1], max(np.shape(item[0]), default=0) / item[1]
    info = soundfile.info(str(item))
    return info.samplerate, info.duration


def _short(value: float) -> float:
    return float(f"{value:.4g}")
