"""Batches of labelled samples, as protocols that do not keep features read them."""

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
        parts: what is in each batch: int64, some of ``index``.
    """
    # By number of the sample; as long as the set, which is less than a mapping of Python's takes.
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
