"""Run a module's forward pass without a trace in its state."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["unchanged_buffers"]


@contextmanager
def unchanged_buffers(module: nn.Module) -> Iterator[None]:
    """Undo at the end what is written to the module's buffers meanwhile.

    Batch norm writes running statistics in every forward pass of training. It does so behind
    autograd's back, so that versions of tensors do not tell what was written.
    """
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)
