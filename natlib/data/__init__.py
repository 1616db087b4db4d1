"""Samples with a stable index, and their exact partition over processes."""

from natlib.data.base import Batch, Modality, SampleSet, Split, Unreadable
from natlib.data.loading import load_batches
from natlib.data.partition import EpochBatches, EpochPartition

__all__ = [
    "Batch",
    "EpochBatches",
    "EpochPartition",
    "Modality",
    "SampleSet",
    "Split",
    "Unreadable",
    "load_batches",
]
