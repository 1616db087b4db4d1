"""Sounds to test with, and files that hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from natlib.data import Batch
from natlib_audio.collating import collate
from natlib_audio.decoder import ClipDecoder

RATE = 8_000

Wave = npt.NDArray[np.float32]


def tone(hertz: float = 440.0, seconds: float = 0.5, rate: int = RATE, peak: float = 0.5) -> Wave:
    """A sine."""
    time = np.arange(round(seconds * rate)) / rate
    return (peak * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def hiss(seconds: float = 0.5, rate: int = RATE, seed: int = 0, peak: float = 0.1) -> Wave:
    """White noise."""
    values = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return (peak * values).astype(np.float32)


def write(path: Path, wave: npt.NDArray[Any], rate: int = RATE, subtype: str | None = None) -> Path:
    """A file of the kind that its name says; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, subtype=subtype)
    return path


def tree(root: Path, *names: str) -> Path:
    """A folder of tones, each file another pitch."""
    for number, name in enumerate(names):
        write(root / name, tone(200 + 50 * (number % 60)))
    return root


def write_labelled(root: Path, table: Path, count: int) -> None:
    """Short tones under ``low`` and ``high``, and a table that says so too."""
    lines = ["file,label"]
    for number in range(count):
        kind, hertz = (("low", 200), ("high", 1200))[number % 2]
        name = f"{kind}/{number // 2}.wav"
        write(root / name, tone(hertz + 2 * number, 0.2))
        lines.append(f"{name},{kind}")
    table.write_text("\n".join(lines) + "\n")


def batch_of(*waves: Wave, rate: int = RATE) -> Batch:
    """A batch of waves that have one rate."""
    clips = [ClipDecoder(rate, 60.0, 60.0).decode(index, wave) for index, wave in enumerate(waves)]
    return collate(clips, rate)
