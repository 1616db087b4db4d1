"""How well samples hit their targets, beside random points.

Shapes: u samples, b samples in a matching, m slots of a sample, d target dimensions.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from natlib.assignment.table import AssignmentTable
from natlib.errors import CheckpointError
from natlib.evaluation.modes import evaluating
from natlib.objectives import ObjectiveModule
from natlib.objectives.nat_module import NATModule
from natlib.report.subject import Subject
from natlib.runs import Recorded
from natlib.training.checkpoint import complete_checkpoints

__all__ = ["Fit", "deal", "measure_fit", "nat_part", "read_table"]

# Slots that no training uses: of the deals here, and of random points.
_DEALT, _RANDOM = 2**60, 2**61
_DEALS = 4


@dataclass(frozen=True)
class Fit:
    """How well samples hit their targets.

    Attributes:
        owned: whether samples own their slots (a bank); otherwise fresh ones are dealt.
        cosine: float[u], mean cosine of each sample with its targets; of fresh ones, over
            several deals.
        random: float[·], the same for random points, dealt once.
        random_distance: mean squared distance of random points to the mean of their targets.
        batch: b, the samples that were matched with each other.
    """

    owned: bool
    cosine: Tensor
    random: Tensor
    random_distance: float
    batch: int


def nat_part(objective: ObjectiveModule) -> tuple[str, NATModule] | None:
    """The first part of an objective that is NAT, and its name among the modules."""
    for name, part in objective.named_modules():
        if isinstance(part, NATModule):
            return name, part
    return None


def measure_fit(recorded: Recorded, subject: Subject) -> Fit | None:
    """How well the samples of a report hit their targets; None if the objective has none.

    Raises:
        CheckpointError: the table of a bank cannot be read.
    """
    found = nat_part(subject.model.objective)
    if found is None:
        return None
    name, module = found
    config = module.config
    with evaluating(module):
        z_UD = module.embed(subject.features["encoder"].to(subject.model.device)).cpu()
    batch = min(recorded.config.training.batch_size + config.pool, len(z_UD))
    table = _latest_table(recorded, name, len(subject.samples)) if module.table else None
    if table is not None:
        cosine = torch.cat(
            [
                _cosine(z, module.targets.rows(table.slots(index))).mean(0)
                for z, index in zip(z_UD.split(batch), subject.index.split(batch), strict=True)
            ]
        )
    else:
        cosine = _dealt_out(module, z_UD, batch, subject.seed)
    points = module.targets.distribution.rows(_RANDOM + torch.arange(4 * batch))
    dealt = [deal(module, part, n) for n, part in enumerate(points.split(batch))]
    distance = torch.cat([away for _, away in dealt]).mean()
    return Fit(
        table is not None,
        cosine.detach(),
        torch.cat([near for near, _ in dealt]).detach(),
        float(distance),
        batch,
    )


def deal(module: NATModule, z_BD: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Deal fresh targets to points as training would.

    Args:
        module: with targets, and what matches.
        z_BD: Tensor[b, d].
        number: of the deal; another one has other targets.

    Returns:
        For each point the mean cosine with its targets, and the squared distance to their mean,
        both float[b].
    """
    config, count = module.config, len(z_BD)
    if config.semidiscrete is not None:
        points = max(config.semidiscrete.points, count)
        noise = module.targets.rows(_DEALT + number * points + torch.arange(points))
        own_MBD = config.semidiscrete.cells(z_BD, noise).centroid[None]
    else:
        first = _DEALT + number * config.slots * count
        slots = first + torch.arange(config.slots * count).view(config.slots, count)
        rows_MBD = module.targets.rows(slots)
        columns = config.solver.match(z_BD, rows_MBD).columns
        own_MBD = rows_MBD.gather(1, columns.unsqueeze(-1).expand_as(rows_MBD))
    return _cosine(z_BD, own_MBD).mean(0), (z_BD - config.aim(own_MBD.mean(0))).square().sum(-1)


def read_table(checkpoint: Path, part: str, samples: int) -> AssignmentTable | None:
    """The table of who owns what in a checkpoint; None where there is none.

    Args:
        checkpoint: its folder.
        part: name of the objective's part that owns the table; empty for the objective itself.
        samples: n, the samples that the table should have.

    Raises:
        CheckpointError: the checkpoint is damaged, or of other samples.
    """
    key = f"objective.{part}.table.permutation" if part else "objective.table.permutation"
    file = checkpoint / "weights.safetensors"
    try:
        with safe_open(file, "pt") as tensors:
            if key not in tensors.keys():  # noqa: SIM118  (it is no mapping)
                return None
            permutation = tensors.get_tensor(key)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}; remove this checkpoint") from error
    if permutation.shape[1] != samples:
        raise CheckpointError(
            f"{file} has slots for {permutation.shape[1]} samples, and the data set has {samples}; "
            "restore the data that the run was trained on"
        )
    table = AssignmentTable(samples, len(permutation))
    table.permutation.copy_(permutation)
    return table


def _latest_table(recorded: Recorded, part: str, samples: int) -> AssignmentTable | None:
    found = complete_checkpoints(recorded.path / "checkpoints")
    return read_table(found[-1], part, samples) if found else None


def _dealt_out(module: NATModule, z_UD: Tensor, batch: int, seed: int) -> Tensor:
    """Mean cosine float[u] over several deals in batches of random samples."""
    own = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(z_UD))
    parts = max(1, len(z_UD) // batch)
    for turn in range(_DEALS):
        for number, rows in enumerate(torch.randperm(len(z_UD), generator=own).tensor_split(parts)):
            total[rows] += deal(module, z_UD[rows], turn * parts + number)[0]
    return total / _DEALS


def _cosine(z_BD: Tensor, own_MBD: Tensor) -> Tensor:
    return torch.cosine_similarity(z_BD.expand_as(own_MBD), own_MBD, dim=-1)
