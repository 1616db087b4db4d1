"""What a source of texts has to offer."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from natlib.data import Split, evenly_spaced

__all__ = ["Source", "Texts", "digest_of", "excerpts"]

_EXCERPTS = 256
_EXCERPT_BYTES = 1024


class Texts(Protocol):
    """The texts of one split, not decoded yet.

    Attributes:
        names: a name for each text.
        labels: int64[n], -1 where a text has none; None if there are no labels.
        classes: what the labels 0, 1, ... stand for.
    """

    names: Sequence[str]
    labels: Tensor | None
    classes: list[str]

    def __len__(self) -> int: ...

    @abstractmethod
    def item(self, index: int, limit: int) -> bytes:
        """The first bytes of a text, one more than ``limit`` if there are as many; may raise."""

    @abstractmethod
    def digest(self) -> bytes:
        """Equal if and only if the texts are the same ones (by name, for files).

        Of a large file, only excerpts are read for this.
        """


class Source(Protocol):
    """Where texts come from: up to three splits."""

    @abstractmethod
    def split(self, split: Split, cache: Path | None) -> Texts | None:
        """The texts of a split; None if the source does not have it.

        Raises:
            DataError: the source cannot be read or holds no texts.
        """


def digest_of(parts: Iterable[bytes]) -> bytes:
    """SHA-256 of some bytes, and of where each part ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def excerpts(texts: Texts) -> list[bytes]:
    """The beginnings of some of the texts, from all over."""
    return [texts.item(index, _EXCERPT_BYTES) for index in evenly_spaced(len(texts), _EXCERPTS)]
