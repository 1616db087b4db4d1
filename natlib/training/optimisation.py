"""Optimiser and learning rate."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from natlib.training.config import OptimizerConfig, ScheduleConfig

__all__ = ["learning_rate", "make_optimizer", "may_be_fused", "weight_change"]


def make_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """The configured optimiser over the parameters that are trained."""
    trained = [p for p in parameters if p.requires_grad]
    fused = may_be_fused(trained)
    if config.kind == "sgd":
        return torch.optim.SGD(
            trained,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=fused,
        )
    return torch.optim.AdamW(
        trained,
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=fused,
    )


def may_be_fused(weights: Sequence[Tensor]) -> bool | None:
    """Whether an optimiser may go over these weights and their averages in one pass.

    Four times as fast on a CPU, which counts where a table of words is most of the encoder. The
    kernels take no notice of strides, though, and a checkpoint brings averages back without those
    of channels-last weights.

    Returns:
        None where torch decides: for channels-last weights, and on an accelerator.
    """
    plain = all(w.device.type == "cpu" and w.is_contiguous() for w in weights)
    return True if plain else None


def learning_rate(
    step: int, steps: int, optimizer: OptimizerConfig, schedule: ScheduleConfig
) -> float:
    """Learning rate of an update: a pure function, so that a resumed run agrees.

    Args:
        step: number of the update, from 0.
        steps: updates in the whole run.
        optimizer: gives the peak.
        schedule: gives the shape.
    """
    # A short run would otherwise spend itself on warming up.
    warmup = min(schedule.warmup_steps, steps // 10)
    if step < warmup:
        return optimizer.learning_rate * (step + 1) / warmup
    if schedule.kind == "constant":
        return optimizer.learning_rate
    progress = (step - warmup) / max(1, steps - warmup)
    low = schedule.final_factor
    return optimizer.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def weight_change(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """How far weights have moved, as a share of how long they are.

    Args:
        before: copies of the weights, from before an update.
        after: the weights.

    Returns:
        Scalar on their device, 0 where there are no weights.
    """
    if not after:
        return torch.zeros(())
    moved = torch._foreach_sub(list(after), list(before))
    tiny = torch.finfo(torch.float32).tiny
    length = nn.utils.get_total_norm(after).clamp_min(tiny)
    return nn.utils.get_total_norm(moved) / length
