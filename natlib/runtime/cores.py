"""Processor cores that this process may use; does not import torch."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

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
        cores.add(_text(topology) or str(number))
    return len(cores)


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _quotas(root: Path) -> Iterator[float]:
    """The limit of each control group of this process: CPU time over elapsed time."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _upwards(root / "sys/fs/cgroup", path):
                yield from _share(*_text(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup/cpu", path):
                quota, period = (
                    _text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")
                )
                yield from _share(quota, period)


def _upwards(mounted: Path, path: str) -> Iterator[Path]:
    """The folder of a control group and its parents.

    In a container the path may be that of the host and not exist here; the root of the mount, which
    comes last, is then the container's own group.
    """
    inside = Path(path.lstrip("/"))
    for part in (inside, *inside.parents):
        yield mounted / part


def _share(quota: str = "", period: str = "") -> Iterator[float]:
    # "max" and -1 mean no limit.
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
