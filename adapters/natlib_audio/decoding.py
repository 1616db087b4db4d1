"""Decode a file or an array to a mono wave."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor

from natlib.errors import DataError
from natlib_audio.channels import channels_last, mono

__all__ = ["EXTENSIONS", "UNAVAILABLE", "Clip", "decode"]

EXTENSIONS = ("aif", "aiff", "flac", "mp3", "oga", "ogg", "opus", "wav")
"""Suffixes of the names of sound files, in upper or lower case."""

UNAVAILABLE = {
    extension: f"another format (ffmpeg -i sound.{extension} sound.flac, say)"
    for extension in ("3gp", "aac", "ac3", "amr", "ape", "m4a", "m4b", "mka", "wma", "wv")
}
"""Suffixes of sound files that libsndfile cannot read, and what they need."""

# Rates beyond these come from damaged files, and resampling from them would take forever.
_RATES = (1_000, 1_000_000)


@dataclass(frozen=True)
class Clip:
    """One sample.

    Attributes:
        index: its stable index.
        wave: float32[t], mono, in [-1, 1] unless the file exceeds that.
        rate: sampling rate in hertz.
        cancelled: whether its channels cancel each other out, so that the wave is one of them.
        seconds: how long it is as stored, of which the wave may be the middle.
    """

    index: int
    wave: Tensor
    rate: int
    cancelled: bool = False
    seconds: float = 0.0


def decode(item: Any, longest: float, rate: int, index: int = 0) -> Clip:
    """A mono clip; a longer one is cut to its middle.

    Args:
        item: a path; an array [t], [t, channels] or [channels, t] of floats in [-1, 1] or of
            integers; or a pair of such an array and its rate.
        longest: seconds of a clip that are read.
        rate: the rate of an array that comes without one.
        index: the stable index of the sample.

    Channels become their mean, see :func:`natlib_audio.channels.mono`.

    Raises:
        DataError: the item has another form, is empty or silent, or holds NaN.
        soundfile.SoundFileError: libsndfile cannot read the file.
    """
    if isinstance(item, str | Path):
        values, rate, count = _read(item, longest)
    elif isinstance(item, tuple) and len(item) == 2:
        values, rate = _floats(item[0]), int(item[1])
        count = len(values)
    else:
        values = _floats(item)
        count = len(values)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"its rate is {rate:,} Hz; expected {_RATES[0]:,} to {_RATES[1]:,}")
    if not values.size:
        raise DataError("it is empty, or cut off before the first value")
    keep = max(1, round(longest * rate))
    start = max(0, (len(values) - keep) // 2)
    values = values[start : start + keep]
    wave, cancelled = mono(values)
    if not np.isfinite(wave).all():
        raise DataError("it holds NaN or infinity")
    # A constant is silence too: the offset of a microphone.
    if wave.min() == wave.max():
        raise DataError("it is silent: all values are the same")
    wave = np.ascontiguousarray(wave)
    return Clip(index, torch.from_numpy(wave), rate, cancelled, count / rate)


def _read(path: str | Path, longest: float) -> tuple[npt.NDArray[np.float32], int, int]:
    """The middle of a file, its rate, and how many values the whole has."""
    with soundfile.SoundFile(path) as file:
        keep = max(1, round(longest * file.samplerate))
        if file.frames > keep and file.seekable():
            file.seek((file.frames - keep) // 2)
        # A truncated file has fewer values than it declares.
        values = file.read(keep, dtype="float32", always_2d=True)
        return values, file.samplerate, file.frames


def _floats(item: Any) -> npt.NDArray[np.float32]:
    """An array as float32[t, channels]."""
    if isinstance(item, Tensor):
        item = item.detach().cpu().numpy()
    if not isinstance(item, np.ndarray):
        raise DataError(
            f"got a {type(item).__name__}; expected a path, an array, or a pair (array, rate)"
        )
    known = item.dtype.kind == "f" or item.dtype in (np.int16, np.int32)
    if item.ndim not in (1, 2) or not known:
        raise DataError(
            f"got an array of {item.dtype} {list(item.shape)}; "
            "expected floats, int16 or int32 [values], [values, channels] or [channels, values]"
        )
    values = np.ascontiguousarray(channels_last(item), dtype=np.float32)
    if item.dtype.kind == "i":
        values /= -float(np.iinfo(item.dtype).min)
    return values
