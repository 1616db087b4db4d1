"""Cosines of samples with their targets, and of random points with theirs.

Shapes: u samples, b samples in a batch, m slots of a sample, d target dimensions.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from natlib.assignment import AssignmentTable
from natlib.errors import CheckpointError
from natlib.evaluation.modes import evaluating
from natlib.objectives import NATModule, ObjectiveModule
from natlib.report.subject import Subject
from natlib.runs import RunLog
from natlib.runtime.reading import check_file
from natlib.training.checkpoint import complete_checkpoints

__all__ = ["Fit", "measure_fit", "nat_part", "read_table"]

# Slots from here on are used for random points and by no training.
_RANDOM = 2**61
_DRAWS = 4


@dataclass(frozen=True)
class Fit:
    """How near samples are to their targets.

    Attributes:
        owned: whether samples own their slots (a bank); otherwise targets are fresh.
        cosine: float[u], mean cosine of each sample with its targets; fresh ones are assigned
            several times.
        random: float[·], the same for random points and fresh targets.
        batch: b, the number of samples that are assigned targets together.
    """

    owned: bool
    cosine: Tensor
    random: Tensor
    batch: int


def nat_part(objective: ObjectiveModule) -> tuple[str, NATModule] | None:
    """The first part of an objective that is NAT, and its name among the modules."""
    for name, part in objective.named_modules():
        if isinstance(part, NATModule):
            return name, part
    return None


def measure_fit(log: RunLog, subject: Subject) -> Fit | None:
    """How near the samples of a report are to their targets; None if the objective has none.

    Raises:
        CheckpointError: the table of a bank cannot be read.
    """
    found = nat_part(subject.model.objective)
    if found is None:
        return None
    name, module = found
    with evaluating(module):
        z_UD = module.embed(subject.features["encoder"].to(subject.model.device)).cpu()
        batch = min(log.batch, len(z_UD))
        table = _latest_table(log, name, len(subject.samples))
        if table is not None:
            cosine = torch.cat(
                [
                    _cosine(z, module.targets.rows(table.slots(index))).mean(0)
                    for z, index in zip(z_UD.split(batch), subject.index.split(batch), strict=True)
                ]
            )
        else:
            cosine = _fresh_fit(module, z_UD, batch, subject.seed)
        points = module.targets.distribution.rows(_RANDOM + torch.arange(4 * batch)).split(batch)
        aims = [module.assignment.preview(z, draw).targets for draw, z in enumerate(points)]
    near = [_cosine(z, aim).mean(0) for z, aim in zip(points, aims, strict=True)]
    return Fit(
        table is not None,
        cosine.detach(),
        torch.cat(near).detach(),
        batch,
    )


def read_table(checkpoint: Path, part: str, samples: int) -> AssignmentTable | None:
    """The table of slots in a checkpoint; None if there is none.

    Args:
        checkpoint: its folder.
        part: module name of the objective's part that has the table; empty for the objective.
        samples: n, the number of samples that the table should have.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to other samples.
    """
    prefix = f"objective.{part}." if part else "objective."
    key = f"{prefix}assignment.table.permutation"
    file = checkpoint / "weights.safetensors"
    try:
        check_file(file)
        with safe_open(file, "pt") as tensors:
            if key not in tensors.keys():  # noqa: SIM118  (it is not a mapping)
                return None
            permutation = tensors.get_tensor(key)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}; delete this checkpoint") from error
    if permutation.shape[1] != samples:
        raise CheckpointError(
            f"{file} has slots for {permutation.shape[1]} samples, and the data set has {samples}; "
            "restore the data that the run was trained on"
        )
    table = AssignmentTable(samples, len(permutation))
    table.permutation.copy_(permutation)
    return table


def _latest_table(log: RunLog, part: str, samples: int) -> AssignmentTable | None:
    found = complete_checkpoints(log.path / "checkpoints")
    return read_table(found[-1], part, samples) if found else None


def _fresh_fit(module: NATModule, z_UD: Tensor, batch: int, seed: int) -> Tensor:
    """Mean cosine float[u] with fresh targets, over several draws of targets and random batches."""
    own = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(z_UD))
    parts = max(1, len(z_UD) // batch)
    for draw in range(_DRAWS):
        for number, rows in enumerate(torch.randperm(len(z_UD), generator=own).tensor_split(parts)):
            assigned = module.assignment.preview(z_UD[rows], draw * parts + number)
            total[rows] += _cosine(z_UD[rows], assigned.targets).mean(0)
    return total / _DRAWS


def _cosine(z_BD: Tensor, targets_MBD: Tensor) -> Tensor:
    return torch.cosine_similarity(z_BD.expand_as(targets_MBD), targets_MBD, dim=-1)
