"""Checkpoints: complete or absent, checked when they are read, and free of pickles.

A checkpoint is a folder ``checkpoints/step-000000123`` with ``weights.safetensors``
(encoder, head, table or counter), ``optimizer.safetensors``, ``meter.safetensors`` (what was
measured since the last line of metrics), ``state.json``, and ``manifest.json`` with the SHA-256 of
each of them.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from natlib.errors import CheckpointError
from natlib.runtime.reading import read_json
from natlib.runtime.storage import digest, new_folder, on_host, remove, save_tensors, settle
from natlib.runtime.tensors import read_tensors
from natlib.training.meter import Meter

__all__ = [
    "Position",
    "complete_checkpoints",
    "latest_checkpoint",
    "prune_checkpoints",
    "read_checkpoint",
    "read_weights",
    "write_checkpoint",
]

_NAME = re.compile(r"step-(\d{9})")
_FORMAT = 3
_MANIFEST = "manifest.json"
_FILES = {"weights.safetensors", "optimizer.safetensors", "meter.safetensors", "state.json"}


@dataclass(frozen=True)
class Position:
    """The progress of a run.

    Attributes:
        epoch: number of the current epoch, from 0.
        epoch_step: updates done in that epoch.
        step: updates done in total.
    """

    epoch: int
    epoch_step: int
    step: int


def write_checkpoint(
    folder: Path,
    position: Position,
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    meter: Meter,
    *,
    keep: int,
) -> Path:
    """Write a checkpoint, then remove the oldest ones above ``keep``.

    Args:
        folder: the ``checkpoints`` folder of a run.
        position: how far the run is.
        learner: every parameter and buffer of it is saved.
        optimizer: its state is saved.
        meter: what it has measured since the last line of metrics is saved.
        keep: checkpoints to keep.

    Returns:
        The folder of the new checkpoint.

    Raises:
        CheckpointError: it could not be written (a full disk, say), or weights are
            not finite; older checkpoints are untouched.
    """
    weights = on_host(learner.state_dict())
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"'{name}' holds NaN or infinity, so no checkpoint was written; "
                f"{_what_is_left(folder)}; lower training.optimizer.learning_rate or set "
                "training.clip_gradient in a new run (--init-from takes over what was learnt)"
            )
    target = folder / f"step-{position.step:09d}"
    try:
        folder.mkdir(exist_ok=True)
        with new_folder(target) as partial:
            save_tensors(weights, partial / "weights.safetensors")
            save_tensors(_optimizer_tensors(optimizer), partial / "optimizer.safetensors")
            save_tensors(on_host(meter.state_dict()), partial / "meter.safetensors")
            (partial / "state.json").write_text(_json({"position": asdict(position)}))
            digests = {file.name: digest(file) for file in sorted(partial.iterdir())}
            (partial / _MANIFEST).write_text(_json({"format": _FORMAT, "sha256": digests}))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"checkpoint {target} could not be written: {error}; {_what_is_left(folder)}; "
            "free some space, then resume or start anew"
        ) from error
    prune_checkpoints(folder, keep)
    return target


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Remove the oldest checkpoints above ``keep``, and what a killed process left.

    What cannot be removed now is left to the next time.
    """
    try:
        settle(folder)
        for old in _named(folder)[:-keep]:
            remove(old)
    except OSError:
        # Too many checkpoints are no reason to stop a run; a disk that is full will be.
        return


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint, or None; :func:`read_checkpoint` checks whether it is intact."""
    found = _named(folder)
    return found[-1] if found else None


def read_checkpoint(
    checkpoint: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, meter: Meter
) -> Position:
    """Load weights, the state of the optimiser and measurements in place.

    Raises:
        CheckpointError: the checkpoint does not fit the learner or is damaged; the message says
            from which other one the run can go on, and how.
    """
    try:
        _check(checkpoint)
        state = read_json(checkpoint / "state.json")
        learner.load_state_dict(read_tensors(checkpoint / "weights.safetensors"))
        _restore_optimizer(optimizer, read_tensors(checkpoint / "optimizer.safetensors"))
        meter.load_state_dict(read_tensors(checkpoint / "meter.safetensors"))
        return Position(**state["position"])
    except CheckpointError:
        raise
    except _DamagedError as error:
        raise CheckpointError(
            f"checkpoint {checkpoint} is damaged ({error}); {_remedy(checkpoint)}"
        ) from error
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"checkpoint {checkpoint} cannot be read: {why}; {_remedy(checkpoint)}"
        ) from error


def read_weights(checkpoint: Path) -> dict[str, Tensor] | None:
    """The weights in a checkpoint by name; None where :func:`read_checkpoint` will say why not."""
    try:
        return read_tensors(checkpoint / "weights.safetensors")
    except (OSError, SafetensorError):
        return None


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints whose files are all there, from the oldest to the newest."""
    found = []
    for checkpoint in _named(folder):
        try:
            names = _manifest(checkpoint)
        except (_DamagedError, CheckpointError):
            continue
        if all((checkpoint / name).is_file() for name in names):
            found.append(checkpoint)
    return found


class _DamagedError(Exception):
    """A file of a checkpoint is missing, or not as it was written."""


def _check(checkpoint: Path) -> None:
    """Compare all files with their digests."""
    for name, expected in _manifest(checkpoint).items():
        try:
            intact = digest(checkpoint / name) == expected
        except OSError as error:
            raise _DamagedError(f"{name}: {error.strerror}") from error
        if not intact:
            raise _DamagedError(f"{name} is not as it was written")


def _manifest(checkpoint: Path) -> dict[str, str]:
    """The digests of the files of a checkpoint, by name."""
    try:
        manifest: Any = read_json(checkpoint / _MANIFEST)
        version, digests = manifest["format"], dict(manifest["sha256"])
    except OSError as error:
        raise _DamagedError(f"{_MANIFEST}: {error.strerror}") from error
    except (ValueError, TypeError, LookupError) as error:
        raise _DamagedError(f"{_MANIFEST} is not as it was written") from error
    if version != _FORMAT:
        raise CheckpointError(
            f"{checkpoint} has format {version}, this natlib reads {_FORMAT}; "
            "use the natlib that wrote it, or start a new run"
        )
    if set(digests) != _FILES:
        raise _DamagedError(f"{_MANIFEST} is not as it was written")
    return digests


def _remedy(checkpoint: Path) -> str:
    """What to do about a checkpoint that cannot be used."""
    for earlier in reversed([other for other in _named(checkpoint.parent) if other < checkpoint]):
        try:
            _check(earlier)
        except (_DamagedError, CheckpointError):
            continue
        return (
            f"remove it and resume: the run then goes on from the one before, {earlier.name}, "
            "which is intact"
        )
    run = checkpoint.parent.parent
    return (
        "there is no earlier one that is intact; restore it, or start a new run, from the weights "
        f"of this one if its model is there (--init-from {run})"
    )


def _named(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _what_is_left(folder: Path) -> str:
    found = complete_checkpoints(folder)
    return f"the last complete one is {found[-1]}" if found else "there is no earlier one"


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return on_host(
        {
            f"{parameter}.{name}": value
            for parameter, values in state.items()
            for name, value in values.items()
            if isinstance(value, Tensor)
        }
    )


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = tensor
    # Groups hold settings only; they come from the configuration and the schedule.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
