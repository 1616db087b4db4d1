"""Training holds a few numbers for each sample, and never a vector."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL, LARGE = 1_000, 1_000_000


@pytest.mark.parametrize(("ownership", "numbers"), [("bank", 8), ("stream", 5)])
def test_memory_grows_by_a_few_numbers_a_sample(
    ownership: str, numbers: int, tmp_path: Path
) -> None:
    """Bytes for each sample: 8 for which are usable, 4 for their order, 8 for a bank's slots and 8
    for their copy in a checkpoint; a vector of the targets would take 2,048.
    """
    file = tmp_path / "memory.json"
    command = [sys.executable, ROOT / "benchmarks" / "memory.py", "--json", file]
    command += ["--folder", tmp_path, "--ownership", ownership, "--dims", "512", "--steps", "4"]
    command += ["--samples", SMALL, LARGE]
    done = subprocess.run(
        [str(word) for word in command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    small, large = json.loads(file.read_text())
    assert (small["samples"], large["samples"]) == (SMALL, LARGE)
    # Interrupted as asked for, not at the end of an epoch.
    assert large["steps"] == 4
    assert (large["peak"] - small["peak"]) / (LARGE - SMALL) < 8 * numbers
    in_checkpoint = (large["checkpoint"] - small["checkpoint"]) / (LARGE - SMALL)
    assert in_checkpoint == pytest.approx(8 if ownership == "bank" else 0, abs=0.1)
    assert len(done.stdout.splitlines()) == 4
