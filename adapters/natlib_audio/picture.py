"""Thumbnails of clips: the wave above its spectrogram."""

import numpy as np
import numpy.typing as npt

__all__ = ["draw", "spectrogram"]

_WIDTH = 160
_WAVE_HEIGHT = 24
_BAND_HEIGHT = 64
_INK = (47, 111, 178)
# From empty to loud: dark blue, violet, red, orange, pale yellow.
_COLOURS = np.array([(8, 12, 44), (84, 20, 109), (187, 55, 84), (249, 142, 9), (252, 255, 190)])
# Powers more than 60 dB below the loudest are drawn as empty (in natural logarithms).
_RANGE = 6 * np.log(10)


def draw(wave: npt.NDArray[np.float32], spectrum: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Pixels uint8[88, 160, 3].

    Args:
        wave: float32[t].
        spectrum: float32[bands, frames], logarithms of power; low bands are drawn at the bottom.
    """
    return np.concatenate([_wave(wave), spectrogram(spectrum)])


def _wave(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Lowest to highest value in each column; the loudest fills the height."""
    pixels = np.full((_WAVE_HEIGHT, _WIDTH, 3), 255, np.uint8)
    edge = np.linspace(0, len(wave), _WIDTH + 1).astype(int)
    first = np.minimum(edge[:-1], len(wave) - 1)
    high, low = np.maximum.reduceat(wave, first), np.minimum.reduceat(wave, first)
    scale = (_WAVE_HEIGHT - 1) / 2 / max(float(np.abs(wave).max()), 1e-9)
    middle = (_WAVE_HEIGHT - 1) / 2
    top = np.round(middle - high * scale).astype(int)
    bottom = np.round(middle - low * scale).astype(int)
    row = np.arange(_WAVE_HEIGHT)[:, None]
    pixels[(row >= top) & (row <= bottom)] = _INK
    return pixels


def spectrogram(spectrum: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Pixels uint8[64, 160, 3] of float32[bands, frames]; see :func:`draw`."""
    bands = (np.arange(_BAND_HEIGHT) * len(spectrum) // _BAND_HEIGHT)[::-1]
    frames = np.arange(_WIDTH) * spectrum.shape[1] // _WIDTH
    share = 1 + (spectrum[bands][:, frames] - spectrum.max()) / _RANGE
    place = np.clip(share, 0, 1) * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_COLOURS) - 2)
    part = (place - below)[..., None]
    colour = _COLOURS[below] * (1 - part) + _COLOURS[below + 1] * part
    return np.asarray(colour.round(), dtype=np.uint8)
