"""Made-up images that the tests of this folder share."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PILImage

from natlib.data import Batch
from natlib_image import Augmentation, Image
from natlib_image.decoding import DecodedImage


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Random RGB pixels uint8[h, w, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramp(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Smooth RGB pixels, so that JPEG and scaling change them little."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * x / max(1, width - 1), 255 * y / max(1, height - 1), np.full_like(x, 90)]
    return np.stack(planes, -1).round().astype(np.uint8)


def write(path: Path, pixels: npt.NDArray[np.uint8] | None = None) -> Path:
    """Save an image (8 x 8 noise by default), making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = noise(8, 8, seed=len(path.name)) if pixels is None else pixels
    PILImage.fromarray(array).save(path)
    return path


def tree(root: Path, *names: str) -> Path:
    """A folder with a small image under each name."""
    for name in names:
        write(root / name)
    return root


def batch_of(*images: npt.NDArray[np.uint8]) -> Batch:
    """A collated batch of RGB arrays uint8[h, w, 3]."""
    modality = Image(size=8, resize=8)
    samples = [
        DecodedImage(index, torch.from_numpy(image.transpose(2, 0, 1).copy()))
        for index, image in enumerate(images)
    ]
    return modality.collate(samples)


NOTHING = Augmentation(crop="plain", flip=0.0, jitter=0.0, grey=0.0, blur=0.0, solarise=0.0)
"""Every operation turned off."""
