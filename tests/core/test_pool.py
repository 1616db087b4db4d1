"""Matching against a queue of earlier samples, beside a twin in plain Python."""

from typing import Any

import pytest
import torch
import torch.distributed as dist
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from natlib.data import EpochPartition
from natlib.objectives import NAT, NATModule
from natlib.objectives.pool import Pool, PoolEntries
from tests.core.nat_parts import built, features_of
from tests.processes import in_processes

SAMPLES, BATCH, QUEUE = 24, 6, 9


def batches(epochs: int) -> list[tuple[int, Tensor]]:
    partition = EpochPartition(torch.arange(SAMPLES), BATCH)
    return [(e, torch.tensor(list(b))) for e in range(epochs) for b in partition.batches(e)]


def lowest(module: NATModule, anchors: list[Tensor], slots: list[int]) -> list[int]:
    """The slots of one layer, dealt again at the lowest cost."""
    rows = module.config.targets.rows(torch.tensor(slots), torch.float64)
    columns = linear_sum_assignment(torch.cdist(torch.stack(anchors), rows).square().numpy())[1]
    return [slots[column] for column in columns]


def anchor_of(module: NATModule, features: list[Tensor]) -> list[Tensor]:
    z = torch.stack([module.embed(view) for view in features]).detach()
    return list(module.config.targets.project(z.mean(0)))


def test_a_bank_deals_batch_and_queue_together() -> None:
    module = built(ownership="bank", slots=2, samples=SAMPLES, pool=QUEUE)
    assert module.table is not None
    owned = [module.table.slots(torch.arange(SAMPLES))[layer].tolist() for layer in (0, 1)]
    queue: list[tuple[int, Tensor]] = []  # the oldest first
    for step, (epoch, index) in enumerate(batches(3)):
        features = features_of(2, BATCH, seed=step)
        module(features, index, epoch=epoch)
        new = list(zip(index.tolist(), anchor_of(module, features), strict=True))
        queue = [entry for entry in queue if entry[0] not in index.tolist()]
        together = new + queue
        for layer in owned:
            dealt = lowest(module, [z for _, z in together], [layer[i] for i, _ in together])
            for (sample, _), slot in zip(together, dealt, strict=True):
                layer[sample] = slot
        queue = (queue + new)[-QUEUE:]
        for layer in (0, 1):
            assert module.table.slots(torch.arange(SAMPLES))[layer].tolist() == owned[layer], step


def test_a_stream_deals_fresh_slots_and_those_of_the_queue_together() -> None:
    module = built(ownership="stream", slots=2, pool=QUEUE, target_weight=1.0, alignment=0.0)
    queue: list[tuple[Tensor, list[int]]] = []
    fresh = 0
    for step in range(8):
        features = features_of(2, BATCH, seed=step)
        loss = module(features).loss
        anchors = anchor_of(module, features)
        together = anchors + [z for z, _ in queue]
        layers = []
        for layer in (0, 1):
            own = list(range(fresh + layer * BATCH, fresh + (layer + 1) * BATCH))
            layers.append(lowest(module, together, own + [slots[layer] for _, slots in queue]))
        fresh += 2 * BATCH
        rows = module.config.targets.rows(torch.tensor(layers)[:, :BATCH], torch.float64)
        z = torch.stack([module.embed(view) for view in features])
        torch.testing.assert_close(loss, (z - rows.mean(0)).square().sum(-1).mean())
        queue = [(z, [row[BATCH + i] for row in layers]) for i, (z, _) in enumerate(queue)]
        queue += [(z, [row[i] for row in layers]) for i, z in enumerate(anchors)]
        queue = queue[-QUEUE:]
    assert module.pool is not None
    held = module.pool.entries()
    assert held.slots.T.tolist() == [slots for _, slots in queue]
    owned = held.slots.flatten().tolist()
    assert len(set(owned)) == len(owned)


def test_a_queue_finds_nearer_targets() -> None:
    cosines = {}
    for pool in (0, 200):
        module = built(ownership="stream", slots=1, pool=pool)
        outputs = [module(features_of(2, 20, seed=step), health=True) for step in range(15)]
        cosines[pool] = [float(output.health["matched_cosine"]) for output in outputs]
        assert outputs[-1].health["random_cosine"] < 1
    assert cosines[0][0] == cosines[200][0]  # empty at first
    assert sum(cosines[200][11:]) > sum(cosines[0][11:])


@pytest.mark.parametrize("ownership", ["bank", "stream"])
def test_the_warm_up_fills_the_queue_and_does_not_use_it(ownership: str) -> None:
    values: dict[str, Any] = {"ownership": ownership, "samples": SAMPLES, "slots": 2}
    plain, pooled = built(**values), built(**values, pool=QUEUE, pool_warmup=2)
    for step, (epoch, index) in enumerate(batches(3)):
        features = features_of(2, BATCH, seed=step)
        losses = [one(features, index, epoch=epoch).loss for one in (plain, pooled)]
        if epoch < 2:
            assert torch.equal(*losses)
            assert pooled.pool is not None
            assert int(pooled.pool.filled) == min(QUEUE, BATCH * (step + 1))
    assert not torch.equal(*losses)


@pytest.mark.parametrize("ownership", ["bank", "stream"])
def test_a_state_dict_carries_the_queue_on(ownership: str) -> None:
    values: dict[str, Any] = {"ownership": ownership, "samples": SAMPLES, "slots": 2, "pool": QUEUE}
    module, fresh = built(**values), built(**values, seed=5)
    steps = list(enumerate(batches(3)))
    for step, (epoch, index) in steps[:5]:
        module(features_of(2, BATCH, seed=step), index, epoch=epoch)
    fresh.load_state_dict({name: value.clone() for name, value in module.state_dict().items()})
    for step, (epoch, index) in steps[5:]:
        features = features_of(2, BATCH, seed=step)
        assert torch.equal(*(one(features, index, epoch=epoch).loss for one in (module, fresh)))


@pytest.mark.parametrize("ownership", ["bank", "stream"])
def test_evaluation_neither_uses_nor_fills_the_queue(ownership: str) -> None:
    module = built(ownership=ownership, pool=QUEUE)
    for step in range(3):
        module(features_of(2, 6, seed=step), torch.arange(6))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.eval()
    losses = [module(features_of(2, 6, seed=9), torch.arange(6)).loss for _ in range(2)]
    assert torch.equal(*losses)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_a_queue_of_other_processes_starts_empty() -> None:
    pool = Pool(4, 1, 2)
    pool.fill(PoolEntries(torch.ones(3, 2), torch.ones(1, 3, dtype=torch.int64), torch.arange(3)))
    state = {
        name: torch.cat([value] * 2) for name, value in pool.state_dict().items() if value.ndim
    }
    fresh = Pool(4, 1, 2)
    fresh.load_state_dict(state | {"epoch": torch.tensor(3)})
    assert len(fresh.entries().index) == 0


def of_one_rank(values: dict[str, Any]) -> list[dict[str, Tensor]]:
    """States after each epoch."""
    module = NAT.model_validate({"head": "linear", "slots": 2, "pool": 7} | values).build(
        32, SAMPLES
    )
    rank = dist.get_rank()
    data = torch.randn(SAMPLES, 32, generator=torch.Generator().manual_seed(0))
    states = []
    partition = EpochPartition(torch.arange(SAMPLES), 8, rank=rank, processes=2)
    for epoch in range(3):
        for batch in partition.batches(epoch):
            module([data[list(batch)]] * 2, torch.tensor(list(batch)), epoch=epoch)
        module.merge()
        states.append({name: value.clone() for name, value in module.state_dict().items()})
    return states


def both_ownerships() -> dict[str, list[dict[str, Tensor]]]:
    return {kind: of_one_rank({"ownership": kind}) for kind in ("bank", "stream")}


def test_two_processes_keep_one_table_and_know_both_queues() -> None:
    ranks = in_processes(both_ownerships)
    for kind in ("bank", "stream"):
        for left, right in zip(ranks[0][kind], ranks[1][kind], strict=True):
            for name in left:
                if name.startswith(("table", "counter", "pool")):
                    assert torch.equal(left[name], right[name]), name
            held = left["pool.index"]
            assert int(left["pool.filled"].min()) == 7
            assert not set(held[0].tolist()) & set(held[1].tolist())
            if kind == "bank":
                everyone = torch.arange(SAMPLES).expand(2, -1)
                assert torch.equal(left["table.permutation"].sort(-1).values, everyone)
