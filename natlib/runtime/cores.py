"""Processor cores that this process may use; does not import torch."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from natlib.runtime.control_groups import control_groups, kernel_text

__all__ = ["physical_cores", "usable_cores"]


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: in a batch system or a container, often not all.

    The smaller of the number of cores in its affinity mask and the CPU time that its control groups
    (Linux) allow, in cores, rounded up.

    Args:
        root: folder that contains ``proc`` and ``sys``.
    """
    allowed = len(_affinity())
    quota = min(_quotas(root), default=math.inf)
    return allowed if quota >= allowed else max(1, math.ceil(quota))


def physical_cores(root: Path = Path("/")) -> int:
    """Cores in the affinity mask; the hardware threads of one core count once.

    Args:
        root: folder that contains ``sys``.
    """
    cores = set()
    for number in _affinity():
        topology = root / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
        cores.add(kernel_text(topology) or str(number))
    return len(cores)


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _quotas(root: Path) -> Iterator[float]:
    """The limit of each control group of this process: CPU time over elapsed time."""
    for version, folder in control_groups("cpu", root):
        if version == 2:
            yield from _share(*kernel_text(folder / "cpu.max").split())
        else:
            quota, period = (
                kernel_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")
            )
            yield from _share(quota, period)


def _share(quota: str = "", period: str = "") -> Iterator[float]:
    # "max" and -1 mean no limit.
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        yield int(quota) / int(period)
