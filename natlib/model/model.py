"""A trained model: encoder, head, and the modality that prepares their inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from natlib.component import Component
from natlib.configuration import describe_saved
from natlib.data import Modality, SampleSet
from natlib.encoders import (
    Encoder,
    EncoderRecipe,
    computes_on,
    data_device,
    place_encoder,
)
from natlib.encoders.pretrained import weights_replaced
from natlib.errors import ConfigError, DataError, DeviceError, NatlibError, one_line
from natlib.evaluation.features import encode
from natlib.evaluation.modes import evaluating, untouched_random
from natlib.model.files import (
    ENCODER_FILE,
    HEAD_FILE,
    find_model,
    head_state,
    load_tensors,
    read_fitted,
    read_model,
    save_model,
)
from natlib.objectives import Objective, ObjectiveModule
from natlib.runtime.model_size import no_larger_than

__all__ = ["Embeddings", "Model", "load", "save_model"]

Output = Literal["encoder", "head"]
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]
C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of a sample set; row i is sample ``index[i]``.

    Attributes:
        vectors: float32[u, f].
        index: int64[u], the samples that could be decoded.
    """

    vectors: Vectors
    index: np.ndarray[tuple[int], np.dtype[np.int64]]


class Model:
    """A trained encoder with its head, ready to embed samples.

    Args:
        encoder: from inputs to features.
        objective: what holds the head.
        modality: what prepares inputs, resolved.
        recipe: how the encoder was built.
    """

    def __init__(
        self,
        encoder: Encoder,
        objective: ObjectiveModule,
        modality: Modality,
        recipe: EncoderRecipe,
    ) -> None:
        self.encoder = encoder
        self.objective = objective
        self.modality = modality
        self.recipe = recipe

    @property
    def device(self) -> torch.device:
        """Where its inputs and outputs are: with the encoder, or on the CPU if that is on mps."""
        return data_device(computes_on(self.encoder))

    def to(self, device: str | torch.device) -> "Model":
        """Move the model to a device; returns the model itself.

        Raises:
            DeviceError: this machine has no such device.
        """
        try:
            place_encoder(self.encoder, device)
            self.objective.to(data_device(torch.device(device)))
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
        _check_output(output)
        if device is not None:
            self.to(device)
        starts = range(0, len(items), batch_size)
        rows = [self._embed_items(items[start : start + batch_size], output) for start in starts]
        return np.concatenate(rows) if rows else self._embed_nothing(output)

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
        _check_output(output)
        if device is not None:
            self.to(device)
        encoded = encode(
            self.modality,
            samples,
            self.encoder,
            device=self.device,
            objective=self.objective if output == "head" else None,
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
        with evaluating(self.encoder, self.objective):
            features = self.encoder(inputs)
            if output == "head":
                features = self.objective.embed(features)
        return cast("Vectors", features.float().cpu().numpy())


def load(run: str | Path, device: str | torch.device = "cpu") -> Model:
    """Read the model of a run back. Nothing is unpickled: tensors are safetensors.

    Args:
        run: the folder of a run, or the ``model`` folder itself.
        device: where the model goes.

    Raises:
        RunNotFoundError: there is no such folder, or no model in it yet.
        ConfigError: ``model.json`` is damaged, or names a component that is not installed.
        CheckpointError: tensors are missing, damaged or do not fit, or the model that
            ``model.json`` describes is larger than they are.
        DeviceError: this machine has no such device.
    """
    folder = find_model(Path(run))
    description, tensors = read_model(folder)
    recipe = _component(EncoderRecipe.resolve, description, "encoder", folder)
    objective_recipe = _component(Objective.resolve, description, "objective", folder)
    modality = _component(Modality.resolve, description, "modality", folder)
    modality = modality.with_fitted(read_fitted(folder, description))
    try:
        input_shape = tuple(int(size) for size in description["input_shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"model.json in {folder} has no valid 'input_shape', a list of numbers; "
            "write it again by resuming the run"
        ) from error
    if input_shape != tuple(modality.input_shape):
        raise ConfigError(
            f"model.json in {folder} has the input_shape {list(input_shape)}, and its modality "
            f"prepares inputs of {list(modality.input_shape)}; write it again by resuming the run"
        )
    encoder, objective = _built(recipe, objective_recipe, input_shape, tensors, folder)
    state = tensors[ENCODER_FILE]
    load_tensors(encoder, state, set(encoder.state_dict()), folder / ENCODER_FILE)
    load_tensors(objective, tensors[HEAD_FILE], set(head_state(objective)), folder / HEAD_FILE)
    encoder.eval()
    objective.eval()
    return Model(encoder, objective, modality, recipe).to(device)


def _built(
    recipe: EncoderRecipe,
    objective: Objective,
    input_shape: tuple[int, ...],
    tensors: dict[str, dict[str, Tensor]],
    folder: Path,
) -> tuple[Encoder, ObjectiveModule]:
    """Encoder and head with fresh weights, if they are no larger than their files."""
    weights = {f"{file}/{name}": one for file in tensors for name, one in tensors[file].items()}
    what = f"model.json in {folder}"
    try:
        with (
            untouched_random(torch.device("cpu")),
            no_larger_than(weights, what),
            weights_replaced(),
        ):
            encoder = recipe.build(input_shape)
            # A bank needs a size; its table serves training and is not part of the model.
            return encoder, objective.build(encoder.dim, samples=1)
    except NatlibError:
        raise
    except Exception as error:  # what libraries raise for sizes that do not go together
        raise ConfigError(
            f"{what} describes no model that can be built ({one_line(error)}); "
            "write it again by resuming the run"
        ) from error


def _component(
    resolve: Callable[[Any], C], description: dict[str, Any], key: str, folder: Path
) -> C:
    try:
        return resolve(description[key])
    except KeyError as error:
        raise ConfigError(
            f"model.json in {folder} has no '{key}'; write it again by resuming the run"
        ) from error
    except ValueError as error:
        raise ConfigError(f"model.json in {folder}: {key}: {describe_saved(error)}") from error


def _check_output(output: str) -> None:
    if output not in ("encoder", "head"):
        raise ConfigError(f"unknown output '{output}'; expected 'encoder' or 'head'")
