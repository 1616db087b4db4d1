"""Vectors and tables as a modality of natlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, PrivateAttr, ValidationError, model_validator
from torch import Tensor

from natlib.component import Condition
from natlib.data import (
    ArraySample,
    ArraySamples,
    Batch,
    Modality,
    Split,
    Thumbnail,
    Unreadable,
    collate_arrays,
    plugin_source,
    sparkline,
    stable_source,
    unknown_source,
)
from natlib.data.table_format import TableFormat
from natlib.data.table_names import TABLE_SUFFIXES, is_table
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.errors import ConfigError, DataError
from natlib_vector.arrays import EMBEDDED, Arrays, Embedded
from natlib_vector.augmentation import Augmentation, augment_rows
from natlib_vector.columns import Columns, sound
from natlib_vector.source import Source
from natlib_vector.table_settings import TableSettings

__all__ = ["Vector"]

_FITTED = "columns.json"
_ARRAYS = (".npy", ".npz")
_DEFAULT = "digits"


class Vector(Modality):
    """Vectors and tables: numpy arrays, CSV, TSV, JSON lines or parquet."""

    kind: Literal["vector"] = "vector"
    presets: ClassVar[Path | None] = Path(__file__).parent / "presets"
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            (
                "columns",
                "ignore",
                "label",
                "split",
                "categorical",
                "numerical",
                "table",
                "max_categories",
            ),
            on=("source",),
            holds=lambda source: source is not None and is_table(Path(source)),
            remedy="set {source} to a table",
        ),
    )

    source: str | None = None
    """An .npy file [samples, columns]; an .npz file (``vectors``, ``labels``, ``test_vectors``,
    ...); a table (.csv, .tsv, .jsonl, each also with .gz, or .parquet); or a set that comes with
    scikit-learn: ``breast_cancer``, ``wine``, or ``digits``, the default."""
    columns: tuple[str, ...] | None = None
    """Columns of a table to use; by default all but ``ignore``, ``label``, ``split`` and those that
    count rows, such as an index of pandas."""
    ignore: tuple[str, ...] = ()
    """Columns of a table to leave out, identifiers of rows for example."""
    label: str | None = None
    """Column of labels, for evaluation only; by default ``label``, if there is such a column
    that ``ignore`` does not name."""
    split: str | None = None
    """Column that holds train, val or test; by default ``split``, if there is such a
    column that ``ignore`` does not name."""
    categorical: tuple[str, ...] = ()
    """Columns of a table whose values are categories, though they look like numbers or dates."""
    numerical: tuple[str, ...] = ()
    """Columns of a table whose values are numbers; what is none counts as missing."""
    table: TableFormat = TableFormat()
    """How a table is written. What is not set is found from the file."""
    max_categories: int = Field(default=64, ge=1)
    """Largest number of categories of a column."""
    clip: float = Field(default=10.0, gt=0, le=1e30)
    """Numbers are clipped to so many standard deviations from their mean."""
    augment: Augmentation = Augmentation()
    """How views differ from each other."""

    _columns: Columns | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        both = set(self.categorical) & set(self.numerical)
        if both:
            raise ValueError(
                f"column '{min(both)}' is in categorical and in numerical; remove it from one"
            )
        return self

    def resolved(self) -> Self:
        rows = self._source(None).rows("train")
        assert rows is not None
        source = self.source if self.source is not None else _DEFAULT
        here = source if source in EMBEDDED else stable_source("vector", source)
        found = self.model_copy(update={"source": here})
        chosen = self.subset("train", len(rows.matrix))
        matrix = rows.matrix if chosen is None else rows.matrix[chosen.numpy()]
        try:
            columns = Columns.fit(rows.names, rows.categories, matrix, rows.left_out)
        except DataError as error:
            raise DataError(f"{here}: {error}") from error
        found._columns = columns.model_copy(update={"form": rows.form})
        return found

    def fitted(self) -> dict[str, bytes]:
        if self._columns is None:
            return {}
        return {_FITTED: self._columns.model_dump_json(indent=1).encode()}

    def with_fitted(self, files: dict[str, bytes]) -> Self:
        if set(files) != {_FITTED}:
            raise ConfigError(
                f"a run on vectors needs the file {_FITTED} and no other, got: "
                f"{', '.join(sorted(files)) or 'nothing'}; copy it from where the run was made"
            )
        try:
            columns = Columns.model_validate_json(files[_FITTED])
        except ValidationError as error:
            raise ConfigError(
                f"{_FITTED} is damaged; copy it from where the run was made"
            ) from error
        other = self.model_copy()
        other._columns = columns
        return other

    def with_source(self, source: str) -> Self:
        other = super().with_source(source)
        if source in EMBEDDED:  # a folder of that name is no source of vectors
            other = other.model_copy(update={"source": source})
        path = Path(source).expanduser()
        if not (is_table(path) and path.is_file()):
            return other
        from natlib.data.table_sniffing import format_of_another
        from natlib.data.tables import column_names

        known = self.table if self._columns is None else self._columns.form or self.table
        form = format_of_another(path, known)
        there = column_names(path, form)
        # Labels serve evaluation only; a table to embed may come without.
        label = self.label if self.label in there else None
        split = self.split if self.split in there else None
        return other.model_copy(update={"table": form, "label": label, "split": split})

    def dataset(self, split: Split, cache: Path | None = None) -> ArraySamples | None:
        columns = self._known()
        rows = self._source(columns).rows(split, cache)
        if rows is None:
            return None
        if rows.matrix.shape[1] != len(columns.columns):
            raise DataError(
                f"{self.source} has {rows.matrix.shape[1]} columns; "
                f"expected {len(columns.columns)}, as in training"
            )
        samples = ArraySamples(
            rows.matrix,
            rows.labels,
            rows.classes,
            prefix=split,
            chosen=self.subset(split, len(rows.matrix)),
            sound=sound,
            reason="it holds infinity, or nothing at all",
        )
        samples.notes = list(rows.notes)
        gaps = [column.name for column in columns.columns if column.missing]
        if rows.form is None and gaps:
            more = f" and {len(gaps) - 1:,} more" if len(gaps) > 1 else ""
            samples.notes.append(
                f"{self.source}: NaN is a missing value (in column {gaps[0]}{more})"
            )
        return samples

    def collate(self, samples: list[Any]) -> Batch:
        return collate_arrays(samples)

    @torch.no_grad()
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        rows, columns = _rows(batch), self._known()
        return [
            columns.encode(augment_rows(self.augment, rows), self.clip, self.augment.noise)
            for _ in range(count)
        ]

    @torch.no_grad()
    def plain(self, batch: Batch) -> Tensor:
        return self._known().encode(_rows(batch), self.clip)

    def raw(self, batch: Batch) -> Tensor:
        return self.plain(batch)

    @property
    def input_axes(self) -> int | None:
        return 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self._known().width,)

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        return MlpEncoder(widths=(256, 256))

    def default_preset(self) -> str:
        return "nat"

    def samples(self, items: Sequence[Any]) -> list[Any]:
        columns, found = self._known(), []
        for index, item in enumerate(items):
            try:
                found.append(ArraySample(index, columns.row(item, self.table.missing_texts)))
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"cannot read item {index} as a row: {error}; give the values of all columns "
                    "in order, or by name"
                ) from error
            if np.isinf(found[-1].values).any():
                raise DataError(f"cannot read item {index} as a row: it holds infinity")
        return found

    def thumbnail(self, sample: Any) -> Thumbnail | None:
        if isinstance(sample, Unreadable):
            return None
        return sparkline(self.plain(self.collate([sample]))[0].numpy())

    def _known(self) -> Columns:
        if self._columns is None:
            raise ConfigError("the columns are not known yet; call resolved() first")
        return self._columns

    def _source(self, fitted: Columns | None) -> Source:
        source = self.source if self.source is not None else _DEFAULT
        if source in EMBEDDED:
            return Embedded(source)
        plugin: Source | None = plugin_source("vector", source)
        if plugin is not None:
            return plugin
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() in _ARRAYS:
            return Arrays(path)
        if path.is_file() and is_table(path):
            from natlib_vector.table import Table

            settings = TableSettings(
                wanted=self.columns,
                ignored=self.ignore,
                label=self.label,
                split=self.split,
                categorical=self.categorical,
                numerical=self.numerical,
                most=self.max_categories,
                form=self.table,
            )
            return Table(path, settings, fitted)
        expected = f"a file that ends in {', '.join((*_ARRAYS, *TABLE_SUFFIXES))}"
        if path.exists():
            raise DataError(f"the source {source} is no table and no arrays; expected {expected}")
        raise unknown_source(source, f"{expected}, or one of: {', '.join(EMBEDDED)}", EMBEDDED)


def _rows(batch: Batch) -> Tensor:
    """float64[b, c]; in float32, large numbers that differ little would be equal."""
    return batch.data["values"].double()
