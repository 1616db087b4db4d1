"""How a folder is laid out: which folder holds which split, and what lies beside them."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from natlib.data.files.index import holds_files, left_out_of, visible_names
from natlib.data.files.left_out import left_out_notes
from natlib.data.splits import SPLIT_NAMES, Split, named_split

__all__ = ["Layout", "find_layout", "listed"]

# Archives wrap their content once, or twice where they were packed from outside.
_MOST_WRAPPERS = 4
_SHOWN = 4
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Layout:
    """Where the splits of a folder are.

    Attributes:
        splits: the folder of each split; always one of ``train``.
        notes: what was guessed and what was left out, a line each.
    """

    splits: dict[Split, Path]
    notes: list[str]


def find_layout(root: Path, extensions: Collection[str], what: str) -> Layout:
    """Find the splits of a folder by the names of the folders in it.

    - Where all samples lie in one folder, and there in several, that one is read in its place.
    - ``train`` and another split are splits; other folders beside them are left out.
    - ``train`` alone is a split too, unless samples lie directly in it and there are others in
      folders beside it: then it is a class like these.
    - Without ``train``, everything is the training split.

    Args:
        root: the folder.
        extensions: how the names of files that count end, see :func:`natlib.data.files.scan`.
        what: what the files are called, in the plural (``images``).

    Raises:
        DataError: the folder cannot be read.
    """
    inner = _unwrapped(root, extensions, splits=True)
    notes = []
    if inner != root:
        notes.append(
            f"all {what} in {root} lie in its folder {inner.relative_to(root)}, which is read in "
            "its place"
        )
    folders, _ = visible_names(inner, extensions)
    named = _named(folders)
    if "train" not in named:
        if named:
            notes.append(
                f"no folder in {inner} is called train, so {listed(_all(named))} "
                f"{'is' if len(_all(named)) == 1 else 'are'} read as training {what}"
            )
        return Layout({"train": inner}, notes)
    named, empty = _without_empty(inner, named, extensions)
    if empty:
        notes.append(f"left out of {inner}: {listed(empty)}, without {what}")
    others = [name for name in folders if named_split(name) is None]
    if len(named) == 1 and others and _is_class(inner, named["train"][0], others, extensions):
        notes.append(
            f"{inner / named['train'][0]} is read as a class like {listed(others)} beside it; "
            f"for a split, move these away"
        )
        return Layout({"train": inner}, notes)
    notes += _beside(inner, named, others, extensions, what)
    found = {split: inner / names[0] for split, names in named.items()}
    wrapped = {s: _unwrapped(path, extensions, splits=False) for s, path in found.items()}
    # A folder in one split alone is a class that the split happens to have.
    around = {wrapped[split].relative_to(path) for split, path in found.items()}
    if len(around) == 1 and wrapped != found:
        notes.append(f"all {what} of the splits lie in their folders {around.pop()}")
        found = wrapped
    return Layout(found, notes)


def listed(names: list[str]) -> str:
    """Some of the names, and how many more there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def _unwrapped(root: Path, extensions: Collection[str], *, splits: bool) -> Path:
    """The folder itself, or the only one under it with several folders of samples.

    Args:
        root: the folder.
        extensions: how the names of files that count end.
        splits: whether a folder called ``train`` is looked for: what it lies in is no wrapper.
    """
    inner = root
    for _ in range(_MOST_WRAPPERS):
        folders, files = visible_names(inner, extensions)
        full = islice((name for name in folders if holds_files(inner / name, extensions)), 2)
        match list(full):
            case _ if files:
                break
            case [_, _]:
                return inner
            case [only] if splits and named_split(only) == "train":
                return inner
            case [only]:
                inner = inner / only
            case _:
                break
    return root


def _named(folders: list[str]) -> dict[Split, list[str]]:
    """Folders that are called like a split; the first for each counts."""
    order = {name: number for number, name in enumerate(SPLIT_NAMES)}
    found: dict[Split, list[str]] = {}
    for name in sorted(folders, key=lambda name: (order.get(name.strip().lower(), 0), name)):
        split = named_split(name)
        if split is not None:
            found.setdefault(split, []).append(name)
    return {split: found[split] for split in _SPLITS if split in found}


def _without_empty(
    root: Path, named: dict[Split, list[str]], extensions: Collection[str]
) -> tuple[dict[Split, list[str]], list[str]]:
    """Splits other than ``train`` that hold samples, and the names of folders that hold none."""
    full: dict[Split, list[str]] = {}
    empty: list[str] = []
    for split, names in named.items():
        held = [name for name in names if holds_files(root / name, extensions)]
        if split == "train" and not held:
            held = names[:1]
        empty += [name for name in names if name not in held]
        if held:
            full[split] = held
    return full, empty


def _all(named: dict[Split, list[str]]) -> list[str]:
    return [name for names in named.values() for name in names]


def _is_class(root: Path, train: str, others: list[str], extensions: Collection[str]) -> bool:
    """Whether a folder called train, the only split there, is a class like its neighbours."""
    if not visible_names(root / train, extensions)[1]:
        return False
    return any(holds_files(root / name, extensions) for name in others)


def _beside(
    root: Path,
    named: dict[Split, list[str]],
    others: list[str],
    extensions: Collection[str],
    what: str,
) -> list[str]:
    notes = []
    files = len(visible_names(root, extensions)[1])
    for split, (chosen, *more) in named.items():
        if more:
            notes.append(
                f"left out of {root}: {listed(more)}, since {chosen} is the split '{split}' already"
            )
    parts = []
    if others:
        folders = "folder" if len(others) == 1 else "folders"
        parts.append(f"{len(others):,} {folders} beside the splits ({listed(others)})")
    if files:
        parts.append(f"{files:,} {what if files > 1 else what.removesuffix('s')} beside the splits")
    if parts:
        notes.append(f"left out of {root}: {', '.join(parts)}")
    return notes + left_out_notes(left_out_of(root, extensions), f"{root}", what, {})
