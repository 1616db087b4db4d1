"""Devices whose tensors the host can read without waiting.

An accelerator works through a queue. To read a value, the host waits until the queue is empty, and
the accelerator is then idle until there is new work. So between the first and the last view of a
step, no code branches on the values of a tensor that may be on an accelerator.
"""

import torch

__all__ = ["is_synchronous"]

_SYNCHRONOUS = frozenset({"cpu"})


def is_synchronous(device: torch.device) -> bool:
    """Whether the host can read values on this device without waiting."""
    return device.type in _SYNCHRONOUS
