"""What holds for every test."""

import gc
import os
import signal

# One thread, here and in every process that a test starts: sums are then added in one order
# wherever they are computed, and tests do not fight over the cores that they run on.
os.environ["OMP_NUM_THREADS"] = "1"
# UMAP's loops run as Python: to compile them takes a minute, for a few dozen points.
os.environ["NUMBA_DISABLE_JIT"] = "1"

import hypothesis
import pytest
import torch

from tests.processes import do_not_wait_for_disks

# Imports leave nothing to collect; see pytest_collection_finish.
gc.disable()
torch.set_num_threads(1)
do_not_wait_for_disks()

# Tests interrupt themselves; a shell that starts them with & has interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: a failure that comes and goes helps nobody.
hypothesis.settings.register_profile("natlib", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("natlib")


def pytest_collection_finish() -> None:
    _keep_what_is_there()
    gc.enable()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path != item.path:
        _keep_what_is_there()


def _keep_what_is_there() -> None:
    """Modules and fixtures stay; to look through them for garbage, again and again, takes time."""
    gc.collect()
    gc.freeze()
