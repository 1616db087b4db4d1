"""The sample set of a source whose samples are decoded one by one, or all at once into memory."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from natlib.data.base import Unreadable
from natlib.data.decoded_store import PreloadPlan, SampleStore
from natlib.data.files import ChosenNames
from natlib.data.notes import notes_of
from natlib.data.reading import check_regular_file, check_unreadable, evenly_spaced
from natlib.data.sources import SourceSplit
from natlib.errors import DataError, NatlibError, one_line

__all__ = ["DecodedSamples", "Decoder", "as_path", "decode_items"]

S = TypeVar("S")

_GIB = float(1 << 30)
_PEEK = 64


class Decoder(Protocol[S]):
    """What a modality knows of its samples: how to decode them and how to keep them in memory.

    Attributes:
        noun: what samples are called in messages, in the plural (``images``).
    """

    noun: ClassVar[str]

    @abstractmethod
    def decode(self, index: int, item: Any) -> S:
        """A sample from a stored item; any error means that the item is unreadable."""

    @abstractmethod
    def nbytes(self, sample: S) -> float:
        """Roughly how much memory :meth:`store` needs for a sample."""

    @abstractmethod
    def store(self, load: Callable[[int], S | Unreadable], plan: PreloadPlan) -> SampleStore | None:
        """Decode all samples into memory; None as soon as they turn out to need too much.

        Args:
            load: decodes one sample.
            plan: how many there are, and what they may need.
        """

    @abstractmethod
    def notes(self, samples: Sequence[S]) -> list[str]:
        """What a user should know about samples, a line each; nothing where all is well.

        Args:
            samples: some decoded samples from all over the set.
        """

    @abstractmethod
    def restore(self, index: int, kept: Any) -> S:
        """A sample from what :meth:`store` keeps of it."""


class DecodedSamples(Generic[S]):
    """One split of a source as samples (see :class:`natlib.data.SampleSet`).

    Args:
        split: the samples, not decoded yet.
        decoder: how to decode them.
        cache_gib: :meth:`preload` keeps samples in memory if they need at most so many GiB.
        rows: int64[m], sorted: use only these samples; all by default.
    """

    def __init__(
        self, split: SourceSplit, decoder: Decoder[S], cache_gib: float, rows: Tensor | None = None
    ) -> None:
        self._split = split
        self._decoder = decoder
        self._limit = cache_gib * _GIB
        self._rows = None if rows is None else rows.numpy()
        self._store: SampleStore | None = None
        self._reasons: dict[int, str] = {}
        self._sample_bytes: float | None = None
        self.names: Sequence[str] = split.names
        self.labels = split.labels
        if rows is not None:
            self.names = ChosenNames(split.names, rows.numpy())
            self.labels = None if split.labels is None else split.labels[rows]
        self.classes = split.classes
        self.notes = notes_of(split)
        self.usable = torch.arange(len(self.names))
        self.unreadable: list[Unreadable] = []
        self.in_memory = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> S | Unreadable:
        if self._store is None:
            return self._load(index)
        if index in self._reasons:
            return Unreadable(index, self._reasons[index])
        return self._decoder.restore(index, self._store[index])

    def item(self, index: int) -> Any:
        """A sample as the source stores it: the path of a file, say."""
        return self._split.item(index if self._rows is None else int(self._rows[index]))

    def extents(self, index: Tensor) -> Tensor | None:
        """Roughly how long some samples are, int64[s]; None where all inputs are of one size.

        Whoever embeds samples of similar extent together spares padding.
        """
        extent = getattr(self._decoder, "extent", None)
        if extent is None:
            return None
        return torch.tensor([extent(self.item(row)) for row in index.tolist()])

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """See :meth:`natlib.data.SampleSet.preload`.

        Raises:
            DataError: more than 5 % of the samples cannot be decoded.
        """
        if self._store is not None:
            return
        sample_bytes = self.look()
        if sample_bytes * len(self) > self._limit:
            return
        plan = PreloadPlan(len(self), sample_bytes, self._limit, workers, progress)
        store = self._decoder.store(self._load, plan)
        if store is None:
            return
        check_unreadable(store.unreadable, self.names, self._decoder.noun)
        self.unreadable = store.unreadable
        self.usable = store.readable
        self._reasons = {bad.index: bad.reason for bad in store.unreadable}
        self._store = store
        self.in_memory = True

    def look(self) -> float:
        """Decode some samples from all over the set, once, and add what they show to ``notes``.

        Returns:
            Roughly how many bytes a sample takes in memory.
        """
        if self._sample_bytes is None:
            peeked = [self._load(index) for index in evenly_spaced(len(self), _PEEK)]
            decoded = [sample for sample in peeked if not isinstance(sample, Unreadable)]
            self.notes = list(dict.fromkeys([*self.notes, *self._decoder.notes(decoded)]))
            sizes = [self._decoder.nbytes(sample) for sample in decoded]
            self._sample_bytes = sum(sizes) / len(sizes) if sizes else 0.0
        return self._sample_bytes

    def fingerprint(self) -> str:
        """See :meth:`natlib.data.SampleSet.fingerprint`."""
        digest = hashlib.sha256(self._split.digest())
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        if self._rows is not None:
            digest.update(np.ascontiguousarray(self._rows).data)
        return digest.hexdigest()

    def _load(self, index: int) -> S | Unreadable:
        try:
            item = self.item(index)
            if isinstance(item, Path):
                check_regular_file(item)
            return self._decoder.decode(index, item)
        except MemoryError:
            raise
        # Libraries that decode raise nearly anything; a file may also be gone, or not ours to read.
        except Exception as error:
            return Unreadable(index, _reason(error))


def as_path(item: Any) -> Any:
    """A string as a path; anything else as it is."""
    return Path(item) if isinstance(item, str) else item


def decode_items(decoder: Decoder[S], items: Iterable[Any], what: str) -> list[S]:
    """Decode items that a user gives, in order.

    Args:
        decoder: how.
        items: paths, arrays, whatever the decoder takes; strings are texts here, not paths.
        what: what an item should be, for the message (``an image``).

    Raises:
        DataError: an item cannot be decoded; the message names it.
    """
    decoded = []
    for index, item in enumerate(items):
        try:
            if isinstance(item, Path):
                check_regular_file(item)
            decoded.append(decoder.decode(index, item))
        except MemoryError:
            raise
        except Exception as error:  # as above
            name = item if isinstance(item, Path) else f"item {index}"
            raise DataError(f"cannot read {name} as {what}: {_reason(error)}") from error
    return decoded


def _reason(error: Exception) -> str:
    """One line about an error; natlib's own speak for themselves."""
    text, name = one_line(error), type(error).__name__
    return text if isinstance(error, NatlibError) or text == name else f"{name}: {text}"
