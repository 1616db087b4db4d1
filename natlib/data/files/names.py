"""Names of samples, without a Python object for each."""

from collections.abc import Iterable, Sequence
from os import fsdecode
from typing import overload
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

__all__ = ["ChosenNames", "NameLookup", "NameTable", "NumberedNames", "canonical"]


class NameTable(Sequence[str]):
    """Names kept as one buffer of bytes.

    A list of 1.28 million strings takes 130 MB, and a worker process that merely looks at
    it copies it: a reference count is written on every page. Arrays stay shared.

    Args:
        text: uint8[t], all names behind one another.
        ends: int64[n], where each ends.
    """

    def __init__(self, text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        self.text = text
        self.ends = ends

    @classmethod
    def pack(cls, names: Iterable[bytes]) -> "NameTable":
        """A table of names in the encoding of the file system."""
        listed = list(names)
        text = np.frombuffer(b"".join(listed), dtype=np.uint8)
        return cls(text, np.cumsum([len(name) for name in listed], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"name {index} of {len(self)}")
        index %= len(self)
        begin = int(self.ends[index - 1]) if index else 0
        return fsdecode(self.text[begin : int(self.ends[index])].tobytes())


class NumberedNames(Sequence[str]):
    """``prefix-0``, ``prefix-1``, ...: names for samples that have none of their own.

    Args:
        prefix: what they begin with.
        count: how many there are.
    """

    def __init__(self, prefix: str, count: int) -> None:
        self._prefix = prefix
        self._numbers = range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [f"{self._prefix}-{number}" for number in self._numbers[index]]
        return f"{self._prefix}-{self._numbers[index]}"


class ChosenNames(Sequence[str]):
    """Some of the names of another sequence.

    Args:
        names: all of them.
        rows: int64[m], which ones.
    """

    def __init__(self, names: Sequence[str], rows: npt.NDArray[np.int64]) -> None:
        self._names = names
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._names[int(row)] for row in self._rows[index]]
        return self._names[int(self._rows[index])]


def canonical(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal strings.

    macOS decomposes letters with accents in the names of files, and tables spell them as they were
    typed.
    """
    return name if name.isascii() else normalize("NFC", name)


class NameLookup:
    """Positions of names, whichever Unicode form they are asked for in.

    Args:
        names: the names; of two that differ in nothing but their form, neither is found in a third.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = {name: position for position, name in enumerate(names)}
        self._canonical: dict[str, int | None] | None = None

    def get(self, name: str) -> int | None:
        """The position of a name; None where there is none, or more than one."""
        position = self._exact.get(name)
        if position is not None or name.isascii():
            return position
        if self._canonical is None:
            self._canonical = {}
            for known, at in self._exact.items():
                form = canonical(known)
                self._canonical[form] = None if form in self._canonical else at
        return self._canonical.get(canonical(name))
