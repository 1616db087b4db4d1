"""Columns as fitted on training samples, and how rows become inputs."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Settings, nearest
from natlib.data.table_format import MISSING, TableFormat
from natlib.errors import DataError

__all__ = ["Column", "Columns", "category_of", "sound"]

# Rows that are processed together, so that a mapped file is never in memory as a whole.
_BLOCK = 65_536
# A number with a leading zero is a code.
_CODE = re.compile(r"[+-]?0[0-9]")

Matrix = npt.NDArray[Any]


class Column(Settings):
    """One column. In a matrix of rows, a category is its number and a missing value is NaN."""

    name: str
    mean: float = 0.0
    scale: float = Field(default=0.0, ge=0)
    """Standard deviation; 0 for a column that is left out of the inputs, since it is constant or
    counts rows."""
    categories: tuple[str, ...] | None = None
    """The categories of the column; None for numbers."""
    missing: bool = False
    """Whether a training sample lacked a value: only then do inputs have a flag for it."""

    def number(self, value: Any, missing: Collection[str] = MISSING) -> float:
        """The number of a value in a matrix of rows.

        Args:
            value: a number, a truth value, a text, or None where it is missing.
            missing: texts that mean a missing value, in lower case.

        Raises:
            ValueError: text where a number is expected.
        """
        if isinstance(value, str):
            value = unicodedata.normalize("NFC", value.strip())
            value = None if value.lower() in missing else value
        if value is None or value != value:
            return float("nan")
        if self.categories is None:
            return _number(value)
        # A category that training samples do not have counts as missing.
        code = category_of(_text(value), self.categories)
        return float("nan") if code is None else float(code)


def category_of(text: str, categories: Sequence[str]) -> int | None:
    """Position of the category that a text stands for; None if there is none.

    Types differ from file to file: 1 may be 1.0 elsewhere, and true may be True. 01 is not 1.
    """
    if text in categories:
        return categories.index(text)
    like = _loose(text)
    same = [code for code, known in enumerate(categories) if like == _loose(known) is not None]
    return same[0] if len(same) == 1 else None


def _loose(text: str) -> float | str | None:
    if text.lower() in ("true", "false"):
        return text.lower()
    if _CODE.match(text):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _number(value: Any) -> float:
    if isinstance(value, str):
        if value.lower() in ("true", "false"):
            return float(value.lower() == "true")
        if "_" in value:  # Python would read 1_000
            raise ValueError(f"could not convert string to float: {value!r}")
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


class Columns(Settings):
    """All columns, in the order of the matrix."""

    columns: tuple[Column, ...]
    form: TableFormat | None = None
    """How the table of the training rows was written, for what another table does not tell."""

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        categories: Mapping[str, tuple[str, ...]],
        matrix: Matrix,
        left_out: Collection[int] = (),
    ) -> "Columns":
        """Compute means, standard deviations and which columns have missing values.

        Args:
            names: name of each column.
            categories: the categories of the columns that have some.
            matrix: [n, c], the training rows; unusable rows are ignored, see ``sound``.
            left_out: columns that are no inputs.

        Raises:
            DataError: no row is usable, or every column is constant or left out.
        """
        count = np.zeros(len(names))
        total = np.zeros(len(names))
        for block in _sound_blocks(matrix):
            count += (~np.isnan(block)).sum(0)
            total += np.nansum(block, 0)
        mean = total / np.maximum(count, 1)
        spread, rows = np.zeros(len(names)), 0
        for block in _sound_blocks(matrix):
            with np.errstate(over="ignore"):  # an error below, with the name of the column
                spread += np.nansum(np.square(block - mean), 0)
            rows += len(block)
        if rows == 0:
            raise DataError("no row holds finite numbers; is it the right file?")
        scale = np.sqrt(spread / np.maximum(count, 1))
        # Sums of equal numbers have rounding errors, which are not variation.
        scale[scale <= 1e-12 * np.abs(mean)] = 0.0
        if not np.isfinite(scale).all():
            name = names[int(np.flatnonzero(~np.isfinite(scale))[0])]
            raise DataError(
                f"the numbers of column '{name}' are too large; rescale or leave it out"
            )
        scale[list(left_out)] = 0.0
        if not scale.any():
            more = " or counts rows" if left_out else ""
            raise DataError(f"every column is constant{more}, so there is nothing to learn from")
        return cls(
            columns=tuple(
                Column(name=name, categories=categories[name], missing=bool(known < rows))
                if name in categories
                else Column(name=name, mean=m, scale=s, missing=bool(known < rows))
                for name, m, s, known in zip(
                    names, mean.tolist(), scale.tolist(), count, strict=True
                )
            )
        )

    @property
    def width(self) -> int:
        """Length of an input."""
        numbers = sum(c.scale > 0 for c in self.columns)
        categories = sum(len(c.categories or ()) for c in self.columns)
        return numbers + categories + sum(c.missing for c in self.columns)

    def row(self, item: Any, missing: Collection[str] = MISSING) -> npt.NDArray[np.float64]:
        """One row of a matrix from a mapping by name, or from values in the order of the columns.

        Args:
            item: the mapping, or the values.
            missing: texts that mean a missing value, in lower case.

        Raises:
            ValueError: there are too few or too many values, or text where a number is expected.
        """
        names = [c.name for c in self.columns]
        if isinstance(item, Mapping):
            unknown = [str(key) for key in item if key not in names]
            if unknown:
                raise ValueError(f"unknown column '{unknown[0]}'; {nearest(unknown[0], names)}")
            item = [item.get(name) for name in names]
        elif np.ndim(item) != 1 or len(item) != len(names):
            raise ValueError(f"got shape {list(np.shape(item))}, expected [{len(names)}]")
        return np.array([c.number(v, missing) for c, v in zip(self.columns, item, strict=True)])

    def encode(self, rows: Tensor, clip: float, noise: float | None = None) -> Tensor:
        """Inputs: standardised numbers, then flags of missing values, then one-hot categories.

        Args:
            rows: float64[b, c].
            clip: standardised numbers are clipped to this magnitude.
            noise: standard deviation of Gaussian noise on standardised numbers; None draws none.

        Returns:
            float32[b, width].
        """
        chosen = [i for i, c in enumerate(self.columns) if c.scale > 0]
        mean = rows.new_tensor([self.columns[i].mean for i in chosen])
        scale = rows.new_tensor([self.columns[i].scale for i in chosen])
        numbers = ((rows[:, chosen] - mean) / scale).float().clamp(-clip, clip)
        if noise is not None:
            numbers = numbers + noise * torch.randn_like(numbers)
        # After the noise, so that a missing value is exactly the mean.
        numbers = numbers.nan_to_num(0.0)
        flagged = [i for i, c in enumerate(self.columns) if c.missing]
        parts = [numbers, rows[:, flagged].isnan().float()]
        for number, column in enumerate(self.columns):
            if column.categories is not None:
                every = torch.arange(len(column.categories), device=rows.device)
                parts.append((rows[:, number, None] == every).float())
        return torch.cat(parts, dim=1)


def sound(rows: Matrix) -> npt.NDArray[np.bool_]:
    """bool[n]: the usable rows, which hold no infinity and at least one value."""
    return np.asarray(~np.isinf(rows).any(1) & ~np.isnan(rows).all(1))


def _sound_blocks(matrix: Matrix) -> Iterator[npt.NDArray[np.float64]]:
    for start in range(0, len(matrix), _BLOCK):
        block = np.asarray(matrix[start : start + _BLOCK], dtype=np.float64)
        yield block[sound(block)]
