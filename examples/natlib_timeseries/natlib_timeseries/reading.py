"""Where series come from: UCR folders, .npz files, or nowhere."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from torch import Tensor

from natlib.data import Split, encode_labels, unknown_source
from natlib.errors import DataError

PREFIX: dict[Split, str] = {"train": "", "val": "val_", "test": "test_"}


def read(source: str, split: Split) -> tuple[np.ndarray, Tensor | None, list[str]] | None:
    """Series float32[n, channels, time], labels and classes; None if there is no such split."""
    path = Path(source).expanduser()
    if not path.exists() and source != "waves":
        raise unknown_source(source, "a UCR folder, an .npz file or 'waves'", ["waves"])
    try:
        found = waves() if source == "waves" else (read_ucr if path.is_dir() else read_npz)(path)
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read as series: {error}; repair it") from error
    name = f"{PREFIX[split]}series"
    series = found.get(name)
    if series is None and split != "train":
        return None
    if series is None or series.ndim != 3 or not series.size:
        raise DataError(f"{path} has no '{name}' [n, channels, time], but {list(found)}")
    labels, classes = encode_labels(*(found.get(f"{p}labels") for p in PREFIX.values()))
    return series, labels[list(PREFIX).index(split)], classes


def read_ucr(folder: Path) -> dict[str, np.ndarray]:
    """NAME_TRAIN.tsv and NAME_TEST.tsv: a label and the values of one channel in each line."""
    found = {}
    for prefix, end in (("", "TRAIN"), ("test_", "TEST")):
        for path in list(folder.glob(f"*_{end}.tsv"))[:1]:
            table = np.loadtxt(path, delimiter="\t", ndmin=2, dtype=np.float32)
            found[f"{prefix}series"] = table[:, None, 1:]
            # As text, since some sets call a class -1, which would mean that there is no label.
            found[f"{prefix}labels"] = table[:, 0].astype(np.int64).astype(str)
    return found


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """``series`` and ``labels``, and the same with ``val_`` and ``test_``, if they are there."""
    if path.suffix != ".npz":
        raise ValueError("it is neither a UCR folder nor an .npz file")
    with np.load(path) as file:
        return {n: a.astype(np.float32) if n.endswith("series") else a for n, a in file.items()}


def waves() -> dict[str, np.ndarray]:
    """Synthetic: sines, squares and saws of random pitch and phase, in two noisy channels."""
    rng = np.random.default_rng(0)
    shape = rng.integers(0, 3, 500)
    turns = rng.uniform(2, 4, (500, 1)) * np.linspace(0, 1, 96) + rng.random((500, 1))
    kinds = np.stack([np.sin(2 * np.pi * turns), np.sign(turns % 1 - 0.5), 2 * (turns % 1) - 1])
    wave = kinds[shape, np.arange(500)]
    series = np.stack([wave, np.roll(wave, 12, axis=1)], axis=1)
    series = (series + rng.normal(0, 0.5, series.shape)).astype(np.float32)
    names = ("series", "labels", "test_series", "test_labels")
    return dict(zip(names, (series[:300], shape[:300], series[300:], shape[300:]), strict=True))
