"""Samples with a stable index, and their exact partition over processes."""

from natlib.data.base import Batch, Modality, SampleSet, Split, Unreadable
from natlib.data.loading import load_batches
from natlib.data.partition import EpochPartition

__all__ = [
    "Batch",
    "EpochPartition",
    "Modality",
    "SampleSet",
    "Split",
    "Unreadable",
    "load_batches",
]
