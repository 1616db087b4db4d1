"""Models of speech from ``transformers``, fresh or from a local checkpoint."""

from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.encoders import pretrained
from natlib.encoders.pretrained import checkpoint_is_gone, load_pretrained, quiet_transformers
from natlib.errors import ConfigError, one_line

__all__ = ["MODELS", "fresh_model", "load_checkpoint", "read_architecture"]

MODELS = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model"),
    "hubert": ("HubertConfig", "HubertModel"),
    "wavlm": ("WavLMConfig", "WavLMModel"),
    "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioModel"),
}
"""Classes of ``transformers`` by the ``model_type`` of a checkpoint."""

# Views mask, with torch's generator; transformers would draw masks from numpy's, which no seed of a
# run reaches. A layer that is skipped now and then would leave its gradient missing.
_SETTINGS = {"apply_spec_augment": False, "layerdrop": 0.0}
# Where nothing is masked it takes no part; a checkpoint may come with or without it.
_UNUSED = ("masked_spec_embed",)


def read_architecture(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint.

    See :func:`natlib.encoders.pretrained.read_architecture`.

    Raises:
        ConfigError: the checkpoint cannot be read, or its model is none of :data:`MODELS`.
    """
    architecture = pretrained.read_architecture(folder)
    if architecture["model_type"] not in MODELS:
        raise ConfigError(
            f"the checkpoint {folder} is a {architecture['model_type']}; "
            f"expected one of: {', '.join(MODELS)}"
        )
    return architecture


def fresh_model(architecture: dict[str, Any]) -> nn.Module:
    """A model with fresh weights.

    Args:
        architecture: what ``config.json`` says, or would say.

    Raises:
        ConfigError: the settings do not go together.
    """
    config_class, model_class = _classes(architecture)
    values = {key: value for key, value in architecture.items() if key != "model_type"} | _SETTINGS
    with quiet_transformers():
        try:
            return cast("nn.Module", model_class(config_class(**values)))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"the encoder wav2vec cannot be built: {one_line(error)}") from error


def load_checkpoint(folder: Path, architecture: dict[str, Any] | None) -> nn.Module:
    """The model in a folder; one with fresh weights if the folder is gone.

    Args:
        folder: a folder that ``save_pretrained`` has written.
        architecture: the ``config.json`` that was there when the run began, if it has begun.

    Raises:
        ConfigError: something in the folder is missing or damaged.
    """
    if architecture is not None and checkpoint_is_gone(folder):
        return fresh_model(architecture)
    config_class, model_class = _classes(read_architecture(folder))
    return load_pretrained(folder, config_class, model_class, settings=_SETTINGS, unused=_UNUSED)


def _classes(architecture: dict[str, Any]) -> tuple[Any, Any]:
    import transformers

    config_name, model_name = MODELS[architecture["model_type"]]
    return getattr(transformers, config_name), getattr(transformers, model_name)
