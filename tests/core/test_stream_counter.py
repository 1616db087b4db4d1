"""Slots of a stream: none is ever used twice."""

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from natlib.assignment.counter import StreamCounter


def as_process(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    monkeypatch.setattr("natlib.assignment.counter.process_rank", lambda: rank)
    monkeypatch.setattr("natlib.assignment.counter.process_count", lambda: world)


def test_one_process_counts_up() -> None:
    counter = StreamCounter()
    assert counter.take(3).tolist() == [0, 1, 2]
    assert counter.peek(2).tolist() == [3, 4]
    assert counter.take(2).tolist() == [3, 4]
    assert counter.take(0).tolist() == []
    assert counter.take(1).dtype == torch.int64
    assert counter.taken.tolist() == [6]


def test_slots_that_were_taken_do_not_change() -> None:
    counter = StreamCounter()
    first = counter.take(2)
    counter.take(2)
    assert first.tolist() == [0, 1]


plans = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.integers(0, 7), min_size=4, max_size=4)), max_size=6
)


@given(plan=plans)
def test_no_slot_twice_over_resumes_with_any_number_of_processes(plan: Any) -> None:
    """Each stage of the plan is a run that resumes the one before: processes, and what each
    of them takes."""
    taken_slots: list[int] = []
    state: dict[str, torch.Tensor] | None = None
    for world, takes in plan:
        taken = torch.zeros(world, dtype=torch.int64)
        for rank in range(world):
            with pytest.MonkeyPatch.context() as patch:
                as_process(patch, rank, world)
                counter = StreamCounter()
                if state is not None:
                    counter.load_state_dict(state)
                for count in (takes[rank], 1):
                    taken_slots += counter.take(count).tolist()
                taken = torch.maximum(taken, counter.taken)  # what merge() does
        state = {"taken": taken}
    assert len(set(taken_slots)) == len(taken_slots)


@pytest.mark.parametrize("before", [[5], [5, 3], [0, 4, 2]])
@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_another_number_of_processes_continues_above_all_slots_taken(
    before: list[int], world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_slots = {rank * 2**48 + t for rank, taken in enumerate(before) for t in range(taken)}
    state = {"taken": torch.tensor(before)}
    new: list[int] = []
    for rank in range(world):
        as_process(monkeypatch, rank, world)
        counter = StreamCounter()
        counter.load_state_dict(state)
        new += counter.take(4).tolist()
    assert state["taken"].tolist() == before
    assert len(set(new)) == len(new)
    assert not taken_slots & set(new)


def test_state_dict_resumes() -> None:
    counter = StreamCounter()
    counter.take(11)
    fresh = StreamCounter()
    fresh.load_state_dict(counter.state_dict())
    assert fresh.take(1).tolist() == [11]
    assert list(counter.state_dict()) == ["taken"]
