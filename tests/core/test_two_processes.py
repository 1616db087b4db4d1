"""Tables and counters of two gloo processes against those of one process."""

from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from natlib.assignment.counter import StreamCounter
from natlib.assignment.table import AssignmentTable
from natlib.data import EpochPartition
from natlib.objectives import NAT
from natlib.objectives.distances import log_density_of_others
from tests.processes import in_processes

SAMPLES, LAYERS, EPOCHS = 30, 2, 3


def shares(rank: int, epoch: int) -> list[list[int]]:
    partition = EpochPartition(torch.arange(SAMPLES), 10, rank=rank, processes=2)
    return partition.batches(epoch)


def reassign_at_random(table: AssignmentTable, batch: list[int]) -> None:
    """A reassignment that depends on the batch alone."""
    generator = torch.Generator().manual_seed(sum(index**2 for index in batch))
    columns = torch.stack([torch.randperm(len(batch), generator=generator) for _ in range(LAYERS)])
    table.reassign(torch.tensor(batch), columns)


def table_of_one_rank() -> list[Tensor]:
    rank = dist.get_rank()
    table = AssignmentTable(SAMPLES, LAYERS)
    history = []
    for epoch in range(EPOCHS):
        for batch in shares(rank, epoch):
            reassign_at_random(table, batch)
        if epoch == 1:
            table.merge()  # once more than needed, in the middle
        table.merge()
        history.append(table.permutation.clone())
    # An older state is loaded after changes that were not merged.
    reassign_at_random(table, shares(rank, 0)[0])
    table.load_state_dict({"permutation": history[0]})
    table.merge()
    history.append(table.permutation.clone())
    return history


def test_tables_merge_to_that_of_one_process(ranks: list[dict[str, Any]]) -> None:
    left, right = (rank["table"] for rank in ranks)
    alone = AssignmentTable(SAMPLES, LAYERS)
    for epoch in range(EPOCHS):
        for rank in (1, 0):  # the order does not matter: shares are disjoint
            for batch in shares(rank, epoch):
                reassign_at_random(alone, batch)
        assert torch.equal(left[epoch], alone.permutation)
        assert torch.equal(right[epoch], alone.permutation)
    assert torch.equal(left[EPOCHS], left[0])
    assert torch.equal(right[EPOCHS], left[0])


def counter_of_one_rank() -> tuple[list[int], list[int]]:
    counter = StreamCounter()
    taken_slots = counter.take(4).tolist() + counter.take(3 * dist.get_rank()).tolist()
    counter.merge()
    counter.merge()
    merged = counter.taken.tolist()
    fresh = StreamCounter()
    fresh.load_state_dict(counter.state_dict())
    return taken_slots + fresh.take(2).tolist(), merged


def test_counters_merge_and_never_return_a_slot_twice(ranks: list[dict[str, Any]]) -> None:
    (left, merged), (right, also_merged) = (rank["counter"] for rank in ranks)
    assert merged == also_merged == [4, 7]
    assert left == list(range(6))
    assert right == [2**48 + t for t in range(9)]
    fewer = StreamCounter()
    fewer.load_state_dict({"taken": torch.tensor(merged)})
    assert fewer.take(1).tolist() == [7]


def objective_of_one_rank(values: dict[str, Any]) -> dict[str, Tensor]:
    rank = dist.get_rank()
    module = NAT.model_validate({"head": "linear"} | values).build(32, SAMPLES)
    data = torch.randn(SAMPLES, 32, generator=torch.Generator().manual_seed(0))
    module.head.load_state_dict({"weight": torch.eye(32), "bias": torch.zeros(32)})
    for batch in shares(rank, 0):
        module([data[batch]] * 2, torch.tensor(batch), epoch=0)
    module.merge()
    return dict(module.state_dict())


def crowded() -> tuple[Tensor, Tensor]:
    """Embeddings Tensor[2, 7, 5] and centres Tensor[7, 5] of a whole batch."""
    generator = torch.Generator().manual_seed(1)
    z_VBD = torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    centres_BD = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    return z_VBD.requires_grad_(), centres_BD.requires_grad_()


def crowding_of_one_rank() -> dict[str, Tensor]:
    z_VBD, centres_BD = crowded()
    # The last batch of an epoch: the second process has less of it.
    part = slice(0, 4) if dist.get_rank() == 0 else slice(4, 7)
    density = log_density_of_others(z_VBD[:, part], centres_BD[part], 0.3)
    (density.sum() / 7).backward()
    assert z_VBD.grad is not None
    assert centres_BD.grad is not None
    return {"density": density.detach(), "z": z_VBD.grad, "centres": centres_BD.grad}


def test_repulsion_includes_the_samples_of_other_processes(ranks: list[dict[str, Any]]) -> None:
    z_VBD, centres_BD = crowded()
    density = log_density_of_others(z_VBD, centres_BD, 0.3)
    density.mean().backward()
    left, right = (rank["crowding"] for rank in ranks)
    torch.testing.assert_close(torch.cat([left["density"], right["density"]]), density.detach())
    torch.testing.assert_close(left["z"] + right["z"], z_VBD.grad)
    # Of learned targets, whose gradients come back from the samples of both.
    torch.testing.assert_close(left["centres"] + right["centres"], centres_BD.grad)


def all_of_one_rank() -> dict[str, Any]:
    return {
        "table": table_of_one_rank(),
        "counter": counter_of_one_rank(),
        "bank": objective_of_one_rank({"assignment": {"kind": "bank", "slots": LAYERS}}),
        "stream": objective_of_one_rank({"assignment": {"kind": "stream", "slots": LAYERS}}),
        "crowding": crowding_of_one_rank(),
    }


@pytest.fixture(scope="module")
def ranks() -> list[dict[str, Any]]:
    """What each of two processes found; asked for once."""
    return in_processes(all_of_one_rank)


@pytest.mark.parametrize("kind", ["bank", "stream"])
def test_objectives_agree_after_a_merge(kind: str, ranks: list[dict[str, Any]]) -> None:
    states = [rank[kind] for rank in ranks]
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        assert torch.equal(states[0][name], states[1][name]), name
    if kind == "stream":
        assert states[0]["assignment.counter.taken"].tolist() == [LAYERS * SAMPLES // 2] * 2
    else:
        everyone = torch.arange(SAMPLES).expand(LAYERS, -1)
        assert torch.equal(states[0]["assignment.table.permutation"].sort(-1).values, everyone)


def fail_in_the_second() -> None:
    if dist.get_rank() == 1:
        raise ValueError("the second process fails")
    dist.barrier()


def test_an_error_in_one_process_is_seen() -> None:
    with pytest.raises(RuntimeError, match="ValueError: the second process fails"):
        in_processes(fail_in_the_second)
