"""The control groups (Linux) that limit this process, in a batch system or a container."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

__all__ = ["control_groups", "kernel_text"]


def control_groups(
    controller: Literal["cpu", "memory"], root: Path = Path("/")
) -> Iterator[tuple[Literal[1, 2], Path]]:
    """The groups of this process and those above them; none where there are no control groups.

    Args:
        controller: what they limit.
        root: folder that contains ``proc`` and ``sys``.

    Yields:
        The version of the interface, and the folder of a group. Folders need not exist.
    """
    for line in kernel_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _upwards(root / "sys/fs/cgroup", path):
                yield 2, folder
        elif controller in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup" / controller, path):
                yield 1, folder


def kernel_text(path: Path) -> str:
    """What is in a file of the kernel, without white space around it; empty if it is not there."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _upwards(mounted: Path, path: str) -> Iterator[Path]:
    """The folder of a control group and its parents.

    In a container the path may be that of the host and not exist here; the root of the mount, which
    comes last, is then the container's own group.
    """
    inside = Path(path.lstrip("/"))
    for part in (inside, *inside.parents):
        yield mounted / part
