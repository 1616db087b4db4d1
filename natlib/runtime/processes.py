"""This process among those that train together, and what it may use of the machine."""

import os

import torch.distributed as dist

__all__ = ["process_count", "process_rank", "usable_cores"]


def process_count() -> int:
    """How many processes train together; 1 where none were started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def usable_cores() -> int:
    """Cores that this process may run on: in a batch system or a container, often not all."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
