"""Models of text from ``transformers``, from a local checkpoint."""

from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.encoders import pretrained
from natlib.encoders.pretrained import (
    are_weights_replaced,
    checkpoint_is_gone,
    fresh_model,
    load_pretrained,
    whole_number,
)
from natlib.errors import ConfigError

__all__ = ["load_checkpoint", "most_tokens", "read_architecture"]

# They number positions from the padding's number on.
_SHIFTED_POSITIONS = {"camembert", "longformer", "mpnet", "roberta", "xlm-roberta"}
# The mean over tokens is taken in its place.
_UNUSED = ("pooler",)


def read_architecture(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint.

    See :func:`natlib.encoders.pretrained.read_architecture`.

    Raises:
        ConfigError: the checkpoint cannot be read, or its model has a decoder.
    """
    architecture = pretrained.read_architecture(folder)
    if architecture.get("is_encoder_decoder"):
        raise ConfigError(
            f"the checkpoint {folder} is an encoder with a decoder ({architecture['model_type']}); "
            "expected an encoder alone, BERT or RoBERTa for example"
        )
    return architecture


def most_tokens(architecture: dict[str, Any], folder: Path) -> int | None:
    """How many tokens a model reads at once; None if it does not say.

    Raises:
        ConfigError: what it says is no number.
    """
    most = whole_number(architecture, "max_position_embeddings", folder)
    if most is not None and architecture["model_type"] in _SHIFTED_POSITIONS:
        return most - (whole_number(architecture, "pad_token_id", folder) or 1) - 1
    return most


def load_checkpoint(folder: Path, architecture: dict[str, Any] | None) -> nn.Module:
    """The model in a folder; one with fresh weights if the folder is gone, or others follow.

    Args:
        folder: a folder that ``save_pretrained`` has written.
        architecture: the ``config.json`` that was there when the run began, if it has begun.

    Raises:
        ConfigError: something in the folder is missing or damaged.
    """
    if architecture is not None and (are_weights_replaced() or checkpoint_is_gone(folder)):
        model: Any = fresh_model(architecture, settings={})
    else:
        read_architecture(folder)
        model = load_pretrained(folder, unused=_UNUSED)
    # Nothing would give it a gradient, and several processes would wait for one.
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return cast("nn.Module", model)
