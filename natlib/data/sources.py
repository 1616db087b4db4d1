"""Where samples come from: what a source offers."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from natlib.data.reading import evenly_spaced
from natlib.data.splits import Split

__all__ = ["Source", "SourceSplit"]


class SourceSplit(Protocol):
    """The samples of one split as they are stored, not decoded yet.

    Attributes:
        names: a name for each sample, a relative path for example.
        labels: int64[n], -1 where a sample has none; None if nothing has a label.
        classes: what the labels 0, 1, ... stand for.

    A split that leaves out or guesses something has ``notes`` too, see
    :func:`natlib.data.notes_of`.
    """

    names: Sequence[str]
    labels: Tensor | None
    classes: list[str]

    def __len__(self) -> int: ...

    @abstractmethod
    def item(self, index: int) -> Any:
        """One stored sample: a path, an array, whatever the modality decodes; may raise."""

    @abstractmethod
    def digest(self) -> bytes:
        """Equal if and only if the samples are the same ones; names suffice for files."""


class Source(Protocol):
    """Up to three splits of samples; ``train`` is always one of them."""

    @abstractmethod
    def split(self, split: Split, cache: Path | None = None) -> SourceSplit | None:
        """The samples of a split; None if the source has no such split.

        Args:
            split: which one.
            cache: a folder in which an index of the source may be kept.

        Raises:
            DataError: the source cannot be read or holds no samples.
        """

    def peek(self, count: int) -> Sequence[Any]:
        """Up to ``count`` items from all over the training split.

        A source that can find some items without listing all of them overrides this.
        """
        train = self.split("train")
        if train is None:
            return []
        return [train.item(index) for index in evenly_spaced(len(train), count)]
