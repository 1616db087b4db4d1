"""Pretrained models of ``transformers`` from local folders: nothing is fetched or unpickled."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.errors import ConfigError, one_line
from natlib.runtime.log import logger

__all__ = ["checkpoint_is_gone", "load_pretrained", "quiet_transformers", "read_architecture"]


_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def read_architecture(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint.

    Args:
        folder: a folder that ``save_pretrained`` has written.

    Raises:
        ConfigError: there is no such folder, it lacks ``config.json`` or weights in safetensors, or
            ``config.json`` cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"the checkpoint {folder} is not a folder; expected one that save_pretrained wrote"
        )
    names = {file.name for file in folder.iterdir()}
    for wanted in (("config.json",), _WEIGHTS):
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
    return architecture


def checkpoint_is_gone(folder: Path) -> bool:
    """Whether the folder of a checkpoint exists no more; the log says so.

    Then a run that is trained already builds its encoder with fresh weights from the architecture
    that it has kept, and reads its own weights afterwards.
    """
    if folder.is_dir():
        return False
    logger.warning("the checkpoint %s is gone; its weights are not read", folder)
    return True


def load_pretrained(
    folder: Path,
    config_class: Any,
    model_class: Any,
    *,
    settings: Mapping[str, Any] | None = None,
    unused: tuple[str, ...] = (),
) -> nn.Module:
    """The model in a folder, with its weights.

    Args:
        folder: a folder that ``save_pretrained`` has written.
        config_class: a class of ``transformers``, ``AutoConfig`` for example.
        model_class: the class of the model, ``AutoModel`` for example.
        settings: settings that replace those of the folder's ``config.json``.
        unused: parts of names of weights that a checkpoint may lack, as the encoder does not use
            them.

    Raises:
        ConfigError: a file is missing or damaged, or the weights do not fit ``config.json``.
    """
    read_architecture(folder)
    with quiet_transformers():
        try:
            config = config_class.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            # Not as arguments of from_pretrained, which drops settings that a class has no default
            # for.
            config.update(dict(settings or {}))
            model, report = model_class.from_pretrained(
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
                f"the checkpoint {folder} cannot be read: {one_line(error)}; write it again with "
                "save_pretrained, or install what it needs"
            ) from error
    names = sorted(str(name) for name in report["missing_keys"])
    lacking = [name for name in names if not any(part in name for part in unused)]
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


@contextmanager
def quiet_transformers() -> Iterator[None]:
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
