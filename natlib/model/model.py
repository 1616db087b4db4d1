"""A trained model: encoder, head, and the modality that prepares their inputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from natlib.component import Component
from natlib.configuration import describe_saved
from natlib.data import Modality
from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.pretrained import weights_replaced
from natlib.errors import ConfigError, NatlibError, one_line
from natlib.evaluation.modes import untouched_random
from natlib.model.embedding_model import EmbeddingModel
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

__all__ = ["Model", "load", "save_model"]

C = TypeVar("C", bound=Component)


class Model(EmbeddingModel):
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
        super().__init__(encoder, modality, recipe, objective)
        self.objective = objective


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
