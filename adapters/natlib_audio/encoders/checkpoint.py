"""Models of speech from ``transformers``, fresh or from a local checkpoint."""

from pathlib import Path
from typing import Any

from torch import nn

from natlib.encoders import pretrained
from natlib.encoders.pretrained import (
    are_weights_replaced,
    checkpoint_is_gone,
    load_pretrained,
)
from natlib.errors import ConfigError

__all__ = ["MODELS", "fresh_model", "load_checkpoint", "read_architecture"]

MODELS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
"""The ``model_type`` of checkpoints that are read."""

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
    _check(architecture, f"the checkpoint {folder}")
    return architecture


def fresh_model(architecture: dict[str, Any]) -> nn.Module:
    """A model with fresh weights.

    Args:
        architecture: what ``config.json`` says, or would say.

    Raises:
        ConfigError: the settings do not go together, or the model is none of :data:`MODELS`.
    """
    _check(architecture, "the encoder's architecture")
    return pretrained.fresh_model(architecture, settings=_SETTINGS)


def load_checkpoint(folder: Path, architecture: dict[str, Any] | None) -> nn.Module:
    """The model in a folder; one with fresh weights if the folder is gone, or others follow.

    Args:
        folder: a folder that ``save_pretrained`` has written.
        architecture: the ``config.json`` that was there when the run began, if it has begun.

    Raises:
        ConfigError: something in the folder is missing or damaged.
    """
    if architecture is not None and (are_weights_replaced() or checkpoint_is_gone(folder)):
        return fresh_model(architecture)
    read_architecture(folder)
    return load_pretrained(folder, settings=_SETTINGS, unused=_UNUSED)


def _check(architecture: dict[str, Any], what: str) -> None:
    kind = architecture.get("model_type")
    if kind not in MODELS:
        raise ConfigError(f"{what} is a {kind}; expected one of: {', '.join(MODELS)}")
