"""Columns as fitted on training samples, and how rows become inputs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Settings, nearest
from natlib.errors import DataError

__all__ = ["Column", "Columns", "sound"]

# Rows that are processed together, so that a mapped file is never in memory as a whole.
_BLOCK = 65_536

Matrix = npt.NDArray[Any]


class Column(Settings):
    """One column. In a matrix of rows, a category is its number and a missing value is NaN."""

    name: str
    mean: float = 0.0
    scale: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Standard deviation; 0 for a constant column, which is left out of the inputs."""
    categories: tuple[str, ...] | None = None
    """The categories of the column; None for numbers."""
    missing: bool = False
    """Whether a training sample lacked a value: only then do inputs have a flag for it."""

    def number(self, value: Any) -> float:
        """The number of a value in a matrix of rows.

        Raises:
            ValueError: text where a number is expected.
        """
        if value is None:
            return float("nan")
        if self.categories is None:
            return float(value)
        # A category that training samples do not have counts as missing.
        known = str(value) in self.categories
        return float(self.categories.index(str(value))) if known else float("nan")


class Columns(Settings):
    """All columns, in the order of the matrix."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(
        cls, names: Sequence[str], categories: Mapping[str, tuple[str, ...]], matrix: Matrix
    ) -> "Columns":
        """Compute means, standard deviations and which columns have missing values.

        Args:
            names: name of each column.
            categories: the categories of the columns that have some.
            matrix: [n, c], the training rows; unusable rows are ignored, see ``sound``.

        Raises:
            DataError: no row is usable, or every column is constant.
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
        if not scale.any():
            raise DataError("every column is constant, so there is nothing to learn from")
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

    def row(self, item: Any) -> npt.NDArray[np.float64]:
        """One row of a matrix from a mapping by name, or from values in the order of the columns.

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
        return np.array([c.number(v) for c, v in zip(self.columns, item, strict=True)])

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
