"""Leave no trace: the modes of modules and the state of random generators."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from natlib.runtime.seeding import seed_generators

__all__ = ["evaluating", "seeded", "untouched_random"]


@contextmanager
def evaluating(*modules: nn.Module | None) -> Iterator[None]:
    """Modules in evaluation mode and no gradients; at the end each is as it was."""
    every = [part for module in modules if module is not None for part in module.modules()]
    before = [part.training for part in every]
    try:
        for part in every:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, training in zip(every, before, strict=True):
            part.training = training


@contextmanager
def untouched_random(device: torch.device) -> Iterator[None]:
    """The global generators of torch (CPU and ``device``) are afterwards what they were before.

    A data loader draws a seed when it starts; measuring a model must not change how
    its training goes on.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Inside, the generators of torch (CPU and ``device``) start from a seed; see above."""
    with untouched_random(device):
        seed_generators(device, seed)
        yield
