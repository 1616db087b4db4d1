"""Memory that limits leave."""

from pathlib import Path

import psutil
import pytest

from natlib.runtime.memory import available_memory
from tests.core.test_usable_cores import write

GROUP_2, GROUP_1 = "0::/batch/job", "4:memory:/batch/job\n0::/"
V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, None),
        (
            {"proc/self/cgroup": GROUP_2, f"{V2}/memory.max": "max", f"{V2}/memory.current": "1"},
            None,
        ),
        (
            {
                "proc/self/cgroup": GROUP_2,
                f"{V2}/batch/job/memory.max": "9000",
                f"{V2}/batch/job/memory.current": "5000",
                f"{V2}/batch/job/memory.stat": "anon 3000\ninactive_file 1500\nactive_file 10",
            },
            5500,
        ),
        # A group above it leaves less.
        (
            {
                "proc/self/cgroup": GROUP_2,
                f"{V2}/batch/job/memory.max": "9000",
                f"{V2}/batch/job/memory.current": "5000",
                f"{V2}/batch/memory.max": "20000",
                f"{V2}/batch/memory.current": "19000",
            },
            1000,
        ),
        # In a container, the only one there; and more than is allowed is used already.
        (
            {
                "proc/self/cgroup": GROUP_1,
                f"{V1}/memory.limit_in_bytes": "9000",
                f"{V1}/memory.usage_in_bytes": "9500",
                f"{V1}/memory.stat": "inactive_file 7000\ntotal_inactive_file 200",
            },
            0,
        ),
    ],
)
def test_limits_of_control_groups_count(
    files: dict[str, str], left: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Machine:
        available = 10**6

    monkeypatch.setattr(psutil, "virtual_memory", Machine)
    assert available_memory(root=write(tmp_path, files)) == (10**6 if left is None else left)


def test_this_machine_has_some() -> None:
    assert 2**20 < available_memory() <= psutil.virtual_memory().total
