"""The faster way is kept, by what it is told."""

import pytest

from natlib.runtime.autotune import Autotune


@pytest.mark.parametrize("fast", ["a", "b", "c"])
def test_keeps_the_lowest_median_and_takes_turns_before(fast: str) -> None:
    choice = Autotune(["a", "b", "c"])
    taken: list[str] = []
    while choice.kept is None:
        way = choice.next()
        # The first try of each is slow, and one in the middle too: neither decides.
        slow = taken.count(way) in (0, 3)
        choice.took(way, 9.0 if slow else (1.0 if way == fast else 2.0))
        taken.append(way)
    assert choice.kept == fast
    assert {taken.count(way) for way in "abc"} == {6}
    assert taken[:3] == ["a", "b", "c"]
    for way in "abc":
        choice.took(way, 0.0)
        assert choice.next() == fast


def test_one_way_needs_no_measuring() -> None:
    assert Autotune([True]).kept is True
