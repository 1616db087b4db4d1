"""The model folder of a run: safetensors and json, always complete.

A kill at any moment leaves a complete folder under ``model`` or ``.model.previous`` (see
:func:`natlib.runtime.storage.new_folder`); a reader looks at both. ``model.json`` holds digests of
the tensor files, so that a mixture of two saves or a damaged file is noticed.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn

from natlib.data import Modality
from natlib.encoders import Encoder, EncoderRecipe
from natlib.errors import CheckpointError, ConfigError, RunNotFoundError
from natlib.objectives import Objective, ObjectiveModule
from natlib.runtime.packages import version
from natlib.runtime.reading import read_json
from natlib.runtime.storage import (
    digest,
    new_folder,
    on_host,
    previous_of,
    read_files,
    save_tensors,
    write_files,
)
from natlib.runtime.tensors import read_tensors
from natlib.runtime.training_state import training_states

__all__ = [
    "ENCODER_FILE",
    "HEAD_FILE",
    "find_model",
    "head_state",
    "load_tensors",
    "read_fitted",
    "read_model",
    "save_model",
]

ENCODER_FILE = "encoder.safetensors"
HEAD_FILE = "head.safetensors"
FITTED_FOLDER = "fitted"
_JSON_FILE = "model.json"
_FORMAT = 2


def save_model(
    folder: Path,
    encoder: Encoder,
    module: ObjectiveModule,
    *,
    recipe: EncoderRecipe,
    objective: Objective,
    modality: Modality,
) -> None:
    """Write what is needed to embed: encoder, head, and how inputs are prepared.

    Args:
        folder: the ``model`` folder of a run; a save that is there is replaced.
        encoder: the trained encoder.
        module: contains the head; tables, counters of slots and teachers stay in the checkpoints.
        recipe: builds such an encoder.
        objective: builds such a module.
        modality: what prepares inputs, resolved.

    Raises:
        CheckpointError: the folder cannot be written; a save that was there stays intact.
    """
    fitted = modality.fitted()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as partial:
            save_tensors(on_host(encoder.state_dict()), partial / ENCODER_FILE)
            save_tensors(on_host(head_state(module)), partial / HEAD_FILE)
            write_files(partial / FITTED_FOLDER, fitted)
            description = {
                "format": _FORMAT,
                "natlib": version("natlib"),
                "encoder": recipe.model_dump(mode="json"),
                "objective": objective.model_dump(mode="json"),
                "modality": modality.model_dump(mode="json"),
                "input_shape": list(modality.input_shape),
                "feature_dim": encoder.dim,
                "sha256": {name: digest(partial / name) for name in (ENCODER_FILE, HEAD_FILE)},
                "fitted": {name: sha256(file).hexdigest() for name, file in fitted.items()},
            }
            text = json.dumps(description, indent=2) + "\n"
            (partial / _JSON_FILE).write_text(text, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the model could not be written to {folder}: {error}; "
            "free some space or make the folder writable"
        ) from error


def find_model(path: Path) -> Path:
    """The model folder of a run folder, or of a model folder itself.

    Raises:
        RunNotFoundError: there is no such folder, or no complete model in it.
    """
    for folder in (path / "model", path):
        for candidate in (folder, previous_of(folder)):
            if (candidate / _JSON_FILE).is_file():
                return candidate
    if not path.exists():
        raise RunNotFoundError(
            f"there is no run at {path}; give the folder of a run, or train one first"
        )
    if not path.is_dir():
        raise RunNotFoundError(f"{path} is a file; give the folder of the run that it belongs to")
    found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
    raise RunNotFoundError(
        f"{path} holds no model (found: {found}); a model is written at the end of each epoch, "
        "so let the run reach its first one, or give the folder of another run"
    )


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """The description in ``model.json``, and the tensors of each file by file name.

    Raises:
        ConfigError: ``model.json`` is damaged or of another format.
        CheckpointError: a tensor file is missing, damaged, or of another save.
    """
    try:
        description: dict[str, Any] = read_json(folder / _JSON_FILE)
        version, digests = description["format"], dict(description["sha256"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{folder / _JSON_FILE} is damaged ({_one_line(error)}); "
            "write it again by resuming the run"
        ) from error
    if version != _FORMAT:
        raise ConfigError(
            f"{folder / _JSON_FILE} has format {version}, this natlib reads format {_FORMAT}; "
            f"use natlib {description.get('natlib', '(unknown)')}, which wrote it, or train anew"
        )
    tensors = {}
    for name in (ENCODER_FILE, HEAD_FILE):
        try:
            tensors[name] = read_tensors(folder / name)
            intact = digest(folder / name) == digests.get(name)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder / name} cannot be read ({_one_line(error)}); "
                "write it again by resuming the run"
            ) from error
        if not intact:
            raise CheckpointError(
                f"{folder / name} is not the file that model.json describes: damaged, or a save "
                "was under way; load again, or write it again by resuming the run"
            )
    return description, tensors


def read_fitted(folder: Path, description: dict[str, Any]) -> dict[str, bytes]:
    """The files that the modality has fitted, by name.

    Raises:
        ConfigError: ``model.json`` does not say which.
        CheckpointError: one is missing or damaged.
    """
    digests = description.get("fitted")
    if not isinstance(digests, dict):
        raise ConfigError(
            f"{folder / _JSON_FILE} has no valid 'fitted', names of files and their digests; "
            "write it again by resuming the run"
        )
    try:
        files = read_files(folder / FITTED_FOLDER)
    except OSError as error:
        raise CheckpointError(f"{folder / FITTED_FOLDER} cannot be read: {error}") from error
    for name, expected in digests.items():
        if name not in files or sha256(files[name]).hexdigest() != expected:
            raise CheckpointError(
                f"{folder / FITTED_FOLDER / name} is missing or not the file that model.json "
                "describes; write it again by resuming the run"
            )
    return {name: files[name] for name in digests}


def head_state(objective: ObjectiveModule) -> dict[str, Tensor]:
    """The state of an objective's module without what only training needs."""
    kept_out = tuple(f"{name}." for name, _ in training_states(objective))
    state: dict[str, Tensor] = objective.state_dict()
    return {name: value for name, value in state.items() if not name.startswith(kept_out)}


def load_tensors(module: nn.Module, state: dict[str, Tensor], wanted: set[str], file: Path) -> None:
    """Fill the tensors ``wanted`` of a module.

    Raises:
        CheckpointError: names or shapes do not fit.
    """
    own: dict[str, Tensor] = module.state_dict()
    missing, extra = sorted(wanted - set(state)), sorted(set(state) - wanted)
    if missing or extra:
        what = f"lacks '{missing[0]}'" if missing else f"holds an unknown '{extra[0]}'"
        raise CheckpointError(
            f"{file} {what} ({len(missing)} tensors missing, {len(extra)} unknown); "
            "it was written for another model, check that plug-ins have the same version"
        )
    for name in sorted(wanted):
        if own[name].shape != state[name].shape:
            raise CheckpointError(
                f"'{name}' in {file} has shape {list(state[name].shape)}, the model needs "
                f"{list(own[name].shape)}; check that plug-ins have the same version"
            )
    module.load_state_dict(state, strict=False)


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
