"""Time series as a modality of natlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from natlib import data
from natlib.encoders import EncoderRecipe
from natlib.errors import DataError
from natlib_timeseries.encoder import Conv1d
from natlib_timeseries.reading import read
from natlib_timeseries.views import Augmentation, one_view


class TimeSeries(data.Modality):
    """Multivariate time series of one length."""

    kind: Literal["timeseries"] = "timeseries"
    presets: ClassVar[Path | None] = Path(__file__).parent / "presets"

    source: str | None = None
    """A UCR folder (``NAME_TRAIN.tsv``), an .npz file with ``series`` [n, channels, time] and
    ``labels``, or ``waves``, the default: synthetic ones."""
    shape: tuple[int, ...] = ()
    """Channels and points of a series; found in the source."""
    augment: Augmentation = Augmentation()
    """How views differ from each other."""

    def resolved(self) -> Self:
        source = self.source or "waves"
        series, _, _ = read(source, "train")
        here = source if source == "waves" else str(Path(source).expanduser().absolute())
        return self.model_copy(update={"source": here, "shape": series.shape[1:]})

    def dataset(self, split: data.Split, cache: Path | None = None) -> data.ArraySamples | None:
        found = read(self.source or "waves", split)
        if found is None:
            return None
        series, labels, classes = found
        if series.shape[1:] != self.shape:
            what = f"series {series.shape[1:]}; expected {self.shape}, as in training"
            raise DataError(f"{self.source} holds {what}")
        rows = self.subset(split, len(series))
        return data.ArraySamples(series, labels, classes, prefix=split, chosen=rows)

    def samples(self, items: Sequence[Any]) -> list[Any]:
        try:
            arrays = [np.asarray(item, dtype=np.float32).reshape(self.shape) for item in items]
        except (TypeError, ValueError) as error:
            raise DataError(f"an item is no series {list(self.shape)}: {error}") from error
        return [data.ArraySample(index, array) for index, array in enumerate(arrays)]

    def collate(self, samples: list[Any]) -> data.Batch:
        return data.collate_arrays(samples)

    def plain(self, batch: data.Batch) -> Tensor:
        """Each channel of each series with mean 0 and variance 1."""
        series = batch.data["values"]
        spread, mean = torch.std_mean(series, dim=-1, correction=0, keepdim=True)
        return (series - mean) / spread.clamp_min(1e-6)

    def views(self, batch: data.Batch, count: int) -> list[Tensor]:
        return [one_view(self.augment, self.plain(batch)) for _ in range(count)]

    def raw(self, batch: data.Batch) -> Tensor:
        return self.plain(batch).flatten(1)

    def thumbnail(self, sample: Any) -> data.Thumbnail | None:
        return None if isinstance(sample, data.Unreadable) else data.sparkline(sample.values)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        return Conv1d()

    def default_preset(self) -> str:
        return "nat"
