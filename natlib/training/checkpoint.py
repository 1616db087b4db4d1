"""Checkpoints: complete or absent, and free of pickles.

A checkpoint is a folder ``checkpoints/step-000000123`` with ``weights.safetensors``
(encoder, head, table or counter), ``optimizer.safetensors`` and ``state.json``. It is
written under a temporary name, flushed to the disk and renamed.
"""

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from natlib.errors import CheckpointError, RunNotFoundError
from natlib.runtime.storage import flush, on_host

__all__ = [
    "Position",
    "complete_checkpoints",
    "latest_checkpoint",
    "read_checkpoint",
    "write_checkpoint",
]

_NAME = re.compile(r"step-(\d{9})")
_FORMAT = 2


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
    *,
    keep: int,
) -> Path:
    """Write a checkpoint, then remove the oldest ones above ``keep``.

    Args:
        folder: the ``checkpoints`` folder of a run.
        position: how far the run is.
        learner: every parameter and buffer of it is saved.
        optimizer: its state is saved.
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
    partial = folder / f".partial-{os.getpid()}"
    try:
        # Of this process or of one that was killed: a run has one writer.
        for left in folder.glob(".partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(weights, partial / "weights.safetensors")
        save_file(_optimizer_tensors(optimizer), partial / "optimizer.safetensors")
        state = {"format": _FORMAT, "position": asdict(position)}
        (partial / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        for file in partial.iterdir():
            flush(file)
        # A resumed run may write a step that exists: from before it was cut off.
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        flush(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"checkpoint {target} could not be written: {error}; {_what_is_left(folder)}; "
            "free some space, then resume or start anew"
        ) from error
    for old in complete_checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest_checkpoint(folder: Path) -> Path:
    """The newest complete checkpoint.

    Raises:
        RunNotFoundError: there is none.
    """
    found = complete_checkpoints(folder)
    if not found:
        raise RunNotFoundError(
            f"no complete checkpoint in {folder}; the run was stopped before its first one, "
            f"start it anew (--out {folder.parent} --overwrite)"
        )
    return found[-1]


def read_checkpoint(
    checkpoint: Path, learner: nn.Module, optimizer: torch.optim.Optimizer
) -> Position:
    """Load weights and optimiser state in place.

    Raises:
        CheckpointError: the checkpoint does not fit the learner or is damaged.
    """
    try:
        state = json.loads((checkpoint / "state.json").read_text())
        if state["format"] != _FORMAT:
            raise CheckpointError(
                f"{checkpoint} has format {state['format']}, this natlib reads {_FORMAT}; "
                "use the natlib that wrote it, or start a new run"
            )
        learner.load_state_dict(load_file(checkpoint / "weights.safetensors"))
        _restore_optimizer(optimizer, load_file(checkpoint / "optimizer.safetensors"))
        return Position(**state["position"])
    except CheckpointError:
        raise
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"checkpoint {checkpoint} cannot be read: {why}; "
            "remove it to resume from the one before"
        ) from error


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints from the oldest to the newest."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _what_is_left(folder: Path) -> str:
    found = complete_checkpoints(folder)
    return f"the last complete one is {found[-1]}" if found else "there is no earlier one"


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
