"""Samples with a stable index, and their exact partition over processes."""

from natlib.data.base import Batch, Modality, SampleSet, Split, Unreadable

__all__ = ["Batch", "Modality", "SampleSet", "Split", "Unreadable"]
