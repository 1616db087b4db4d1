"""The learning rate against closed forms."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natlib.training import Schedule


def rates(steps: int, kind: str = "cosine", **settings: Any) -> list[float]:
    schedule = Schedule.resolve({"kind": kind, **settings})
    return [schedule.rate(0.5, step, steps) for step in range(steps)]


def test_cosine() -> None:
    found = rates(1000, warmup_steps=100)
    assert found[:100] == pytest.approx([0.5 * (step + 1) / 100 for step in range(100)])
    assert found[100] == 0.5
    expected = [0.25 * (1 + math.cos(math.pi * step / 900)) for step in range(900)]
    assert found[100:] == pytest.approx(expected)
    # Half of the way down in the middle, symmetric about it, nearly nothing at the end.
    assert found[550] == pytest.approx(0.25)
    assert found[400] + found[700] == pytest.approx(0.5)
    assert 0 < found[-1] < 2e-6


def test_cosine_that_ends_above_zero() -> None:
    found = rates(1000, warmup_steps=0, final_factor=0.2)
    assert found[0] == 0.5
    assert found[500] == pytest.approx(0.3)
    assert found[-1] == pytest.approx(0.1, rel=1e-4)
    assert rates(50, warmup_steps=0, final_factor=1.0) == [0.5] * 50


def test_constant() -> None:
    assert rates(100, kind="constant", warmup_steps=4) == [0.125, 0.25, 0.375, 0.5] + [0.5] * 96


def test_warming_up_takes_a_tenth_of_a_short_run() -> None:
    assert rates(30, warmup_steps=200)[:4] == pytest.approx([0.5 / 3, 1 / 3, 0.5, 0.5])
    assert rates(9, kind="constant", warmup_steps=200) == [0.5] * 9
    assert rates(1, warmup_steps=200) == [0.5]


@given(st.integers(1, 300), st.integers(0, 300), st.floats(0, 1))
def test_the_rate_rises_then_falls_within_its_bounds(steps: int, warmup: int, low: float) -> None:
    found = rates(steps, warmup_steps=warmup, final_factor=low)
    top = min(warmup, steps // 10)
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert max(found) == pytest.approx(0.5)
    assert min(found[top:]) >= 0.5 * low - 1e-12
