"""Models of text from ``transformers``, from a local checkpoint."""

from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.encoders import pretrained
from natlib.encoders.pretrained import checkpoint_is_gone, load_pretrained, quiet_transformers
from natlib.errors import ConfigError, one_line

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


def most_tokens(architecture: dict[str, Any]) -> int | None:
    """How many tokens a model reads at once; None if it does not say."""
    most = architecture.get("max_position_embeddings")
    if most is None:
        return None
    if architecture["model_type"] in _SHIFTED_POSITIONS:
        return int(most) - int(architecture.get("pad_token_id") or 1) - 1
    return int(most)


def load_checkpoint(folder: Path, architecture: dict[str, Any] | None) -> nn.Module:
    """The model in a folder; one with fresh weights if the folder is gone.

    Args:
        folder: a folder that ``save_pretrained`` has written.
        architecture: the ``config.json`` that was there when the run began, if it has begun.

    Raises:
        ConfigError: something in the folder is missing or damaged.
    """
    import transformers

    if architecture is not None and checkpoint_is_gone(folder):
        model = _fresh_model(architecture)
    else:
        read_architecture(folder)
        model = load_pretrained(
            folder, transformers.AutoConfig, transformers.AutoModel, unused=_UNUSED
        )
    # Nothing would give it a gradient, and several processes would wait for one.
    if getattr(model, "pooler", None) is not None:
        setattr(model, "pooler", None)  # noqa: B010  (no Module, which is what its type says)
    return model


def _fresh_model(architecture: dict[str, Any]) -> nn.Module:
    import transformers

    # Without annotations.
    auto: Any = transformers
    values = {key: value for key, value in architecture.items() if key != "model_type"}
    with quiet_transformers():
        try:
            config = auto.AutoConfig.for_model(architecture["model_type"], **values)
            return cast("nn.Module", auto.AutoModel.from_config(config))
        except Exception as error:  # transformers raises nearly anything
            raise ConfigError(
                f"the encoder text_transformer cannot be built: {one_line(error)}; install the "
                "version of transformers that the run was made with"
            ) from error
