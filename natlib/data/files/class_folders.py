"""Classes from the names of folders, alike in all splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from natlib.data.files.index import FolderIndex
from natlib.data.files.layout import listed
from natlib.data.files.names import canonical

__all__ = ["ClassFolders", "FolderLabels", "label_files", "number_classes"]

# More files than this beside the class folders are no stray ones: no classes are meant.
_MOST_LOOSE = 0.05


@dataclass(frozen=True)
class ClassFolders:
    """The classes of a source.

    Attributes:
        names: what the labels 0, 1, ... stand for; sorted.
        numbers: the label of each folder, by its name in any split.
        notes: which folders were read as one class although their names differ.
    """

    names: list[str]
    numbers: Mapping[str, int]
    notes: list[str]


@dataclass(frozen=True)
class FolderLabels:
    """The labels of the files of a split.

    Attributes:
        labels: int64[n], -1 for a file without one; None where folders are no classes.
        notes: what was left out or guessed.
    """

    labels: npt.NDArray[np.int64] | None
    notes: list[str]


def number_classes(folders: Mapping[str, list[str]]) -> ClassFolders:
    """Number the class folders of all splits, whichever of the classes each happens to have.

    Names in different Unicode forms are one name. Upper and lower case make one class too, unless
    a split has two folders that differ in nothing else (letters, say).

    Args:
        folders: names of the class folders of each split that hold samples, ``train`` first.
    """
    same_case = {
        split: {canonical(name).casefold() for name in names} for split, names in folders.items()
    }
    case_matters = any(
        len(same_case[split]) < len({canonical(name) for name in names})
        for split, names in folders.items()
    )
    shown: dict[str, str] = {}
    spelt: dict[str, set[str]] = {}
    keys: dict[str, str] = {}
    for names in folders.values():
        for name in sorted(names):
            form = canonical(name)
            keys[name] = key = form if case_matters else form.casefold()
            shown.setdefault(key, form)
            spelt.setdefault(key, set()).add(name)
    classes = sorted(shown.values())
    number = {name: label for label, name in enumerate(classes)}
    notes = []
    merged = sorted(shown[key] for key, names in spelt.items() if len(names) > 1)
    if merged:
        notes.append(
            f"names of class folders that differ in case or Unicode form only are one class "
            f"({len(merged):,}: {listed(merged)})"
        )
    return ClassFolders(classes, {name: number[shown[key]] for name, key in keys.items()}, notes)


def label_files(root: Path, index: FolderIndex, classes: ClassFolders, what: str) -> FolderLabels:
    """The labels of a split from its class folders.

    One file beside class folders has no label, and so have a few beside many; where there are more,
    or all splits have a single folder, no classes are meant.

    Args:
        root: the folder of the split.
        index: what is in it.
        classes: of all splits.
        what: what the files are called, in the plural (``images``).
    """
    loose = int((index.groups < 0).sum())
    full = np.unique(index.groups[index.groups >= 0])
    if not len(full) or len(classes.names) < 2:
        return FolderLabels(None, [])
    some = f"{loose:,} {what if loose > 1 else what.removesuffix('s')}"
    lie = "lie" if loose > 1 else "lies"
    if loose > max(1, _MOST_LOOSE * len(index.names)):
        note = f"{some} {lie} beside the folders in {root}, so these are not read as classes"
        return FolderLabels(None, [note])
    notes = []
    if loose:
        notes.append(f"{some} {lie} beside the class folders in {root}, without a label")
    held = set(index.full_folders)
    empty = [name for name in index.folders if name not in held]
    if empty:
        folders = "folder" if len(empty) == 1 else "folders"
        notes.append(f"{len(empty):,} {folders} in {root} without {what} ({listed(empty)})")
    label_of_group = np.array([classes.numbers.get(n, -1) for n in index.folders], dtype=np.int64)
    labels = np.where(index.groups < 0, -1, label_of_group[index.groups])
    return FolderLabels(labels, notes)
