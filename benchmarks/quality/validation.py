"""Training images in two parts, so that settings are never chosen on test images."""

import os
import random
from pathlib import Path

__all__ = ["validation_folder"]


def validation_folder(data: Path, folder: Path, held_out: float) -> Path:
    """A folder of links: ``train/`` without some images of each class, which are in ``test/``.

    Args:
        data: has ``train/<class>/``; nothing else is looked at.
        folder: where to.
        held_out: share of each class.
    """
    if (folder / "complete").exists():
        return folder
    for number, kind in enumerate(sorted(path for path in (data / "train").iterdir())):
        images = sorted(kind.iterdir())
        random.Random(number).shuffle(images)
        aside = round(held_out * len(images))
        for split, chosen in (("test", images[:aside]), ("train", images[aside:])):
            (folder / split / kind.name).mkdir(parents=True, exist_ok=True)
            for image in chosen:
                link = folder / split / kind.name / image.name
                if not link.is_symlink():
                    os.symlink(image.resolve(), link)
    (folder / "complete").touch()
    return folder
