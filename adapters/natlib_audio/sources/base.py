"""What a source of sounds has to offer."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from natlib.data import Split

__all__ = ["Clips", "Source"]


class Clips(Protocol):
    """The clips of one split, not decoded yet.

    Attributes:
        names: a name for each clip.
        labels: int64[n], -1 where a clip has none; None if there are no labels.
        classes: what the labels 0, 1, ... stand for.
    """

    names: Sequence[str]
    labels: Tensor | None
    classes: list[str]

    def __len__(self) -> int: ...

    @abstractmethod
    def item(self, index: int) -> Any:
        """Something that :func:`natlib_audio.decoding.decode` takes; may raise."""

    @abstractmethod
    def digest(self) -> bytes:
        """Equal if and only if the clips are the same ones (by name, for files)."""


class Source(Protocol):
    """Where clips come from: up to three splits."""

    @abstractmethod
    def split(self, split: Split, cache: Path | None) -> Clips | None:
        """The clips of a split; None if the source does not have it.

        Raises:
            DataError: the source cannot be read or holds no sounds.
        """

    @abstractmethod
    def peek(self, count: int) -> Sequence[Any]:
        """Up to ``count`` items of the training split, from all over it."""
