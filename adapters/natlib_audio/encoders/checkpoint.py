"""Checkpoints of ``transformers`` in local folders; nothing is fetched, nothing is unpickled."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.errors import ConfigError

__all__ = ["MODELS", "fresh_model", "load_checkpoint", "read_architecture"]

logger = logging.getLogger("natlib")

MODELS = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model"),
    "hubert": ("HubertConfig", "HubertModel"),
    "wavlm": ("WavLMConfig", "WavLMModel"),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioModel"),
}
"""Classes of ``transformers`` by the ``model_type`` of a checkpoint."""

_WEIGHTS = {"model.safetensors", "model.safetensors.index.json"}
# Masks are views' business; transformers draws its own from numpy, which no seed of a run reaches.
# A layer that is skipped now and then would leave its gradient missing.
_OURS = {"apply_spec_augment": False, "layerdrop": 0.0}
# They take no part where nothing is masked; a checkpoint may come with or without.
_UNUSED = ("masked_spec_embed",)


def read_architecture(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint.

    Raises:
        ConfigError: it, or the weights beside it, are not there, or it is of another kind.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"the checkpoint {folder} is no folder; expected one that save_pretrained has written"
        )
    names = {file.name for file in folder.iterdir()}
    for wanted in ({"config.json"}, _WEIGHTS):
        if not names & wanted:
            found = ", ".join(sorted(names)[:6]) or "nothing"
            raise ConfigError(
                f"the checkpoint {folder} has no {min(wanted, key=len)} (found: {found}); "
                "write it again with save_pretrained"
            )
    try:
        architecture = json.loads((folder / "config.json").read_text())
        if not isinstance(architecture, dict) or "model_type" not in architecture:
            raise ValueError("it names no model_type")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"config.json of the checkpoint {folder} cannot be read: {error}; "
            "write it again with save_pretrained"
        ) from error
    if architecture["model_type"] not in MODELS:
        raise ConfigError(
            f"the checkpoint {folder} is a {architecture['model_type']}; "
            f"expected one of: {', '.join(MODELS)}"
        )
    return architecture


def fresh_model(architecture: dict[str, Any]) -> nn.Module:
    """A model with fresh weights.

    Raises:
        ConfigError: there is no such model, or its settings do not go together.
    """
    import transformers

    config_name, model_name = MODELS[architecture["model_type"]]
    values = {key: value for key, value in architecture.items() if key != "model_type"} | _OURS
    with _quiet():
        try:
            config = getattr(transformers, config_name)(**values)
            return cast("nn.Module", getattr(transformers, model_name)(config))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"the encoder wav2vec cannot be built: {_one_line(error)}") from error


def load_checkpoint(folder: Path, architecture: dict[str, Any] | None) -> nn.Module:
    """The model in a folder; one with fresh weights if there is no such folder any more.

    Raises:
        ConfigError: something in the folder is missing or damaged.
    """
    import transformers

    if architecture is not None and not folder.is_dir():
        logger.warning("the checkpoint %s is gone; its weights are not read", folder)
        return fresh_model(architecture)
    config_name, model_name = MODELS[read_architecture(folder)["model_type"]]
    with _quiet():
        try:
            # Some configurations have no such setting by default, and take it all the same.
            config = getattr(transformers, config_name).from_pretrained(
                folder, local_files_only=True
            )
            config.update(_OURS)
            model, report = getattr(transformers, model_name).from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are an error below, in words of our own
            )
        except Exception as error:  # transformers raises nearly anything
            raise ConfigError(
                f"the checkpoint {folder} cannot be read: {_one_line(error)}; write it again with "
                "save_pretrained, or install what it needs"
            ) from error
    lacking = sorted(str(n) for n in report["missing_keys"] if not str(n).endswith(_UNUSED))
    if lacking:
        raise ConfigError(
            f"the checkpoint {folder} lacks {len(lacking)} weights ({lacking[0]}, ...); "
            "expected those of the model in its config.json"
        )
    if report.get("mismatched_keys"):
        raise ConfigError(
            f"weights of the checkpoint {folder} have other shapes than its config.json says; "
            "write it again with save_pretrained"
        )
    return cast("nn.Module", model)


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice on standard error while a model is made."""
    import transformers.utils.logging

    # Without annotations.
    hf: Any = transformers.utils.logging
    verbosity, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity_error()
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(verbosity)
        if bars:
            hf.enable_progress_bar()
