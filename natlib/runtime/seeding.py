"""Seed torch's global generators."""

import torch

__all__ = ["seed_generators"]


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed the generator of the CPU and that of a device.

    Not ``torch.manual_seed``: that seeds other accelerators as well, and formats the stack for
    each that is not in use, which takes a millisecond.

    Args:
        device: what is computed on.
        seed: any integer in [0, 2^64).
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)
