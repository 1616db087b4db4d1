"""NAT's state: when it changes; and settings that are refused."""

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
from tests.core.nat_parts import Watched, built, counter_of, features_of, table_of

INDEX = torch.arange(6)


def state(module: NATModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("objective", members(Objective), ids=lambda o: o.kind)
def test_every_objective_fulfils_its_contract(objective: Objective) -> None:
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
def test_epochs_without_a_matching_leave_the_table(every: int) -> None:
    module = built(assignment={"kind": "bank", "slots": 2, "every": every})
    for epoch in range(7):
        before = table_of(module).permutation.clone()
        output = module(features_of(2, 6, seed=epoch), INDEX, epoch=epoch)
        moved = not torch.equal(before, table_of(module).permutation)
        assert moved == (epoch % every == 0)
        assert ("reassigned" in output.health) == (epoch % every == 0)


def test_steps_without_a_matching_leave_the_table_and_are_counted() -> None:
    values: dict[str, Any] = {
        "assignment": {"kind": "bank", "slots": 2, "every": 3, "unit": "step"},
    }  # fmt: skip
    module = built(**values)
    for step in range(8):
        before = table_of(module).permutation.clone()
        # The number of the epoch is not what counts.
        module(features_of(2, 6, seed=step), INDEX, epoch=step // 4)
        assert torch.equal(before, table_of(module).permutation) == (step % 3 != 0)
        fresh = built(**values)
        fresh.load_state_dict(module.state_dict())
        module = fresh
    assert int(module.assignment.step) == 8


def test_epochs_without_a_matching_use_the_assigned_targets() -> None:
    module = built(assignment={"kind": "bank", "slots": 2, "every": 2})
    features = features_of(2, 6)
    assigned = module(features, INDEX, epoch=0).loss
    frozen = module(features, INDEX, epoch=1).loss
    torch.testing.assert_close(frozen, assigned)
    other = features_of(2, 6, seed=9)
    assert module(other, INDEX, epoch=1).loss > module(other, INDEX, epoch=2).loss


def test_reassigned_is_the_share_of_samples_with_another_slot() -> None:
    module = built(assignment={"kind": "bank", "slots": 1})
    features = features_of(2, 6)
    before = table_of(module).permutation.clone()
    share = float(module(features, INDEX).health["reassigned"])
    assert share == pytest.approx(float((before != table_of(module).permutation).sum()) / 6)
    assert float(module(features, INDEX).health["reassigned"]) == 0.0


@pytest.mark.parametrize("kind", ["bank", "stream"])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_evaluation_changes_nothing(kind: str, head: str) -> None:
    module = built(head=head, assignment={"kind": kind})
    module(features_of(2, 6), INDEX)
    before = state(module)
    module.eval()
    losses = [module(features_of(2, 6), INDEX, health=True).loss.item() for _ in range(2)]
    assert losses[0] == losses[1]
    assert same(before, state(module))
    module.train()
    module(features_of(2, 6, seed=1), INDEX)
    assert not same(before, state(module))


def test_a_bank_that_is_evaluated_matches_nothing() -> None:
    module = built(assignment={"kind": "bank", "slots": 2}).eval()
    found = module(features_of(2, 6), INDEX, health=True).health
    assert "reassigned" not in found
    assert float(found["matched_cosine"]) == float(found["own_cosine"])
    found = module.train()(features_of(2, 6), INDEX, health=True).health
    assert float(found["matched_cosine"]) > float(found["own_cosine"])


def test_a_stream_has_other_targets_in_every_step() -> None:
    module = built(assignment={"kind": "stream", "slots": 3})
    features = features_of(2, 6)
    losses = {round(module(features).loss.item(), 12) for _ in range(5)}
    assert len(losses) == 5
    assert counter_of(module).taken.tolist() == [5 * 3 * 6]


@pytest.mark.parametrize("kind", ["bank", "stream"])
def test_a_state_dict_resumes_a_module(kind: str) -> None:
    values: dict[str, Any] = {"head": "mlp", "assignment": {"kind": kind, "slots": 2}}
    module, fresh = built(**values), built(**values)
    for step in range(3):
        module(features_of(2, 6, seed=step), INDEX)
    fresh.load_state_dict(state(module))
    for step in range(3, 6):
        losses = [one(features_of(2, 6, seed=step), INDEX).loss for one in (module, fresh)]
        assert torch.equal(*losses)
    assert same(state(module), state(fresh))


def test_the_seed_determines_the_first_table() -> None:
    tables = [table_of(built(assignment={"kind": "bank", "seed": seed})) for seed in (0, 0, 1)]
    first, again, other = (table.permutation for table in tables)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("kind", ["bank", "stream"])
def test_matching_and_loss_stay_in_float32(dtype: torch.dtype, kind: str) -> None:
    Watched.seen.clear()
    objective = NAT(assignment={"kind": kind, "solver": Watched(), "slots": 2})  # type: ignore[arg-type]
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


def test_autocast_only_rounds_the_features() -> None:
    features = features_of(2, 12, dtype=torch.float32)
    exact = built(assignment={"kind": "stream", "slots": 2}).float()(features, INDEX.repeat(2)).loss
    with torch.autocast("cpu", torch.bfloat16):
        rounded = (
            built(assignment={"kind": "stream", "slots": 2}).float()(features, INDEX.repeat(2)).loss
        )
    torch.testing.assert_close(exact, rounded)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("view", [0, 1])
@pytest.mark.parametrize("match_on", ["mean", "first"])
def test_not_finite_features_name_their_sample(
    bad: float, head: str, view: int, match_on: str
) -> None:
    # The MLP's batch norm spreads a NaN over all samples, in training.
    module = built(head=head, match_on=match_on, assignment={"kind": "bank"})
    before = state(module)
    features = [one.detach() for one in features_of(2, 6)]
    features[view][4, 2] = bad
    features[1][5, 0] = bad
    with pytest.raises(NonFiniteError, match="the features of sample 4 of the batch") as caught:
        module(features, INDEX)
    assert caught.value.position == 4
    assert isinstance(caught.value, FloatingPointError)
    assert torch.equal(table_of(module).permutation, before["assignment.table.permutation"])
    assert int(module.assignment.step) == 0


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
        NAT(assignment={"kind": "bank"}).build(8)
    module = built(assignment={"kind": "bank"})
    with pytest.raises(ConfigError, match=r"call with index="):
        module(features_of(2, 6))
    with pytest.raises(DuplicateSampleError):
        module(features_of(2, 3), torch.tensor([4, 1, 4]))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"views": 1}, "assignment 'stream' needs views >= 2"),
        (
            {"views": 1, "assignment": "bank", "loss": {"alignment": 0.5}},
            "loss.alignment is 0.5, and views is 1: there is no other view to align with",
        ),
        ({"views": 1, "assignment": "cells"}, "assignment 'cells' needs views >= 2"),
        (
            {"assignment": {"kind": "stream", "every": 3}},
            "unknown key 'assignment.every'; it is a setting of the assignment 'bank'",
        ),
        (
            {"assignment": {"kind": "stream", "slots": 0}},
            "assignment.slots: input should be greater than or equal to 1, got 0",
        ),
        ({"loss": {"target_weight": 0.0}}, "loss.target_weight: input should be greater than 0"),
        ({"loss": {"alignment": -1.0}}, "loss.alignment: input should be greater than or equal"),
        (
            {"assignment": {"kind": "bank", "seed": 2**64}},
            f"assignment.seed: input should be less than {2**64}",
        ),
        ({"assignment": "shared"}, "unknown assignment 'shared'; did you mean 'stream'?"),
        ({"ownership": "bank"}, "earlier form of this configuration; now 'assignment'"),
        ({"semidiscrete": {"points": 9}}, "earlier form of this configuration; now 'assignment'"),
    ],
)
def test_invalid_settings_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NAT.model_validate(values)
    assert text in describe(caught.value)


def test_one_batch_of_one_sample_works() -> None:
    output = built(assignment={"kind": "bank"})(features_of(2, 1), INDEX[:1], health=True)
    assert output.loss.isfinite()
    assert float(output.health["effective_rank"]) == 1.0


def test_lapjv_and_scipy_assign_alike() -> None:
    tables = []
    for solver in (Lapjv(), Scipy()):
        module = built(assignment={"kind": "bank", "slots": 2, "solver": solver})
        for step in range(5):
            module(features_of(2, 50, seed=step), torch.arange(50))
        tables.append(table_of(module).permutation)
    assert torch.equal(*tables)
