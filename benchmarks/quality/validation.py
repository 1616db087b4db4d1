"""Training samples in two parts, so that settings are never chosen on test samples.

Each function takes the data of an arena, a folder to write to and the share that is set aside, and
returns data of the same form: training samples alone, some of which are called ``test``. What it
makes is made once; if it is cut off, the same call goes on.
"""

import contextlib
import csv
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Validation", "validation_folder", "validation_speakers", "validation_table"]

Validation = Callable[[Path, Path, float], Path]


def validation_folder(data: Path, folder: Path, held_out: float) -> Path:
    """Links to ``train/<class>/``, a share of each class in ``test/``."""

    def aside(number: int, files: list[Path]) -> set[Path]:
        random.Random(number).shuffle(files)
        return set(files[: round(held_out * len(files))])

    return _linked(data, folder, aside)


def validation_speakers(data: Path, folder: Path, held_out: float) -> Path:
    """The same with whole speakers set aside, by what stands before ``_`` in the name of a clip:
    those of the test clips are never heard in training either.
    """
    speakers = sorted({_speaker(clip) for clip in (data / "train").glob("*/*")})
    random.Random(0).shuffle(speakers)
    held = set(speakers[: round(held_out * len(speakers))])
    return _linked(data, folder, lambda _, clips: {c for c in clips if _speaker(c) in held})


def validation_table(data: Path, folder: Path, held_out: float) -> Path:
    """A table of the rows of ``data`` whose split is ``train``, a share of each label ``test``."""
    target = folder / "validation.csv"
    if target.exists():
        return target
    with data.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    aside: set[int] = set()
    for number, label in enumerate(sorted({row["label"] for row in rows})):
        own = [place for place, row in enumerate(rows) if row["label"] == label]
        random.Random(number).shuffle(own)
        aside |= set(own[: round(held_out * len(own))])
    with _beside(target) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "label", "text"])
        for place, row in enumerate(rows):
            split = "test" if place in aside else "train"
            writer.writerow([split, row["label"], row["text"]])
    return target


def _speaker(clip: Path) -> str:
    return clip.name.split("_")[0]


def _linked(data: Path, folder: Path, aside: Callable[[int, list[Path]], set[Path]]) -> Path:
    if (folder / "complete").exists():
        return folder
    for number, kind in enumerate(sorted(path for path in (data / "train").iterdir())):
        files = sorted(kind.iterdir())
        held = aside(number, list(files))
        for file in files:
            target = folder / ("test" if file in held else "train") / kind.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            # There already if this was cut off, or if another process does the same.
            with contextlib.suppress(FileExistsError):
                os.symlink(file.resolve(), target)
    (folder / "complete").touch()
    return folder


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A file that takes the place of ``target`` when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    yield partial
    partial.replace(target)
