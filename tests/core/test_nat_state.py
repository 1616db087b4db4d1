"""What NAT changes, when it does, and what it refuses."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from natlib.configuration import describe
from natlib.errors import ConfigError, DuplicateSampleError, NonFiniteError
from natlib.objectives import NAT, NATModule, Objective
from natlib.solvers import Lapjv, Scipy
from tests.core.families import members
from tests.core.nat_parts import Watched, built, features_of

INDEX = torch.arange(6)


def state(module: NATModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("objective", members(Objective), ids=lambda o: o.kind)
def test_every_objective_keeps_the_contract_in_a_loop_of_ones_own(objective: Objective) -> None:
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 12))
    module = objective.for_classes([5, 3]).build(12, samples=32)
    data = torch.randn(32, 1, 4, 4)
    labels = torch.arange(32) % 4 - 2
    views = [data + 0.1 * torch.randn_like(data) for _ in range(objective.views)]
    features = [encoder(view) for view in (*views, *module.extra_inputs(views))]
    output = module(features, torch.arange(32), labels=labels.clamp_min(-1), epoch=0, health=True)
    assert output.loss.ndim == 0
    assert isinstance(module.loss_is_sum, bool)
    assert output.health
    for values in (output.parts, output.health):
        for value in values.values():
            assert value.ndim == 0
            assert value.isfinite()
            assert not value.requires_grad
    output.loss.backward()
    for name, weight in [*encoder.named_parameters(), *module.named_parameters()]:
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().sum() > 0 or name.endswith("bias")
    assert module.embed(encoder(data)).shape[0] == 32
    module.merge()


@pytest.mark.parametrize("every", [1, 2, 3])
def test_frozen_epochs_leave_the_table(every: int) -> None:
    module = built(ownership="bank", slots=2, reassign_every=every)
    assert module.table is not None
    for epoch in range(7):
        before = module.table.permutation.clone()
        output = module(features_of(2, 6, seed=epoch), INDEX, epoch=epoch)
        moved = not torch.equal(before, module.table.permutation)
        assert moved == (epoch % every == 0)
        assert ("reassigned" in output.health) == (epoch % every == 0)


def test_frozen_steps_leave_the_table_and_are_counted_in_the_state() -> None:
    values: dict[str, Any] = {
        "ownership": "bank", "slots": 2, "reassign_every": 3, "reassign_unit": "step",
    }  # fmt: skip
    module = built(**values)
    for step in range(8):
        assert module.table is not None
        before = module.table.permutation.clone()
        # The number of the epoch is not what counts.
        module(features_of(2, 6, seed=step), INDEX, epoch=step // 4)
        assert torch.equal(before, module.table.permutation) == (step % 3 != 0)
        fresh = built(**values)
        fresh.load_state_dict(module.state_dict())
        module = fresh
    assert int(module.step) == 8


def test_frozen_epochs_regress_to_what_was_dealt() -> None:
    module = built(ownership="bank", slots=2, reassign_every=2)
    features = features_of(2, 6)
    dealt = module(features, INDEX, epoch=0).loss
    frozen = module(features, INDEX, epoch=1).loss
    torch.testing.assert_close(frozen, dealt)
    other = features_of(2, 6, seed=9)
    assert module(other, INDEX, epoch=1).loss > module(other, INDEX, epoch=2).loss


def test_reassigned_counts_who_moved() -> None:
    module = built(ownership="bank", slots=1)
    assert module.table is not None
    features = features_of(2, 6)
    before = module.table.permutation.clone()
    share = float(module(features, INDEX).health["reassigned"])
    assert share == pytest.approx(float((before != module.table.permutation).sum()) / 6)
    assert float(module(features, INDEX).health["reassigned"]) == 0.0


@pytest.mark.parametrize("ownership", ["bank", "stream"])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_evaluation_changes_nothing(ownership: str, head: str) -> None:
    module = built(ownership=ownership, head=head)
    module(features_of(2, 6), INDEX)
    before = state(module)
    module.eval()
    losses = [module(features_of(2, 6), INDEX, health=True).loss.item() for _ in range(2)]
    assert losses[0] == losses[1]
    assert same(before, state(module))
    module.train()
    module(features_of(2, 6, seed=1), INDEX)
    assert not same(before, state(module))


def test_a_stream_deals_other_targets_in_every_step() -> None:
    module = built(ownership="stream", slots=3)
    features = features_of(2, 6)
    losses = {round(module(features).loss.item(), 12) for _ in range(5)}
    assert len(losses) == 5
    assert module.counter is not None
    assert module.counter.taken.tolist() == [5 * 3 * 6]


@pytest.mark.parametrize("ownership", ["bank", "stream"])
def test_state_dict_carries_a_module_on(ownership: str) -> None:
    values: dict[str, Any] = {"ownership": ownership, "head": "mlp", "slots": 2}
    module, fresh = built(**values), built(**values, seed=5)
    for step in range(3):
        module(features_of(2, 6, seed=step), INDEX)
    fresh.load_state_dict(state(module))
    for step in range(3, 6):
        losses = [one(features_of(2, 6, seed=step), INDEX).loss for one in (module, fresh)]
        assert torch.equal(*losses)
    assert same(state(module), state(fresh))


def test_the_seed_decides_the_first_table() -> None:
    tables = [built(ownership="bank", seed=seed).table for seed in (0, 0, 1)]
    first, again, other = (table.permutation for table in tables if table is not None)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("ownership", ["bank", "stream"])
def test_matching_and_loss_stay_in_float32(dtype: torch.dtype, ownership: str) -> None:
    Watched.seen.clear()
    objective = NAT(ownership=ownership, solver=Watched(), slots=2)  # type: ignore[arg-type]
    module = objective.build(16, samples=50)
    features = features_of(2, 12, dim=16, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        output = module(features, torch.arange(12), health=True)
    assert output.loss.dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in output.parts.values())
    # The batch is matched first; the line of random features behind it may be cached.
    assert Watched.seen[0] == (torch.float32, False)
    assert {kind for kind, _ in Watched.seen} == {torch.float32}
    with torch.autocast("cpu", torch.bfloat16):
        embedded = module.embed(features[0])
    assert embedded.dtype == torch.float32
    norms = embedded.norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms))


def test_autocast_costs_no_more_than_the_rounding_of_the_features() -> None:
    features = features_of(2, 12, dtype=torch.float32)
    exact = built(slots=2).float()(features, INDEX.repeat(2)).loss
    with torch.autocast("cpu", torch.bfloat16):
        rounded = built(slots=2).float()(features, INDEX.repeat(2)).loss
    torch.testing.assert_close(exact, rounded)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("view", [0, 1])
@pytest.mark.parametrize("anchor", ["mean", "first"])
def test_not_finite_features_name_their_sample(
    bad: float, head: str, view: int, anchor: str
) -> None:
    # The MLP's batch norm spreads a NaN over all samples, in training.
    module = built(head=head, anchor=anchor, ownership="bank")
    before = state(module)
    features = [one.detach() for one in features_of(2, 6)]
    features[view][4, 2] = bad
    features[1][5, 0] = bad
    with pytest.raises(NonFiniteError, match="the features of sample 4 of the batch") as caught:
        module(features, INDEX)
    assert caught.value.position == 4
    assert isinstance(caught.value, FloatingPointError)
    assert module.table is not None
    assert torch.equal(module.table.permutation, before["table.permutation"])
    assert int(module.step) == 0


def test_a_head_that_overflows_is_traced_too() -> None:
    module = built(head="linear")
    module.head.weight.data.fill_(1.7e308)  # type: ignore[operator, union-attr]
    features = [torch.full((3, 5), 0.01, dtype=torch.float64) for _ in range(2)]
    for view in features:
        view[2] = 100.0
    with pytest.raises(NonFiniteError) as caught:
        module(features)
    assert caught.value.position == 2


def test_a_bank_needs_samples_and_an_index() -> None:
    with pytest.raises(ConfigError, match=r"build\(\.\.\., samples=n\)"):
        NAT(ownership="bank").build(8)
    module = built(ownership="bank")
    with pytest.raises(ConfigError, match=r"call with index="):
        module(features_of(2, 6))
    with pytest.raises(DuplicateSampleError):
        module(features_of(2, 3), torch.tensor([4, 1, 4]))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"views": 1}, "ownership 'stream' needs views >= 2"),
        ({"reassign_every": 3}, "reassign_every and reassign_unit are for ownership 'bank'"),
        ({"reassign_unit": "step"}, "reassign_every and reassign_unit are for ownership 'bank'"),
        ({"slots": 0}, "slots: input should be greater than or equal to 1, got 0"),
        ({"target_weight": 0.0}, "target_weight: input should be greater than 0"),
        ({"alignment": -1.0}, "alignment: input should be greater than or equal to 0"),
        ({"seed": 2**64}, f"seed: input should be less than {2**64}"),
        ({"ownership": "shared"}, "ownership: input should be 'bank' or 'stream', got 'shared'"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NAT.model_validate(values)
    assert text in describe(caught.value)


def test_one_batch_of_one_sample_works() -> None:
    output = built(ownership="bank")(features_of(2, 1), INDEX[:1], health=True)
    assert output.loss.isfinite()
    assert float(output.health["effective_rank"]) == 1.0


def test_lapjv_and_scipy_deal_alike() -> None:
    tables = []
    for solver in (Lapjv(), Scipy()):
        module = built(ownership="bank", slots=2, solver=solver)
        for step in range(5):
            module(features_of(2, 50, seed=step), torch.arange(50))
        assert module.table is not None
        tables.append(module.table.permutation)
    assert torch.equal(*tables)
