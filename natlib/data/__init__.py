"""Samples with a stable index, and their exact partition over processes."""

from natlib.data.base import Batch, Modality, SampleSet, Unreadable
from natlib.data.labels import encode_labels
from natlib.data.loading import load_batches
from natlib.data.partition import EpochBatches, EpochPartition
from natlib.data.reading import MOST_UNREADABLE, check_unreadable, evenly_spaced, unknown_source
from natlib.data.splits import Split, chosen_rows
from natlib.data.thumbnail import Thumbnail, sparkline

__all__ = [
    "MOST_UNREADABLE",
    "Batch",
    "EpochBatches",
    "EpochPartition",
    "Modality",
    "SampleSet",
    "Split",
    "Thumbnail",
    "Unreadable",
    "check_unreadable",
    "chosen_rows",
    "encode_labels",
    "evenly_spaced",
    "load_batches",
    "sparkline",
    "unknown_source",
]
