"""Batch norm with statistics over all processes, on any device."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from natlib.runtime.processes import process_count

__all__ = ["synchronise_batch_norm"]


class _SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """What ``torch.nn.SyncBatchNorm`` does, which refuses to run on a CPU.

    Sums are reduced with autograd, so the gradient through the statistics reaches the
    samples of every process, as it would in one process with the whole batch.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  (torch's name)
        if input.ndim < 2:
            raise ValueError(f"expected at least 2 dimensions, got {input.ndim}")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        axes = [0, *range(2, input.ndim)]
        wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        count = wide.new_tensor([wide.numel() / wide.shape[1]])
        sums = torch.cat([wide.sum(axes), wide.square().sum(axes), count])
        sums = cast("Tensor", all_reduce(sums))
        features = wide.shape[1]
        total = sums[-1]
        mean = sums[:features] / total
        variance = sums[features:-1] / total - mean.square()
        self._track(mean.detach(), variance.detach(), float(total.detach()))
        shape = [1, -1] + [1] * (input.ndim - 2)
        scaled = (wide - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, total: float) -> None:
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (total / max(total - 1, 1)), share)


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch norm by one that is synchronised over the processes.

    A no-op for a single process. On CUDA these are torch's own.
    """
    if process_count() == 1:
        return module
    if device.type == "cuda":
        return cast("nn.Module", nn.SyncBatchNorm.convert_sync_batchnorm(module))
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            module.add_module(name, _converted(child))
        else:
            synchronise_batch_norm(child, device)
    return module


def _converted(norm: nn.modules.batchnorm._BatchNorm) -> _SynchronisedBatchNorm:
    new = _SynchronisedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    new.load_state_dict(norm.state_dict())
    # Weights that are not trained, such as a teacher's, stay so.
    for own, old in zip(new.parameters(), norm.parameters(), strict=True):
        own.requires_grad_(old.requires_grad)
    values = [t for t in norm.state_dict().values() if t.is_floating_point()]
    return new.to(values[0]) if values else new
