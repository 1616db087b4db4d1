"""From sample indices to batches on the device."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from natlib.data.base import Batch, Modality, SampleSet, Unreadable
from natlib.errors import DataError

__all__ = ["load_batches"]


class _Indexed(Dataset[Any]):
    """A sample set as torch's data loader wants to see it."""

    def __init__(self, samples: SampleSet) -> None:
        self._samples = samples

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self._samples[index]


def _collate(collate: Callable[[list[Any]], Batch], numbered: list[tuple[int, Any]]) -> Batch:
    """A batch whose index says where samples are in the set that is loaded.

    What a sample says of itself is its place in its own set, which may be a part of that one.
    """
    batch = collate([sample for _, sample in numbered])
    good = [index for index, sample in numbered if not isinstance(sample, Unreadable)]
    if len(good) != len(batch.index):
        raise DataError(
            f"collate made a batch of {len(batch.index)} out of {len(good)} readable samples; "
            "it needs to keep all of them, in their order"
        )
    bad = [
        replace(sample, index=index) for index, sample in numbered if isinstance(sample, Unreadable)
    ]
    return Batch(torch.tensor(good, dtype=torch.int64), batch.data, bad)


def load_batches(
    modality: Modality,
    samples: SampleSet,
    batches: Iterable[list[int]],
    *,
    device: torch.device,
    workers: int = 0,
) -> Iterator[Batch]:
    """Decode (in worker processes), collate, and carry to the device.

    Args:
        modality: what collates.
        samples: what is indexed.
        batches: sample indices of each batch; taken a few ahead, as batches are loaded.
        device: where the batches go.
        workers: processes that decode; not used where samples are in memory already.
    """
    loader = DataLoader(
        _Indexed(samples),
        batch_sampler=batches,
        num_workers=0 if samples.in_memory else workers,
        collate_fn=partial(_collate, modality.collate),
        pin_memory=device.type == "cuda",
    )
    for batch in loader:
        yield batch.to(device)
