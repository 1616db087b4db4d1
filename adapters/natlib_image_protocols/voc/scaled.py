"""Images of a set with their boxes, scaled for a detector."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor
from torch.utils.data import Dataset

from natlib.errors import DataError
from natlib_image_protocols.voc.labelled import VocImage

__all__ = ["ScaledImage", "ScaledImages"]


class ScaledImage(NamedTuple):
    """An image and its objects.

    Attributes:
        pixels: uint8[3, h, w].
        boxes: float32[o, 4], left, top, right, bottom in these pixels.
        labels: int64[o], indices into the list of classes.
        difficult: bool[o], objects that are marked as difficult.
    """

    pixels: Tensor
    boxes: Tensor
    labels: Tensor
    difficult: Tensor


class ScaledImages(Dataset[ScaledImage]):
    """Images as a detector reads them.

    Args:
        images: images of the set.
        classes: names of the classes.
        short_side: pixels to which the short side of an image is scaled.
        long_side: largest long side in pixels; of very long images, the short side is then shorter
            than ``short_side``.
    """

    def __init__(
        self, images: Sequence[VocImage], classes: Sequence[str], short_side: int, long_side: int
    ) -> None:
        self._images = images
        self._number = {name: number for number, name in enumerate(classes)}
        self._short_side = short_side
        self._long_side = long_side

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> ScaledImage:
        """See :class:`ScaledImage`.

        Raises:
            DataError: the image cannot be decoded, or is not of the size that its annotation says.
        """
        image = self._images[index]
        annotation = image.annotation
        width, height = annotation.width, annotation.height
        scale = min(self._short_side / min(width, height), self._long_side / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = _pixels(image, size)
        objects = annotation.objects
        factor = torch.tensor([size[0] / width, size[1] / height] * 2)
        return ScaledImage(
            pixels,
            torch.tensor([item.box for item in objects]).view(-1, 4) * factor,
            torch.tensor([self._number[item.name] for item in objects], dtype=torch.int64),
            torch.tensor([item.difficult for item in objects], dtype=torch.bool),
        )


def _pixels(image: VocImage, size: tuple[int, int]) -> Tensor:
    """uint8[3, h, w]. Not rotated by EXIF, since boxes refer to pixels as the file stores them."""
    wanted = (image.annotation.width, image.annotation.height)
    try:
        with PILImage.open(image.path) as file:
            found = file.size
            if found == wanted:
                file.draft("RGB", size)
                scaled = file.convert("RGB").resize(
                    size, PILImage.Resampling.BILINEAR, reducing_gap=3.0
                )
    except MemoryError:
        raise
    # PIL raises nearly anything for a file that is damaged.
    except Exception as error:
        raise DataError(
            f"the image {image.path} cannot be read: {error}; "
            "replace it, or take its name out of ImageSets/Main"
        ) from error
    if found != wanted:
        raise DataError(
            f"{image.path} has {found[0]} x {found[1]} pixels, its annotation says "
            f"{wanted[0]} x {wanted[1]}; boxes would be misplaced, correct one of them"
        )
    return torch.from_numpy(np.asarray(scaled).transpose(2, 0, 1).copy())
