"""The cores that are counted, and the variables that OpenMP gets."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from natlib.runtime import control_groups, cores
from natlib.runtime.cores import physical_cores, usable_cores
from natlib.training import TrainingConfig, decoding_workers


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cannot be asked here")
def test_the_affinity_mask_is_counted() -> None:
    given = os.sched_getaffinity(0)
    assert usable_cores() == len(given)
    try:
        os.sched_setaffinity(0, {min(given)})
        assert usable_cores() == decoding_workers() == 1
        assert decoding_workers(TrainingConfig(workers=3)) == 3
    finally:
        os.sched_setaffinity(0, given)


def test_without_an_affinity_mask_all_cores_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert usable_cores() == 12
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert decoding_workers() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert (usable_cores(), decoding_workers()) == (1, 1)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


GROUP_2, GROUP_1 = "0::/batch/job", "3:cpuset:/\n1:cpu,cpuacct:/batch/job\n0::/"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"proc/self/cgroup": GROUP_2}, 8),
        ({"proc/self/cgroup": GROUP_2, "sys/fs/cgroup/batch/job/cpu.max": "max 100000"}, 8),
        ({"proc/self/cgroup": GROUP_2, "sys/fs/cgroup/batch/job/cpu.max": "200000 100000"}, 2),
        ({"proc/self/cgroup": GROUP_2, "sys/fs/cgroup/batch/job/cpu.max": "150000 100000"}, 2),
        ({"proc/self/cgroup": GROUP_2, "sys/fs/cgroup/batch/job/cpu.max": "5000 100000"}, 1),
        ({"proc/self/cgroup": GROUP_2, "sys/fs/cgroup/batch/job/cpu.max": "1600000 100000"}, 8),
        # A group above it is narrower; or, in a container, the only one there.
        (
            {
                "proc/self/cgroup": GROUP_2,
                "sys/fs/cgroup/batch/job/cpu.max": "400000 100000",
                "sys/fs/cgroup/batch/cpu.max": "300000 100000",
            },
            3,
        ),
        ({"proc/self/cgroup": GROUP_2, "sys/fs/cgroup/cpu.max": "300000 100000"}, 3),
        # The first version of control groups.
        (
            {
                "proc/self/cgroup": GROUP_1,
                "sys/fs/cgroup/cpu/batch/job/cpu.cfs_quota_us": "250000",
                "sys/fs/cgroup/cpu/batch/job/cpu.cfs_period_us": "50000",
            },
            5,
        ),
        (
            {
                "proc/self/cgroup": GROUP_1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            8,
        ),
    ],
)
def test_control_groups(
    files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert usable_cores(write(tmp_path, files)) == cores


def test_hardware_threads_of_a_core_count_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    siblings = {0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"}
    root = write(tmp_path, {folder.format(n): text for n, text in siblings.items()})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4, 5}, raising=False)
    assert physical_cores(root) == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert physical_cores(root) == 2
    # Where nothing is known of them, each counts.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert physical_cores(tmp_path / "elsewhere") == 3


@pytest.mark.parametrize(
    ("variables", "before", "expected"),
    [
        ({}, "", ["2000", None, None]),
        ({"GOMP_SPINCOUNT": "7"}, "", ["7", None, None]),
        ({"OMP_WAIT_POLICY": "passive"}, "", [None, "passive", None]),
        ({"OMP_NUM_THREADS": "5"}, "", ["2000", None, "5"]),
        # A container that grants less than there is.
        ({}, "cores.usable_cores = lambda: 0", ["2000", None, "0"]),
        ({"OMP_NUM_THREADS": "5"}, "cores.usable_cores = lambda: 0", ["2000", None, "5"]),
        # torch has read them already.
        ({}, "sys.modules['torch'] = cores", [None, None, None]),
    ],
)
def test_variables_are_set_before_torch_is_imported(
    variables: dict[str, str], before: str, expected: list[str | None]
) -> None:
    names = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"]
    program = f"""
import importlib.util, json, os, sys
# The modules by themselves, since importing natlib calls the function.
def load(name, file):
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
load("natlib.runtime.control_groups", {control_groups.__file__!r})
cores = load("cores", {cores.__file__!r})
{before}
sys.modules["natlib.runtime.cores"] = cores
import natlib
print(json.dumps([os.environ.get(name) for name in {names!r}]))
"""
    environment = {name: value for name, value in os.environ.items() if name not in names}
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout) == expected
