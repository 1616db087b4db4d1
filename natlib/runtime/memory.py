"""Memory that this process may still use."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from natlib.runtime.control_groups import control_groups, kernel_text

__all__ = ["available_memory"]


def available_memory(device: torch.device | None = None, root: Path = Path("/")) -> int:
    """Bytes that this process can still allocate without swapping.

    Of the machine's memory, the smaller of what the operating system calls available and what
    the limits of its control groups (Linux) leave.

    Args:
        device: whose memory; by default the machine's.
        root: folder that contains ``proc`` and ``sys``.
    """
    if device is not None and device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch has reserved and not given out is free to torch.
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    available: int = psutil.virtual_memory().available
    return min([available, *_left(root)])


def _left(root: Path) -> Iterator[int]:
    """What the limit of each control group leaves."""
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    for version, folder in control_groups("memory", root):
        limit_name, usage_name, cache_name = names[version]
        limit, usage = kernel_text(folder / limit_name), kernel_text(folder / usage_name)
        if limit.isdecimal() and usage.isdecimal():
            # Files that were read count as used until somebody needs the memory.
            lines = kernel_text(folder / "memory.stat").splitlines()
            cached = [int(line.split()[1]) for line in lines if line.split()[0] == cache_name]
            yield max(0, int(limit) - int(usage) + sum(cached))
