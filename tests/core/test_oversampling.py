"""Batches filled up with labelled samples: nothing twice, nothing in two processes."""

from itertools import chain

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from natlib.data import LabelledPartition
from natlib.errors import DataError

N = 60


def made(
    labelled: int, batch_size: int, share: float, processes: int = 1, rank: int = 0, seed: int = 0
) -> LabelledPartition:
    everyone = torch.randperm(N, generator=torch.Generator().manual_seed(9))
    return LabelledPartition(
        everyone[labelled:],
        everyone[:labelled],
        torch.arange(labelled) % 3,
        batch_size,
        share,
        seed=seed,
        rank=rank,
        processes=processes,
    )


@settings(max_examples=60, deadline=None)
@given(
    labelled=st.integers(2, 40),
    batch_size=st.integers(6, 50),
    share=st.floats(0.05, 0.9),
    processes=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_an_epoch(labelled: int, batch_size: int, share: float, processes: int, seed: int) -> None:
    try:
        ranks = [
            made(labelled, batch_size, share, processes, rank, seed) for rank in range(processes)
        ]
    except DataError:
        assume(False)
    known = set(torch.randperm(N, generator=torch.Generator().manual_seed(9))[:labelled].tolist())
    for epoch in range(2):
        of_ranks = [list(rank.batches(epoch)) for rank in ranks]
        assert {len(batches) for batches in of_ranks} == {ranks[0].steps}
        for step, parts in enumerate(zip(*of_ranks, strict=True)):
            together = list(chain(*parts))
            assert len(set(together)) == len(together) == ranks[0].step_size(step)
            assert len(together) <= batch_size
            drawn = sum(index in known for index in together)
            # As many as were asked for, as far as there are so many for each process.
            wanted = max(round(share * batch_size), processes)
            assert drawn == min(wanted, labelled // processes * processes)
        # Unlabelled samples come once; a labelled one is in the batches of one process.
        seen = [list(chain(*batches)) for batches in of_ranks]
        others = [index for index in chain(*seen) if index not in known]
        assert len(others) == len(set(others)) == N - labelled
        owners = [set(indices) & known for indices in seen]
        assert sum(map(len, owners)) == len(set().union(*owners))


def test_is_a_function_of_seed_and_epoch_and_goes_on_anywhere() -> None:
    one, same, other = made(11, 12, 0.4), made(11, 12, 0.4), made(11, 12, 0.4, seed=1)
    whole = list(one.batches(3))
    assert list(same.batches(3)) == whole != list(other.batches(3))
    for first in range(len(whole) + 1):
        assert list(one.batches(3, first)) == whole[first:]


def test_labelled_samples_take_turns() -> None:
    partition = made(12, 15, 0.4)  # 6 of 12 in each of 6 batches
    counts = torch.zeros(N)
    for batch in partition.batches(0):
        counts[torch.tensor(batch)] += 1
    labelled = torch.randperm(N, generator=torch.Generator().manual_seed(9))[:12]
    assert counts[labelled].tolist() == [3.0] * 12


def test_a_process_gets_some_of_every_class() -> None:
    for rank in range(2):
        partition = made(18, 20, 0.5, processes=2, rank=rank)
        mine = partition._mine(0)
        everyone = torch.randperm(N, generator=torch.Generator().manual_seed(9))[:18].tolist()
        labels = [everyone.index(int(index)) % 3 for index in mine]
        assert [labels.count(label) for label in range(3)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("labelled", "batch_size", "share", "processes", "text"),
    [
        (60, 10, 0.5, 1, "all samples are labelled, so there is nothing to mix them with"),
        (2, 12, 0.5, 3, "2 labelled samples cannot be shared out to 3 processes"),
        (30, 10, 0.9, 1, "leaves fewer than two unlabelled ones for each of 1 processes"),
    ],
)
def test_what_cannot_be(
    labelled: int, batch_size: int, share: float, processes: int, text: str
) -> None:
    with pytest.raises(DataError, match=text):
        made(labelled, batch_size, share, processes)
