"""Log-mel spectrograms of whole batches, with torchaudio."""

import math
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Settings
from natlib.errors import ConfigError

if TYPE_CHECKING:
    from torchaudio.transforms import MelScale, Spectrogram

__all__ = ["Mel", "band_hertz", "frames", "log_mel", "valid_frames", "warped_bands"]

# Added to the power of a band, for waves in [-1, 1]: about 80 dB below a loud sine.
_FLOOR = 1e-4
# Waves are processed in parts of so many values, so that spectra stay in the caches of a CPU.
_PART = 1 << 20


class Mel(Settings):
    """How a log-mel spectrogram is computed."""

    bands: int = Field(default=64, ge=4, le=4096)
    """Bands on the mel scale."""
    window: float = Field(default=0.025, gt=0, le=60)
    """Length of a frame in seconds."""
    hop: float = Field(default=0.010, gt=0, le=60)
    """Seconds from one frame to the next."""
    low: float = Field(default=60.0, ge=0)
    """Lowest frequency in hertz."""
    high: float | None = Field(default=None, gt=0)
    """Highest frequency in hertz; by default half the rate."""

    def hop_length(self, rate: int) -> int:
        """Values from one frame to the next."""
        return max(1, round(self.hop * rate))

    def top(self, rate: int) -> float:
        """Highest frequency in hertz."""
        return rate / 2 if self.high is None else min(self.high, rate / 2)


def frames(settings: Mel, length: int, rate: int) -> int:
    """Number of frames of a wave; the first is centred on its first value."""
    return length // settings.hop_length(rate) + 1


def log_mel(settings: Mel, wave: Tensor, rate: int) -> Tensor:
    """Natural logarithm of the power in each band, float32[b, bands, frames].

    Args:
        settings: bands and frames.
        wave: float32[b, t].
        rate: sampling rate in hertz.

    Raises:
        ConfigError: bands, window and rate do not fit together.
    """
    spectrogram, mel_scale = _transforms(settings, rate, wave.device)
    step = max(1, _PART // max(1, wave.shape[1]))
    parts = []
    for part in wave.split(step):
        spectrum = spectrogram(part)
        # torchaudio's own power spectrum takes a root first, which makes it three times slower.
        power = spectrum.real.square() + spectrum.imag.square()
        parts.append(mel_scale(power).add_(_FLOOR).log_())
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def valid_frames(settings: Mel, valid: Tensor, rate: int) -> Tensor:
    """bool[b, frames]: the frames whose centre is on a valid value, bool[b, t]; at least one.

    A clip that is shorter than a hop may lie between two centres; then the nearest frame is valid.
    """
    hop, count = settings.hop_length(rate), frames(settings, valid.shape[1], rate)
    middle = (torch.arange(count, device=valid.device) * hop).clamp(max=valid.shape[1] - 1)
    found = valid[:, middle]
    first = (valid.int().argmax(1).float() / hop).round().long().clamp(max=count - 1)
    lost = ~found.any(1, keepdim=True)
    nearest = torch.arange(count, device=valid.device) == first[:, None]
    return found | (lost & nearest)


def band_hertz(settings: Mel, rate: int) -> list[float]:
    """Centre frequency of each band in hertz."""
    low, high = _mel(settings.low), _mel(settings.top(rate))
    steps = (high - low) / (settings.bands + 1)
    return [700 * (10 ** ((low + steps * (i + 1)) / 2595) - 1) for i in range(settings.bands)]


def warped_bands(settings: Mel, rate: int, factor: Tensor) -> Tensor:
    """Position of each band after frequencies are multiplied: float32[b, bands], in bands.

    Args:
        settings: the bands.
        rate: sampling rate in hertz.
        factor: float32[b], the factor of each clip.
    """
    hertz = torch.tensor(band_hertz(settings, rate), device=factor.device)
    mel = 2595 * torch.log10(1 + factor[:, None] * hertz / 700)
    low, high = _mel(settings.low), _mel(settings.top(rate))
    place = (mel - low) / (high - low) * (settings.bands + 1) - 1
    return place.clamp(0, settings.bands - 1)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


@lru_cache(maxsize=16)
def _transforms(settings: Mel, rate: int, device: torch.device) -> "tuple[Spectrogram, MelScale]":
    from torchaudio.transforms import MelScale, Spectrogram

    window, top = max(2, round(settings.window * rate)), settings.top(rate)
    if settings.low >= top:
        raise ConfigError(
            f"data.mel.low is {settings.low:g} Hz, but the highest frequency is {top:g} Hz; lower "
            "it, or raise data.rate or data.mel.high"
        )
    # Twice the size of the window, since low bands are narrower than its resolution.
    size = 2 * 2 ** math.ceil(math.log2(window))
    spectrogram = Spectrogram(
        size, window, settings.hop_length(rate), power=None, pad_mode="constant"
    )
    with warnings.catch_warnings():
        # It warns about empty bands, which are an error here.
        warnings.simplefilter("ignore")
        mel_scale = MelScale(settings.bands, rate, settings.low, top, size // 2 + 1)
    empty = int((mel_scale.fb.amax(0) == 0).sum())
    if empty:
        raise ConfigError(
            f"{empty} of {settings.bands} mel bands are narrower than the resolution in frequency; "
            "lower data.mel.bands, or raise data.mel.window or data.mel.low"
        )
    return spectrogram.to(device), mel_scale.to(device)
