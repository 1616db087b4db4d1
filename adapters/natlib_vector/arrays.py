"""Sources of vectors: .npy and .npz files, and the data sets of scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from natlib.data import Split, encode_labels
from natlib.errors import DataError, one_line
from natlib.runtime.reading import check_file
from natlib.runtime.unpacking import NpzFile
from natlib_vector.row_numbers import counting_columns
from natlib_vector.source import Rows

__all__ = ["EMBEDDED", "Arrays", "Embedded"]

EMBEDDED = ("breast_cancer", "digits", "wine")
"""Labelled data sets that come with scikit-learn."""

_PREFIX: dict[Split, str] = {"train": "", "val": "val_", "test": "test_"}


class Arrays:
    """An .npy file [n, c], or an .npz file with ``vectors`` and perhaps ``labels``.

    An .npz file may hold the same with ``val_`` and ``test_`` in front. Labels are integers
    (negative for none) or strings.

    Args:
        path: the file; nothing in it is unpickled, and an .npy file is mapped, not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, split: Split, cache: Path | None = None) -> Rows | None:
        found = self._arrays()
        if "vectors" not in found:
            raise DataError(
                f"{self.path} has no array 'vectors'; it holds: {', '.join(found) or 'nothing'}"
            )
        key = _PREFIX[split] + "vectors"
        if key not in found:
            return None
        matrix = self._checked(key, found[key], found["vectors"].shape[1:])
        groups = [self._labels(found, prefix) for prefix in _PREFIX.values()]
        labels, classes = encode_labels(*groups)
        own = labels[list(_PREFIX).index(split)]
        names = [str(number) for number in range(matrix.shape[1])]
        counting = counting_columns(found["vectors"])
        notes = [
            f"{self.path}: column {column} counts rows, so it is no input" for column in counting
        ]
        return Rows(
            matrix, names, {}, own, classes if own is not None else [], counting, tuple(notes)
        )

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        try:
            check_file(self.path)
            if self.path.suffix.lower() == ".npy":
                return {"vectors": np.load(self.path, mmap_mode="r", allow_pickle=False)}
            with NpzFile(self.path) as file:
                return {key: file[key] for key in file}
        except (OSError, EOFError, ValueError) as error:
            what = one_line(error)
            raise DataError(f"{self.path} cannot be read as numpy arrays: {what}") from error

    def _checked(
        self, key: str, array: npt.NDArray[Any], shape: tuple[int, ...]
    ) -> npt.NDArray[Any]:
        if array.ndim != 2 or array.dtype.kind not in "fiub" or not array.size:
            raise DataError(
                f"{self.path}: '{key}' is {array.dtype} {list(array.shape)}; "
                "expected numbers [samples, columns], at least one of each"
            )
        if array.shape[1:] != shape:
            raise DataError(
                f"{self.path}: '{key}' has {array.shape[1]} columns and 'vectors' has {shape[0]}; "
                "expected as many in each split"
            )
        return array

    def _labels(self, found: dict[str, npt.NDArray[Any]], prefix: str) -> npt.NDArray[Any] | None:
        labels, vectors = found.get(f"{prefix}labels"), found.get(f"{prefix}vectors")
        if labels is None or vectors is None:
            return None
        if labels.dtype.kind in "ub":
            labels = labels.astype(np.int64)
        if labels.shape != vectors.shape[:1] or labels.dtype.kind not in "iU":
            raise DataError(
                f"{self.path}: '{prefix}labels' is {labels.dtype} {list(labels.shape)}; "
                f"expected whole numbers or strings [{len(vectors)}], one for each vector"
            )
        return labels


class Embedded:
    """A data set that comes with scikit-learn; every fifth sample is a test sample.

    Args:
        name: one of :data:`EMBEDDED`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def rows(self, split: Split, cache: Path | None = None) -> Rows | None:
        if split == "val":
            return None
        try:
            from sklearn import datasets
        except ImportError as error:
            raise DataError(
                f"the set '{self.name}' comes with scikit-learn: pip install 'natlib[vector]', "
                "or give a file with --data"
            ) from error
        bunch = getattr(datasets, f"load_{self.name}")()
        test = np.arange(len(bunch.data)) % 5 == 4
        own = test if split == "test" else ~test
        (labels,), _ = encode_labels(bunch.target[own].astype(np.int64))
        names = [str(name) for name in bunch.feature_names]
        return Rows(bunch.data[own], names, {}, labels, [str(n) for n in bunch.target_names])
