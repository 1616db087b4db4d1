"""A modality of labelled vectors: Gaussian blobs around fixed centres."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from natlib.component import register
from natlib.data import Batch, Modality, Split, Unreadable
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.errors import DataError

FEATURES = 12


class BlobSamples:
    """Vectors in memory; sample i is (i, vector), or Unreadable."""

    def __init__(
        self,
        vectors: Tensor,
        labels: Tensor | None,
        classes: list[str],
        broken: Sequence[int] = (),
        tag: str = "",
    ) -> None:
        self.vectors = vectors
        self.labels = labels
        self.classes = classes
        self.names = [f"{tag}{i}.vec" for i in range(len(vectors))]
        self.usable = torch.arange(len(vectors))
        self.unreadable: list[Unreadable] = []
        self.in_memory = True
        self.broken = set(broken)
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        if index in self.broken:
            return Unreadable(index, f"{self.names[index]} is cut short")
        return index, self.vectors[index]

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        return None

    def fingerprint(self) -> str:
        digest = hashlib.sha256("".join(self.names).encode())
        if self.labels is not None:
            digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()


def blobs(count: int, classes: int = 3, seed: int = 0, tag: str = "") -> BlobSamples:
    """``count`` vectors around ``classes`` centres, class i mod ``classes`` for sample i."""
    centres = torch.randn(classes, FEATURES, generator=torch.Generator().manual_seed(99)) * 1.2
    noise = torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(count) % classes
    return BlobSamples(centres[labels] + noise, labels, [f"c{i}" for i in range(classes)], tag=tag)


@register
class GaussianBlobs(Modality):
    """Vectors of Gaussian blobs."""

    kind: Literal["gaussian_blobs"] = "gaussian_blobs"
    train: int = Field(default=90, ge=1)
    """Training samples."""
    val: int = 0
    """Validation samples; 0 for no such split."""
    test: int = 30
    """Test samples; 0 for no such split."""
    shift: float = 0.0
    """How inputs are prepared: what is added to them."""

    def resolved(self) -> Self:
        return self

    def dataset(self, split: Split, cache: Path | None = None) -> BlobSamples | None:
        count = {"train": self.train, "val": self.val, "test": self.test}[split]
        seed = {"train": 0, "val": 1, "test": 2}[split]
        return blobs(count, seed=seed, tag=split) if count else None

    def collate(self, samples: list[Any]) -> Batch:
        good = [sample for sample in samples if not isinstance(sample, Unreadable)]
        bad = [sample for sample in samples if isinstance(sample, Unreadable)]
        index = torch.tensor([i for i, _ in good], dtype=torch.int64)
        vectors = [vector for _, vector in good]
        stacked = torch.stack(vectors) if vectors else torch.empty(0, FEATURES)
        return Batch(index, {"vectors": stacked}, bad)

    def views(self, batch: Batch, count: int) -> list[Tensor]:
        plain = self.plain(batch)
        return [plain + 0.1 * torch.randn_like(plain) for _ in range(count)]

    def plain(self, batch: Batch) -> Tensor:
        return batch.data["vectors"] + self.shift

    def raw(self, batch: Batch) -> Tensor:
        return batch.data["vectors"]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (FEATURES,)

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        return MlpEncoder(widths=(16, 8))

    def default_preset(self) -> str:
        return "none"

    def samples(self, items: Sequence[Any]) -> list[Any]:
        samples: list[Any] = []
        for position, item in enumerate(items):
            array = np.load(item) if isinstance(item, str | Path) else np.asarray(item)
            if array.shape != (FEATURES,):
                raise DataError(f"{item!r} has shape {array.shape}, expected ({FEATURES},)")
            samples.append((position, torch.as_tensor(array, dtype=torch.float32)))
        return samples

    def thumbnail(self, sample: Any) -> Any:
        return None
