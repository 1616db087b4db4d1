"""Collate decoded images of different sizes into a batch."""

from collections.abc import Sequence

import torch

from natlib.data import Batch, Unreadable
from natlib_image.decoding import DecodedImage

__all__ = ["collate"]


def collate(samples: Sequence[DecodedImage | Unreadable]) -> Batch:
    """A batch whose ``data`` holds ``pixels``, ``height`` and ``width``.

    ``pixels`` is uint8[b, 3, H, W], padded with zeros on the right and at the bottom to the largest
    size in the batch; ``height`` and ``width`` are int64[b], the size without padding.
    """
    good = [sample for sample in samples if isinstance(sample, DecodedImage)]
    extents = torch.tensor([sample.pixels.shape[1:] for sample in good], dtype=torch.int64)
    extents = extents.view(-1, 2)
    if len({sample.pixels.shape for sample in good}) == 1:
        pixels = torch.stack([sample.pixels for sample in good])
    else:
        height, width = extents.amax(0).tolist() if good else (1, 1)
        pixels = torch.zeros(len(good), 3, height, width, dtype=torch.uint8)
        for row, sample in zip(pixels, good, strict=True):
            row[:, : sample.pixels.shape[1], : sample.pixels.shape[2]] = sample.pixels
    return Batch(
        index=torch.tensor([sample.index for sample in good], dtype=torch.int64),
        data={"pixels": pixels, "height": extents[:, 0].clone(), "width": extents[:, 1].clone()},
        unreadable=[sample for sample in samples if isinstance(sample, Unreadable)],
    )
