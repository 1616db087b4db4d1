"""Batches of labelled samples, for protocols that train on inputs."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from natlib.data import Batch, SampleSet, load_batches
from natlib.protocols.base import Subject

__all__ = ["labelled_batches"]


def labelled_batches(
    subject: Subject,
    samples: SampleSet,
    index: Tensor,
    labels: Tensor,
    parts: Sequence[Tensor],
) -> Iterator[tuple[Batch, Tensor]]:
    """Batches on the subject's device with the labels int64[b] of what could be decoded in them.

    A batch may be smaller than its part, and empty.

    Args:
        subject: gives modality, device and workers.
        samples: what is indexed.
        index: int64[n], the labelled samples.
        labels: int64[n], their labels.
        parts: the samples of each batch: int64, some of ``index``.
    """
    # Labels by index, as long as the whole set: smaller than a Python dict.
    table = torch.full((len(samples),), -1)
    table[index] = labels
    loaded = load_batches(
        subject.modality,
        samples,
        [part.tolist() for part in parts],
        device=subject.device,
        workers=subject.workers,
    )
    for batch in loaded:
        yield batch, table[batch.index.cpu()].to(subject.device)
