"""Functions that all sources share: spread samples, too many unreadable ones, unknown sources."""

import difflib
import stat
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from natlib.data.base import Unreadable
from natlib.errors import DataError

__all__ = [
    "MOST_UNREADABLE",
    "check_regular_file",
    "check_unreadable",
    "evenly_spaced",
    "random_part",
    "unknown_source",
]

MOST_UNREADABLE = 0.05
"""Largest share of samples that may be unreadable; more mean that something else is wrong."""

_NAMES_SEARCHED = 1000


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most ``count`` of the indices 0 .. total - 1, spread evenly."""
    if total <= count:
        return list(range(total))
    return [round(position) for position in np.linspace(0, total - 1, count).tolist()]


def random_part(indices: Tensor, count: int, seed: int) -> Tensor:
    """At most ``count`` of some indices int64[u], drawn at random; their order is kept.

    With the same seed, a smaller part is contained in a larger one, so that commands which look at
    different numbers of samples look at the same ones.
    """
    if len(indices) <= count:
        return indices
    own = torch.Generator().manual_seed(seed)
    return indices[torch.randperm(len(indices), generator=own)[:count].sort().values]


def check_regular_file(path: Path) -> None:
    """See that a path is one of a file: reading a pipe or a device might never end.

    Where there is nothing at all, whoever opens it says so.

    Raises:
        DataError: it is something else.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    raise DataError(f"it is {kinds.get(stat.S_IFMT(mode), 'something else')}, and no file")


def check_unreadable(unreadable: Sequence[Unreadable], names: Sequence[str], what: str) -> None:
    """Refuse a source with too many unreadable samples.

    Args:
        unreadable: the samples that could not be decoded.
        names: names of all samples.
        what: what samples are called, in the plural (``images``).

    Raises:
        DataError: more than 5 % of the samples are unreadable.
    """
    count, total = len(unreadable), len(names)
    if count <= MOST_UNREADABLE * total:
        return
    first = "; ".join(f"{names[bad.index]} ({bad.reason})" for bad in unreadable[:3])
    raise DataError(
        f"{count:,} of {total:,} {what} ({count / total:.1%}) cannot be decoded, for example "
        f"{first}; repair or remove them"
    )


def unknown_source(source: str, expected: str, known: Iterable[str] = ()) -> DataError:
    """The error for a source that does not exist; it names the nearest known one.

    Args:
        source: the source that the user gave.
        expected: what a source may be, in words.
        known: names that a source may have.
    """
    path = Path(source).expanduser()
    what = "an existing path nor a known set" if known else "an existing path nor anything else"
    beside = islice(path.parent.iterdir(), _NAMES_SEARCHED) if path.parent.is_dir() else ()
    words = [*known, *(str(path.parent / other.name) for other in beside)]
    close = difflib.get_close_matches(source, words, n=1, cutoff=0.6)
    hint = f"did you mean '{close[0]}'?" if close else f"expected {expected}"
    return DataError(f"the source '{source}' is neither {what}; {hint}")
