"""Where the values of a tensor may be looked at.

An accelerator works through a queue; who reads a value waits until the queue is empty, and the
accelerator then waits for new work. So nothing between the first view of a step and its last
one decides by the values of a tensor that may lie on one.
"""

import torch

__all__ = ["is_synchronous"]

_FREE = frozenset({"cpu"})


def is_synchronous(device: torch.device) -> bool:
    """Whether reading values of a tensor on this device makes nobody wait."""
    return device.type in _FREE
