"""Checkpoints of ``transformers`` in local folders; nothing is fetched, nothing is unpickled."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.errors import ConfigError

__all__ = ["load_checkpoint", "most_tokens", "read_architecture"]

logger = logging.getLogger("natlib")

# They number positions from the padding's number on.
_SHIFTED_POSITIONS = {"camembert", "longformer", "mpnet", "roberta", "xlm-roberta"}


def read_architecture(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint.

    Raises:
        ConfigError: it, or the weights beside it, are not there.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"the checkpoint {folder} is no folder; expected one that save_pretrained has written"
        )
    names = {file.name for file in folder.iterdir()}
    for wanted in (("config.json",), ("model.safetensors", "model.safetensors.index.json")):
        if not names & set(wanted):
            found = ", ".join(sorted(names)[:6]) or "nothing"
            raise ConfigError(
                f"the checkpoint {folder} has no {wanted[0]} (found: {found}); "
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
    """The model in a folder; one with fresh weights if there is no such folder any more.

    Raises:
        ConfigError: something in the folder is missing or damaged.
    """
    import transformers

    # Without annotations.
    auto: Any = transformers

    with _quiet():
        try:
            if architecture is not None and not folder.is_dir():
                logger.warning("the checkpoint %s is gone; its weights are not read", folder)
                values = {key: v for key, v in architecture.items() if key != "model_type"}
                config = auto.AutoConfig.for_model(architecture["model_type"], **values)
                model = auto.AutoModel.from_config(config)
            else:
                read_architecture(folder)
                model, report = auto.AutoModel.from_pretrained(
                    folder,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
                _check_complete(folder, report)
        except ConfigError:
            raise
        except Exception as error:  # transformers raises nearly anything
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"the checkpoint {folder} cannot be read: {why}; write it again with "
                "save_pretrained, or install what it needs"
            ) from error
    # It takes no part in the mean over tokens, and several processes would wait for its gradient.
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return cast("nn.Module", model)


def _check_complete(folder: Path, report: dict[str, Any]) -> None:
    lacking = sorted(str(name) for name in report["missing_keys"] if "pooler" not in str(name))
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


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice on standard error while a checkpoint is read."""
    import transformers.utils.logging

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
