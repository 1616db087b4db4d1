"""Runs are measured by a clock of their own: shares of time are the same on every machine."""

import pytest

from tests.doctor.clock import CLOCK


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", CLOCK)
