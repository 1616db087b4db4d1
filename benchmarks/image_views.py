"""Augmented views per second: natlib_image, lightly's SimCLRTransform, and kornia.

lightly works in the worker processes of a DataLoader, image by image; natlib_image and
kornia on whole batches in the training process. All three draw the same augmentations.

    python benchmarks/image_views.py --size 32 --images 4096 --workers 2
"""

import argparse
import time
from collections.abc import Callable, Iterable

import kornia.augmentation as K
import numpy as np
import torch
from PIL import Image as PILImage
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from natlib.data import DecodedSamples, load_batches
from natlib_image import Augmentation, Image
from natlib_image.decoder import ImageDecoder
from natlib_image.sources.arrays import ArrayImages

BATCH = 256


class _Pictures(Dataset[list[Tensor]]):
    def __init__(self, pixels: np.ndarray, transform: Callable[..., list[Tensor]]) -> None:
        self.pixels = pixels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> list[Tensor]:
        return self.transform(PILImage.fromarray(self.pixels[index]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size = options.size
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (options.images, size, size, 3), dtype=np.uint8)
    modality = Image(size=size, resize=size, augment=Augmentation(blur=0.0))
    names = [str(row) for row in range(len(pixels))]
    samples = DecodedSamples(ArrayImages(pixels, names, None, []), ImageDecoder(size), 2.0)
    samples.preload(workers=0)
    batches = [
        list(range(first, min(first + BATCH, len(pixels))))
        for first in range(0, len(pixels), BATCH)
    ]

    def ours() -> Iterable[list[Tensor]]:
        for batch in load_batches(modality, samples, batches, device=torch.device("cpu")):
            yield modality.views(batch, 2)

    chain = K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(p=0.5),
        K.ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.Normalize(torch.tensor(modality.mean), torch.tensor(modality.std)),
        data_keys=["input"],
    )

    def with_kornia() -> Iterable[list[Tensor]]:
        for batch in load_batches(modality, samples, batches, device=torch.device("cpu")):
            images = batch.data["pixels"].float() / 255
            yield [chain(images), chain(images)]

    def with_lightly() -> Iterable[list[Tensor]]:
        from lightly.transforms import SimCLRTransform

        transform = SimCLRTransform(
            input_size=size,
            cj_strength=0.5,
            cj_hue=0.2,
            cj_sat=0.4,
            min_scale=0.2,
            gaussian_blur=0.0,
        )
        data = _Pictures(pixels, transform)
        yield from DataLoader(data, BATCH, num_workers=options.workers)

    for name, run in (
        ("natlib_image", ours),
        ("kornia", with_kornia),
        (f"lightly, {options.workers} workers", with_lightly),
    ):
        next(iter(run()))  # imports, and what is set up at the first call
        started = time.perf_counter()
        views = sum(len(view) for pair in run() for view in pair)
        print(f"{name}: {views / (time.perf_counter() - started):,.0f} views/s")


if __name__ == "__main__":
    main()
