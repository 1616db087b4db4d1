"""An epoch is cut exactly, for any number of processes."""

import tracemalloc
from itertools import islice
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given

from natlib.data import EpochPartition
from natlib.errors import DataError

LastBatch = Literal["spread", "drop"]


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    processes = draw(st.integers(1, 4))
    batch_size = draw(st.integers(2 * processes, 40))
    count = draw(st.integers(batch_size, 200))
    last_batch: LastBatch = draw(st.sampled_from(["spread", "drop"]))
    # Sample indices are not 0 .. n-1 where some samples cannot be decoded.
    offset, stride = draw(st.integers(0, 5)), draw(st.integers(1, 3))
    return {
        "usable": offset + stride * torch.arange(count), "batch_size": batch_size,
        "seed": draw(st.integers(0, 2**64 - 1)), "last_batch": last_batch, "processes": processes,
    }  # fmt: skip


def partitions(problem: dict[str, Any]) -> list[EpochPartition]:
    """The partition as each process sees it."""
    try:
        return [EpochPartition(**problem, rank=rank) for rank in range(problem["processes"])]
    except DataError:
        # A short remainder, spread: tested below.
        assume(False)
        raise


@given(problem=problems(), epoch=st.integers(0, 50))
def test_an_epoch_is_cut_exactly(problem: dict[str, Any], epoch: int) -> None:
    ranks = partitions(problem)
    shares = [list(partition.batches(epoch)) for partition in ranks]
    everything = [index for batches in shares for batch in batches for index in batch]
    usable, batch_size = problem["usable"].tolist(), problem["batch_size"]
    # Nothing twice, nothing from elsewhere, and only a remainder left out.
    assert len(set(everything)) == len(everything)
    assert set(everything) <= set(usable)
    left_out = len(usable) - len(everything)
    assert left_out == (len(usable) % batch_size if problem["last_batch"] == "drop" else 0)

    steps = {partition.steps for partition in ranks}
    assert {len(batches) for batches in shares} == steps
    rounded = len(usable) // batch_size
    if problem["last_batch"] == "spread":
        rounded = -(-len(usable) // batch_size)
    assert steps == {rounded}

    sizes = [len(batch) for batches in shares for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= -(-batch_size // problem["processes"])
    assert min(sizes) >= 2
    for step in range(rounded):
        total = sum(len(batches[step]) for batches in shares)
        assert total <= batch_size
        assert {partition.step_size(step) for partition in ranks} == {total}
        if problem["last_batch"] == "drop":
            assert total == batch_size


@given(problem=problems(), epoch=st.integers(0, 50), data=st.data())
def test_a_resume_gets_the_tail(problem: dict[str, Any], epoch: int, data: st.DataObject) -> None:
    for partition in partitions(problem):
        first = data.draw(st.integers(0, partition.steps))
        tail = partition.batches(epoch, first)
        assert list(tail) == list(partition.batches(epoch))[first:]
        assert len(tail) == partition.steps - first


@given(problem=problems())
def test_order_depends_on_seed_and_epoch_only(problem: dict[str, Any]) -> None:
    first, again = partitions(problem)[0], partitions(problem)[0]
    again.batches(3)
    torch.manual_seed(1)
    assert list(first.batches(7)) == list(again.batches(7))
    state = torch.get_rng_state()
    first.batches(8)
    assert torch.equal(torch.get_rng_state(), state)


@given(problem=problems())
def test_steps_hold_the_same_samples_for_any_number_of_processes(problem: dict[str, Any]) -> None:
    ranks = partitions(problem)
    alone = EpochPartition(**(problem | {"processes": 1}))
    for step, batch in enumerate(alone.batches(2)):
        together = [index for one in ranks for index in one.batches(2)[step]]
        assert together == batch


def order(partition: EpochPartition, epoch: int) -> list[int]:
    return [index for batch in partition.batches(epoch) for index in batch]


def test_epochs_and_seeds_shuffle_differently() -> None:
    orders = [
        tuple(order(EpochPartition(torch.arange(100), 10, seed=seed), epoch))
        for seed in (0, 1, 2**64 - 1)
        for epoch in range(5)
    ]
    assert len(set(orders)) == len(orders)
    # Every sample stands in every place now and then: no place is favoured.
    places = torch.stack(
        [
            torch.tensor(order(EpochPartition(torch.arange(10), 5), epoch)).argsort()
            for epoch in range(2000)
        ]
    )
    for sample in range(10):
        counts = torch.bincount(places[:, sample], minlength=10)
        assert (counts - 200).abs().max() < 6 * (200 * 0.9) ** 0.5


def test_drop_leaves_out_other_samples_in_every_epoch() -> None:
    partition = EpochPartition(torch.arange(10), 4, last_batch="drop")
    left_out = {frozenset(range(10)) - set(order(partition, epoch)) for epoch in range(10)}
    assert all(len(some) == 2 for some in left_out)
    assert len(left_out) > 5


@pytest.mark.parametrize(
    ("count", "values", "text"),
    [
        (7, {"batch_size": 8}, "7 usable samples are fewer than one batch of 8"),
        (0, {"batch_size": 2}, "0 usable samples are fewer"),
        (9, {"batch_size": 1}, "leaves fewer than two for each; .* at least 2"),
        (9, {"batch_size": 7, "processes": 4}, "over 4 processes leaves fewer than two.* least 8"),
        # Two batches of 2 and 1, or of 3 and 2 for two processes: somebody gets one sample.
        (3, {"batch_size": 2}, "3 samples spread over 2 batches and 1 processes"),
        (5, {"batch_size": 4, "processes": 2}, "5 samples spread over 2 batches and 2 processes"),
    ],
)
def test_too_few_samples_are_an_error(count: int, values: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        EpochPartition(torch.arange(count), **values)


def test_what_cannot_be_spread_can_be_dropped() -> None:
    partition = EpochPartition(torch.arange(5), 4, last_batch="drop", processes=2)
    assert [len(batch) for batch in partition.batches(0)] == [2]


def test_batches_are_made_when_asked_for() -> None:
    """A resume far into a long epoch pays for the batches that it takes, not for all."""
    partition = EpochPartition(torch.arange(2_000_000), 4, last_batch="drop")
    tracemalloc.start()
    try:
        batches = partition.batches(0, first_step=3)
        taken = [*islice(batches, 5), batches[len(batches) - 1]]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(batches) == 500_000 - 3
    # Python objects: 500,000 lists of four would be 50 MB and more.
    assert peak < 100_000
    everything = torch.randperm(2_000_000, generator=torch.Generator().manual_seed(0)).tolist()
    steps = [3, 4, 5, 6, 7, 499_999]
    assert taken == [everything[4 * step : 4 * step + 4] for step in steps]


def test_there_is_no_batch_after_the_last() -> None:
    batches = EpochPartition(torch.arange(10), 4).batches(0, first_step=2)
    assert len(batches) == 1
    for number in (1, -1):
        with pytest.raises(IndexError):
            batches[number]
    assert list(EpochPartition(torch.arange(10), 4).batches(0, first_step=3)) == []
