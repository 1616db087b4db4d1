"""What is in the folder of a checkpoint: an architecture, and weights in safetensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from natlib.errors import ConfigError, one_line
from natlib.runtime.log import logger
from natlib.runtime.reading import read_json
from natlib.runtime.tensors import read_tensors

__all__ = [
    "are_weights_replaced",
    "checkpoint_is_gone",
    "read_architecture",
    "read_settings",
    "read_weights",
    "weights_replaced",
    "whole_number",
]

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
# Whether the weights of the model that is being built will be others.
_replaced: ContextVar[bool] = ContextVar("replaced", default=False)
_AGAIN = "write it again with save_pretrained"


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
    for wanted in (("config.json",), (_WEIGHTS, _INDEX)):
        if not names & set(wanted):
            found = ", ".join(sorted(names)[:6]) or "nothing"
            raise ConfigError(
                f"the checkpoint {folder} has no {wanted[0]} (found: {found}); {_AGAIN}"
            )
    try:
        architecture = read_json(folder / "config.json")
        kind = architecture.get("model_type") if isinstance(architecture, dict) else None
        if not isinstance(kind, str):
            raise ValueError("it names no model_type")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"config.json of the checkpoint {folder} cannot be read: {error}; {_AGAIN}"
        ) from error
    return dict(architecture)


def read_settings(file: Path, writer: str, *, optional: bool = False) -> dict[str, Any]:
    """A JSON file of a checkpoint that holds an object.

    Args:
        file: the file.
        writer: what writes such files, for the message.
        optional: whether it may be missing, which is as good as an empty one.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    if optional and not file.exists():
        return {}
    try:
        values = read_json(file)
        if not isinstance(values, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read: {one_line(error)}; expected what {writer} writes"
        ) from error
    return values


def whole_number(architecture: Mapping[str, Any], key: str, folder: Path) -> int | None:
    """A whole number of a ``config.json``; None if it is absent or null.

    Raises:
        ConfigError: it is something else.
    """
    value = architecture.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ConfigError(
        f"config.json of the checkpoint {folder}: '{key}' is {value!r}, expected a whole number; "
        f"{_AGAIN}"
    )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by name, from one safetensors file or from several.

    The index of several may name nothing but safetensors files in the folder itself.

    Raises:
        ConfigError: a file is missing, damaged, or of another kind.
    """
    names = [_WEIGHTS] if (folder / _WEIGHTS).exists() else _indexed(folder)
    weights: dict[str, Tensor] = {}
    for name in names:
        try:
            found = read_tensors(folder / name)
        except (OSError, SafetensorError) as error:
            raise ConfigError(
                f"{name} of the checkpoint {folder} cannot be read: {one_line(error)}; {_AGAIN}"
            ) from error
        if twice := sorted(weights.keys() & found.keys()):
            raise ConfigError(
                f"the checkpoint {folder} holds '{twice[0]}' in more than one file; {_AGAIN}"
            )
        weights |= found
    return weights


@contextmanager
def weights_replaced() -> Iterator[None]:
    """While a trained model is built: its own weights follow, and no checkpoint is looked at.

    The path of the checkpoint is that of another machine, and a stranger may have written it.
    """
    outer = _replaced.set(True)
    try:
        yield
    finally:
        _replaced.reset(outer)


def are_weights_replaced() -> bool:
    """Whether a model is built within :func:`weights_replaced`."""
    return _replaced.get()


def checkpoint_is_gone(folder: Path) -> bool:
    """Whether the folder of a checkpoint exists no more; the log says so.

    Then a run that is trained already builds its encoder with fresh weights from the architecture
    that it has kept, and reads its own weights afterwards.
    """
    if folder.is_dir():
        return False
    logger.warning("the checkpoint %s is gone; its weights are not read", folder)
    return True


def _indexed(folder: Path) -> list[str]:
    """Names of the files that the index names."""
    try:
        files = set(read_json(folder / _INDEX)["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{_INDEX} of the checkpoint {folder} cannot be read: {one_line(error)}; {_AGAIN}"
        ) from error
    for name in files:
        if not isinstance(name, str) or not _is_plain(name):
            raise ConfigError(
                f"{_INDEX} of the checkpoint {folder} names {name!r}; expected names of files in "
                f"the folder itself that end in .safetensors; {_AGAIN}"
            )
    return sorted(files)


def _is_plain(name: str) -> bool:
    return name.endswith(".safetensors") and not set(name) & {"/", "\\", "\0", ":"}
