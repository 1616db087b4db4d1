"""The number of processes that train together, and the rank of this one."""

import torch.distributed as dist

__all__ = ["process_count", "process_rank"]


def process_count() -> int:
    """The number of processes that train together; 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_rank() -> int:
    """The rank of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
