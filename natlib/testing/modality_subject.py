"""A modality under test, with its samples and a batch."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from natlib.data import Batch, Modality, SampleSet
from natlib.testing.contract import expect

__all__ = ["ModalitySubject"]

_BATCH = 16


class ModalitySubject:
    """A modality under test.

    Args:
        modality: not resolved.
        items: some items that ``samples`` reads.
    """

    def __init__(self, modality: Modality, items: Sequence[Any]) -> None:
        self.modality = modality
        self.items = items

    @cached_property
    def resolved(self) -> Modality:
        """The modality, resolved."""
        return self.modality.resolved()

    @cached_property
    def train(self) -> SampleSet:
        """Its training samples, preloaded."""
        samples = self.resolved.dataset("train")
        expect(
            samples is not None,
            "dataset('train') is None",
            "a sample set",
            "it is never None for 'train'",
        )
        assert samples is not None
        samples.preload(workers=0)
        expect(
            len(samples.usable) >= _BATCH,
            f"{len(samples.usable)} training samples are usable",
            f"{_BATCH} at least for these checks",
            "use a larger source",
        )
        return samples

    @property
    def chosen(self) -> list[int]:
        """Sixteen evenly spaced usable samples."""
        usable = self.train.usable
        step = len(usable) // _BATCH
        return [int(index) for index in usable[::step][:_BATCH]]

    @cached_property
    def batch(self) -> Batch:
        """These samples, collated."""
        return self.resolved.collate([self.train[index] for index in self.chosen])
