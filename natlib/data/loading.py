"""Load batches of samples onto the device."""

import signal
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from natlib.data.base import Batch, Modality, SampleSet

__all__ = ["load_batches"]


class _Indexed(Dataset[Any]):
    """A sample set in the form that torch's data loader expects."""

    def __init__(self, samples: SampleSet) -> None:
        self._samples = samples

    def __getitem__(self, index: int) -> Any:
        return self._samples[index]


def _leave_ctrl_c(worker: int) -> None:
    """Leave Ctrl-C, which a terminal sends to every process of a command, to the one that trains.

    It goes on to the end of an update, and needs batches for it; workers end when it does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def load_batches(
    modality: Modality,
    samples: SampleSet,
    batches: Iterable[list[int]],
    *,
    device: torch.device,
    workers: int = 0,
) -> Iterator[Batch]:
    """Decode samples (in worker processes), collate them, and copy batches to the device.

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
        collate_fn=modality.collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=_leave_ctrl_c,
    )
    for batch in loader:
        yield batch.to(device)
