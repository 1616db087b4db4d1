"""An encoder with what prepares its inputs, ready to embed samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.encoders import Encoder, EncoderRecipe, computes_on, data_device, place_encoder
from natlib.errors import ConfigError, DataError, DeviceError
from natlib.evaluation.features import encode
from natlib.evaluation.modes import evaluating
from natlib.objectives import ObjectiveModule

__all__ = ["EmbeddingModel", "Embeddings", "Output"]

Output = Literal["encoder", "head"]
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of a sample set; row i is sample ``index[i]``.

    Attributes:
        vectors: float32[u, f].
        index: int64[u], the samples that could be decoded.
    """

    vectors: Vectors
    index: np.ndarray[tuple[int], np.dtype[np.int64]]


class EmbeddingModel:
    """An encoder, trained or as it came, ready to embed samples.

    Args:
        encoder: from inputs to features.
        modality: what prepares inputs, resolved.
        recipe: how the encoder was built.
        with_head: the objective that holds the head, if there is one.
    """

    def __init__(
        self,
        encoder: Encoder,
        modality: Modality,
        recipe: EncoderRecipe,
        with_head: ObjectiveModule | None = None,
    ) -> None:
        self.encoder = encoder
        self.modality = modality
        self.recipe = recipe
        self.with_head = with_head

    @property
    def device(self) -> torch.device:
        """Where its inputs and outputs are: with the encoder, or on the CPU if that is on mps."""
        return data_device(computes_on(self.encoder))

    def to(self, device: str | torch.device) -> Self:
        """Move the model to a device; returns the model itself.

        Raises:
            DeviceError: this machine has no such device.
        """
        try:
            place_encoder(self.encoder, device)
            if self.with_head is not None:
                self.with_head.to(data_device(torch.device(device)))
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(
                f"cannot use device '{device}': {str(error).splitlines()[0]}; use 'cpu'"
            ) from error
        return self

    def embed(
        self,
        items: Sequence[Any] | np.ndarray[Any, Any],
        *,
        batch_size: int = 256,
        output: Output = "encoder",
        device: str | torch.device | None = None,
    ) -> Vectors:
        """Embed paths or arrays.

        Args:
            items: whatever the modality reads: paths to files, or decoded arrays.
            batch_size: samples that are decoded and embedded at once.
            output: ``encoder`` for features, ``head`` for the space of the targets.
            device: move the model there first; by default it stays where it is.

        Returns:
            float32[n, f], row i for item i.

        Raises:
            DataError: an item cannot be read; the message names it.
            DeviceError: this machine has no such device.
        """
        if isinstance(items, str | bytes | Path):
            raise DataError(f"embed takes a list of items, got {items!r}; write embed([...])")
        self._check_output(output)
        if device is not None:
            self.to(device)
        if not len(items):
            return self._embed_nothing(output)
        extents = self.modality.extents(cast("Sequence[Any]", items))
        order = np.arange(len(items)) if extents is None else np.argsort(extents, kind="stable")
        vectors: Vectors | None = None
        for start in range(0, len(items), batch_size):
            chosen = order[start : start + batch_size]
            found = self._embed_items([items[place] for place in chosen], output)
            if vectors is None:
                vectors = np.empty((len(items), found.shape[1]), dtype=np.float32)
            vectors[chosen] = found
        assert vectors is not None
        return vectors

    def embed_set(
        self,
        samples: SampleSet,
        *,
        batch_size: int = 256,
        output: Output = "encoder",
        device: str | torch.device | None = None,
        workers: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Embeddings:
        """Embed the usable samples of a set, leaving out what cannot be decoded.

        Args:
            samples: ``model.modality.dataset("train")``, for example.
            batch_size: samples that are embedded at once.
            output: ``encoder`` for features, ``head`` for the space of the targets.
            device: move the model there first; by default it stays where it is.
            workers: processes that decode.
            progress: called with the samples done and the samples in all.

        Raises:
            DataError: no sample can be decoded.
            DeviceError: this machine has no such device.
            NonFiniteError: an output holds NaN or infinity.
        """
        self._check_output(output)
        if device is not None:
            self.to(device)
        encoded = encode(
            self.modality,
            samples,
            self.encoder,
            device=self.device,
            objective=self.with_head if output == "head" else None,
            batch_size=batch_size,
            workers=workers,
            progress=progress,
        )
        return Embeddings(encoded.features[output].numpy(), encoded.index.numpy())

    def _embed_items(self, items: Sequence[Any] | np.ndarray[Any, Any], output: Output) -> Vectors:
        batch = self.modality.collate(self.modality.samples(cast("Sequence[Any]", items)))
        if batch.unreadable:
            raise DataError(f"an item cannot be read: {batch.unreadable[0].reason}")
        return self._vectors(self.modality.plain(batch.to(self.device)), output)

    def _embed_nothing(self, output: Output) -> Vectors:
        return self._vectors(torch.empty(0, *self.modality.input_shape, device=self.device), output)

    def _vectors(self, inputs: Tensor, output: Output) -> Vectors:
        with evaluating(self.encoder, self.with_head):
            features = self.encoder(inputs)
            if output == "head" and self.with_head is not None:
                features = self.with_head.embed(features)
        return cast("Vectors", features.float().cpu().numpy())

    def _check_output(self, output: str) -> None:
        if output not in ("encoder", "head"):
            raise ConfigError(f"unknown output '{output}'; expected 'encoder' or 'head'")
        if output == "head" and self.with_head is None:
            raise ConfigError(
                "output is 'head', and an encoder as it came has none; leave it at 'encoder'"
            )
