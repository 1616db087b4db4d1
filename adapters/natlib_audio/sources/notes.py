"""Synthesised notes, labelled by timbre: a source that needs no data."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from natlib.data import Source, Split
from natlib.data.files import NumberedNames
from natlib_audio.sources.timbres import TIMBRES, note

__all__ = ["Notes", "NotesSplit"]

RATE = 8_000
"""Sampling rate in hertz."""

_SECONDS = 1.0
_COUNTS: dict[Split, int] = {"train": 1600, "test": 400}
_STREAM: dict[Split, int] = {"train": 0, "test": 1}
# Raised when the synthesis changes; it is part of the digest.
_VERSION = b"notes 1"


class NotesSplit:
    """The notes of one split; note i is synthesised on demand and depends on i alone.

    Args:
        split: ``train`` or ``test``.
    """

    def __init__(self, split: Split) -> None:
        self._split: Split = split
        self.classes = list(TIMBRES)
        self.names: Sequence[str] = NumberedNames(f"{split}-note", _COUNTS[split])
        self.labels: Tensor | None = torch.arange(_COUNTS[split]) % len(self.classes)

    def __len__(self) -> int:
        return _COUNTS[self._split]

    def item(self, index: int) -> tuple[npt.NDArray[np.float32], int]:
        """A second of sound, and its rate."""
        return _synthesise(self._split, index).copy(), RATE

    def digest(self) -> bytes:
        return hashlib.sha256(_VERSION + self._split.encode()).digest()


class Notes(Source):
    """Notes of eight timbres, 110 to 880 Hz, each with its own frequency response and noise."""

    def split(self, split: Split, cache: Path | None = None) -> NotesSplit | None:
        return NotesSplit(split) if split in _COUNTS else None


# All of them, 64 MB: to synthesise a note takes longer than to train on it.
@lru_cache(maxsize=sum(_COUNTS.values()))
def _synthesise(split: Split, index: int) -> npt.NDArray[np.float32]:
    random = np.random.Generator(np.random.Philox(key=[_STREAM[split], index]))
    timbre = list(TIMBRES.values())[index % len(TIMBRES)]
    pitch = 440.0 * 2 ** (random.uniform(-24, 12) / 12)
    seconds = random.uniform(0.45, 0.95)
    sound = _recorded(note(timbre, pitch, seconds, RATE, random), random)
    room = round(_SECONDS * RATE) - len(sound)
    start = random.integers(room + 1)
    wave = np.pad(sound, (start, room - start))
    power = np.square(sound).mean()
    hiss = np.sqrt(power / 10 ** (random.uniform(10, 30) / 10))
    wave = wave + hiss * random.standard_normal(len(wave))
    peak = random.uniform(0.1, 0.9)
    sample: npt.NDArray[np.float32] = (peak * wave / np.abs(wave).max()).astype(np.float32)
    return sample


def _recorded(
    sound: npt.NDArray[np.float64], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """The sound with a random, smooth frequency response, as of a microphone."""
    spectrum = np.fft.rfft(sound)
    octave = np.log2(np.linspace(1, len(spectrum), len(spectrum)) / len(spectrum)) + 6
    decibels = np.interp(octave, np.arange(7), random.normal(0, 6, 7))
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(sound))
