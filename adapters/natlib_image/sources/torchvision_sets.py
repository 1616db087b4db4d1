"""Data sets of torchvision, as sources by name."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from natlib.data import Source, Split
from natlib.data.files import NumberedNames
from natlib.errors import DataError, one_line

__all__ = ["DOWNLOADABLE", "SETS", "TorchvisionImages", "TorchvisionSet"]


class _Set(NamedTuple):
    """Class in ``torchvision.datasets``, and what selects each split in its constructor."""

    cls: str
    splits: dict[Split, dict[str, Any]]


_BY_FLAG: dict[Split, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
_TRAIN_TEST: dict[Split, dict[str, Any]] = {
    "train": {"split": "train"},
    "test": {"split": "test"},
}
_TRAIN_VAL: dict[Split, dict[str, Any]] = {"train": {"split": "train"}, "val": {"split": "val"}}
_ALL_THREE: dict[Split, dict[str, Any]] = {
    "train": {"split": "train"},
    "val": {"split": "val"},
    "test": {"split": "test"},
}

SETS: dict[str, _Set] = {
    "cifar10": _Set("CIFAR10", _BY_FLAG),
    "cifar100": _Set("CIFAR100", _BY_FLAG),
    "dtd": _Set("DTD", _ALL_THREE),
    "eurosat": _Set("EuroSAT", {"train": {}}),
    "fashionmnist": _Set("FashionMNIST", _BY_FLAG),
    "fgvcaircraft": _Set("FGVCAircraft", _ALL_THREE),
    "flowers102": _Set("Flowers102", _ALL_THREE),
    "food101": _Set("Food101", _TRAIN_TEST),
    "imagenet": _Set("ImageNet", _TRAIN_VAL),
    "imagenette": _Set("Imagenette", _TRAIN_VAL),
    "kmnist": _Set("KMNIST", _BY_FLAG),
    "mnist": _Set("MNIST", _BY_FLAG),
    "oxfordiiitpet": _Set(
        "OxfordIIITPet", {"train": {"split": "trainval"}, "test": {"split": "test"}}
    ),
    # The 100,000 images without a label are what STL-10 is for.
    "stl10": _Set("STL10", {"train": {"split": "train+unlabeled"}, "test": {"split": "test"}}),
    "svhn": _Set("SVHN", _TRAIN_TEST),
}
"""Names that a source may have, beside paths."""

DOWNLOADABLE = frozenset(SETS) - {"imagenet"}
"""Those of them that torchvision downloads."""

# Where torchvision's classes keep their labels; there is no common name.
_LABELS = ("targets", "labels", "_labels")


class TorchvisionImages:
    """One split of a torchvision data set.

    Args:
        name: what it is called in messages and in the names of its images.
        dataset: a ``torchvision.datasets.VisionDataset``.
    """

    def __init__(self, name: str, dataset: Any) -> None:
        self._dataset = dataset
        self.names: Sequence[str] = NumberedNames(name, len(dataset))
        self.labels = _labels_of(dataset)
        self.classes: list[str] = []
        if self.labels is not None:
            named = getattr(dataset, "classes", None)
            count = int(self.labels.max()) + 1
            # ImageNet's classes are tuples of synonyms.
            self.classes = (
                [name if isinstance(name, str) else ", ".join(name) for name in named]
                if named is not None and len(named) >= count
                else [str(label) for label in range(count)]
            )

    def __len__(self) -> int:
        return len(self.names)

    def item(self, index: int) -> Any:
        return self._dataset[index][0]

    def digest(self) -> bytes:
        digest = hashlib.sha256(f"{self.names[0]} {len(self)}".encode())
        data = getattr(self._dataset, "data", None)
        if data is not None:
            digest.update(np.ascontiguousarray(data).data)
        return digest.digest()


class TorchvisionSet(Source):
    """A data set that torchvision reads.

    Args:
        name: one of :data:`SETS`.
        root: where torchvision keeps it.
        download: whether torchvision may fetch it.

    Raises:
        DataError: no ``root``.
    """

    def __init__(self, name: str, root: str | None, download: bool) -> None:
        if root is None:
            raise DataError(
                f"the set '{name}' needs data.root, the folder in which torchvision keeps it"
            )
        self.name = name
        self.root = Path(root).expanduser()
        self.download = download

    def split(self, split: Split, cache: Path | None = None) -> TorchvisionImages | None:
        from torchvision import datasets

        known = SETS[self.name]
        arguments = known.splits.get(split)
        if arguments is None:
            return None
        cls = getattr(datasets, known.cls)
        if self.name in DOWNLOADABLE:
            arguments = {**arguments, "download": self.download}
        try:
            dataset = cls(str(self.root), **arguments)
        except (OSError, RuntimeError, ValueError, ImportError) as error:
            reason = one_line(error)
            raise DataError(
                f"torchvision cannot read '{self.name}' in {self.root}: {reason} "
                "(set data.root to where it is, or data.download to true)"
            ) from error
        return TorchvisionImages(f"{self.name}-{split}", dataset)


def _labels_of(dataset: Any) -> Tensor | None:
    for name in _LABELS:
        labels = getattr(dataset, name, None)
        if labels is not None:
            return torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    pairs = getattr(dataset, "_samples", None)  # (path, label) of each image: Imagenette
    return None if pairs is None else torch.tensor([label for _, label in pairs])
