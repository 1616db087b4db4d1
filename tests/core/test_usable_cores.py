"""Which cores are counted."""

import os

import pytest

from natlib.runtime.processes import usable_cores
from natlib.training import TrainingConfig, decoding_workers


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cannot be asked here")
def test_those_that_this_process_was_given() -> None:
    given = os.sched_getaffinity(0)
    assert usable_cores() == len(given)
    try:
        os.sched_setaffinity(0, {min(given)})
        assert usable_cores() == decoding_workers() == 1
        assert decoding_workers(TrainingConfig(workers=3)) == 3
    finally:
        os.sched_setaffinity(0, given)


def test_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert usable_cores() == 12
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert decoding_workers() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert (usable_cores(), decoding_workers()) == (1, 1)
