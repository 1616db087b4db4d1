"""Training on a CPU reuses memory between steps."""

import os
import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's allocator")

# Prints how many pages the system hands out for ten steps that free as much as they take, before
# and after what is done in the middle.
STEPS = """
import resource
import torch

def pages():
    began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(5_000_000), torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - began

before = pages()
{middle}
pages()
print(before, pages())
"""


def run(middle: str, **variables: str) -> tuple[int, int]:
    # Not in this process: it may have trained already.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", STEPS.format(middle=middle)],
        env=clean | {"OMP_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = map(int, done.stdout.split())
    return before, after


@glibc
def test_training_on_a_cpu_reuses_its_memory() -> None:
    before, after = run(
        "from natlib.training.processes import training_processes\n"
        "with training_processes('cpu'):\n    pass"
    )
    assert before > 50  # few where pages are huge
    assert after < before / 10


@glibc
def test_the_environment_has_precedence() -> None:
    before, after = run(
        "from natlib.runtime.malloc import disable_trim\nassert not disable_trim()",
        MALLOC_ARENA_MAX="2",
    )
    assert after > before / 2 > 25
