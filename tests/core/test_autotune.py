"""Autotune settles on the choice with the lowest median time."""

import pytest

from natlib.runtime.autotune import Autotune


@pytest.mark.parametrize("fast", ["a", "b", "c"])
def test_tries_in_turn_then_settles_on_the_lowest_median(fast: str) -> None:
    tuner = Autotune(["a", "b", "c"])
    used: list[str] = []
    while tuner.best is None:
        choice = tuner.next()
        # The first trial of each is slow, and so is a later one: the median ignores both.
        slow = used.count(choice) in (0, 3)
        tuner.record(choice, 9.0 if slow else (1.0 if choice == fast else 2.0))
        used.append(choice)
    assert tuner.best == fast
    assert {used.count(choice) for choice in "abc"} == {6}
    assert used[:3] == ["a", "b", "c"]
    for choice in "abc":
        tuner.record(choice, 0.0)
        assert tuner.next() == fast


def test_a_single_choice_is_not_measured() -> None:
    assert Autotune([True]).best is True
