"""Prototypes that learn: they follow samples, stay spread out, and agree over processes."""

from typing import Any, Literal

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import normalize

from natlib.objectives import NAT
from natlib.solvers import Lapjv
from natlib.targets import (
    GradientPrototypes,
    LearnedPrototypes,
    LearnedPrototypesModule,
    MeanPrototypes,
    Prototypes,
    TargetModule,
    tight_frame,
)
from natlib.targets.learned_prototypes import GradientPrototypesModule, MeanPrototypesModule
from tests.processes import in_processes

Learn = Literal["gradient", "mean"]
LEARN: list[Learn] = ["gradient", "mean"]
by_learn = pytest.mark.parametrize("learn", LEARN)


KINDS: dict[Learn, type[LearnedPrototypes]] = {
    "gradient": GradientPrototypes,
    "mean": MeanPrototypes,
}


def module_of(learn: Learn, **values: Any) -> LearnedPrototypesModule:
    if learn == "gradient":
        values.pop("rate", None)  # that of the optimiser counts
    module = KINDS[learn].model_validate(values).build()
    assert isinstance(module, LearnedPrototypesModule)
    return module


def largest_cosine(vectors: Tensor) -> float:
    cosine = vectors @ vectors.T
    return float(cosine.fill_diagonal_(-1).max())


@pytest.mark.parametrize(
    ("count", "dim"), [(2, 1), (2, 5), (5, 5), (6, 5), (7, 5), (40, 5), (9, 1)]
)
def test_tight_frames_have_equal_variance_in_all_directions(count: int, dim: int) -> None:
    points = tight_frame(torch.randn(count, dim, dtype=torch.float64))
    torch.testing.assert_close(points.norm(dim=1), torch.ones(count, dtype=torch.float64))
    if count <= dim + 1:
        # A regular simplex.
        simplex = torch.full((count, count), -1 / (count - 1), dtype=torch.float64)
        torch.testing.assert_close(points @ points.T, simplex.fill_diagonal_(1))
    values = torch.linalg.svdvals(points)[: min(dim, count - 1)]
    assert float(values.min() / values.max()) > 0.5


def test_a_tight_frame_stays_unchanged() -> None:
    points = tight_frame(torch.randn(6, 5, dtype=torch.float64))
    torch.testing.assert_close(tight_frame(points), points)
    one = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(tight_frame(one), torch.tensor([[0.6, 0.8]]))
    # A turn and a change of scale go through, a shift is undone.
    points = torch.randn(20, 5, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    torch.testing.assert_close(tight_frame(3 * points @ turn + 7), tight_frame(points) @ turn)


@pytest.mark.parametrize("gap", [1e-3, 1e-6])
def test_points_that_nearly_coincide_are_moved_apart(gap: float) -> None:
    points = tight_frame(torch.ones(40, 8) + gap * torch.randn(40, 8))
    assert largest_cosine(points) < 0.95
    assert float(torch.linalg.svdvals(points)[-1]) > 1.0


@pytest.mark.parametrize(("count", "dim"), [(3, 4), (5, 4), (8, 3)])
def test_the_gradient_of_a_tight_frame(count: int, dim: int) -> None:
    points = torch.randn(count, dim, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(tight_frame, (points,))
    # Where the frame is tight already, and its eigenvalues are equal, too.
    tight = tight_frame(points).detach().requires_grad_()
    assert torch.autograd.gradcheck(tight_frame, (tight,))


def train(module: LearnedPrototypesModule, features: Tensor, steps: int = 300) -> Tensor:
    """Alternate matching and learning on fixed features; what the prototypes come to."""
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0) if list(module.parameters()) else None
    for step in range(steps):
        slot = (step * len(features) + torch.arange(len(features)))[None]
        columns = Lapjv().match(features, module.rows(slot).detach()).columns
        slot = slot.gather(1, columns)
        module.update(slot, features)
        if optimizer is not None:
            loss = (features - module.rows(slot)[0]).square().sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return module.prototypes().detach()


@by_learn
def test_a_collapse_of_samples_does_not_pull_prototypes_together(learn: Learn) -> None:
    dim, count = 6, 12
    middle = normalize(torch.randn(2, dim), dim=1)
    features = normalize(middle[torch.arange(48) % 2] + 1e-3 * torch.randn(48, dim), dim=1)
    kept = train(module_of(learn=learn, count=count, dim=dim, rate=0.2), features)
    lost = train(module_of(learn=learn, count=count, dim=dim, rate=0.2, spread=False), features)
    # Without spreading they end at the two points that the samples are at.
    assert float((lost @ middle.T).amax(1).min()) > 0.98
    assert float(torch.linalg.svdvals(lost)[2]) < 0.3
    assert float(torch.linalg.svdvals(kept)[-1]) > 0.5
    assert float(kept.mean(0).norm()) < 0.5
    torch.testing.assert_close(kept.norm(dim=1), torch.ones(count))


@by_learn
def test_prototypes_find_clusters(learn: Learn) -> None:
    middle = tight_frame(torch.randn(8, 6))
    features = normalize(middle[torch.arange(64) % 8] + 0.1 * torch.randn(64, 6), dim=1)
    before = module_of(learn=learn, count=8, dim=6, rate=0.3).prototypes().detach()
    after = train(module_of(learn=learn, count=8, dim=6, rate=0.3), features)

    def fit(vectors: Tensor) -> float:
        rows = vectors.repeat_interleave(8, 0)
        columns = Lapjv().match(features, rows).columns
        return float((features * rows[columns]).sum(-1).mean())

    assert fit(after) > fit(before) + 0.1
    assert fit(after) > 0.9


def test_a_prototype_without_matches_stays() -> None:
    module = module_of(learn="mean", count=4, dim=3, spread=False, rate=0.5)
    before = module.prototypes().clone()
    slot = torch.arange(4)[module.prototype_of(torch.arange(4)) < 2][None]
    module.update(slot, torch.randn(2, 3))
    after = module.prototypes()
    assert torch.equal(after[2:], before[2:])
    assert not torch.isclose(after[:2], before[:2]).all(1).any()


def test_a_prototype_without_matches_counts_in_the_frame() -> None:
    module = module_of(learn="mean", count=4, dim=3, rate=0.3)
    before, z = module.prototypes().clone(), normalize(torch.randn(1, 3), dim=1)
    module.update(torch.tensor([[7]]), z)
    owner = int(module.prototype_of(torch.tensor(7)))
    moved = before.clone()
    moved[owner] = torch.lerp(before[owner], z[0], 0.3)
    torch.testing.assert_close(module.prototypes(), tight_frame(moved))


def test_the_mean_is_that_of_all_layers() -> None:
    config = MeanPrototypes(count=2, dim=3, spread=False, rate=0.25)
    module = config.build()
    assert isinstance(module, MeanPrototypesModule)
    before = module.prototypes().clone()
    slot, z = torch.arange(6).view(2, 3), normalize(torch.randn(3, 3), dim=1)
    module.update(slot, z)
    owner = config.prototype_of(slot).flatten()
    for number in range(2):
        mean = normalize(torch.cat([z, z])[owner == number].sum(0), dim=0)
        expected = normalize(0.75 * before[number] + 0.25 * mean, dim=0)
        torch.testing.assert_close(module.prototypes()[number], expected)


def test_fixed_prototypes_have_no_state() -> None:
    module = Prototypes(count=10).build()
    assert type(module) is TargetModule
    assert not module.state_dict()
    slot = torch.arange(30)
    assert torch.equal(module.rows(slot), module.distribution.rows(slot))


@by_learn
def test_state_is_saved_and_restored(learn: Learn) -> None:
    module = module_of(learn=learn, count=5, dim=4)
    train(module, normalize(torch.randn(10, 4), dim=1), steps=3)
    other = module_of(learn=learn, count=5, dim=4)
    assert not torch.equal(other.prototypes(), module.prototypes())
    assert list(module.state_dict()) == ["vectors"]
    other.load_state_dict(module.state_dict())
    slot = torch.arange(9).view(3, 3)
    assert torch.equal(other.rows(slot), module.rows(slot))
    assert module.rows(slot, torch.float64).dtype == torch.float64
    assert module.rows(slot).requires_grad == (learn == "gradient")


def shared_data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 8, 4, generator=generator), torch.arange(40).view(5, 1, 8)


def learn_in_processes(learn: Learn) -> Tensor:
    """Five steps on this process's half of each batch."""
    rank, count = dist.get_rank(), dist.get_world_size()
    z, slot = shared_data()
    return learn_on(learn, z[:, rank::count], slot[:, :, rank::count], distributed=True)


class Loss(nn.Module):
    """What a training step computes."""

    def __init__(self, targets: LearnedPrototypesModule) -> None:
        super().__init__()
        self.targets = targets

    def forward(self, slot: Tensor, z: Tensor) -> Tensor:
        self.targets.update(slot, z)
        return (z - self.targets.rows(slot)[0]).square().sum(-1).mean()


def learn_on(learn: Learn, z: Tensor, slot: Tensor, *, distributed: bool) -> Tensor:
    targets = module_of(learn=learn, count=3, dim=4, rate=0.3)
    step: nn.Module = Loss(targets)
    weights = list(step.parameters())
    if distributed and weights:
        step = nn.parallel.DistributedDataParallel(step)
    optimizer = torch.optim.AdamW(weights, lr=0.1) if weights else None
    for z_BD, slot_1B in zip(z, slot, strict=True):
        loss = step(slot_1B, z_BD)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return targets.prototypes().detach()


@by_learn
def test_two_processes_equal_one(learn: Learn) -> None:
    alone = learn_on(learn, *shared_data(), distributed=False)
    first, second = in_processes(learn_in_processes, learn)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, alone, atol=1e-5, rtol=1e-5)
    start = module_of(learn=learn, count=3, dim=4).prototypes().detach()
    assert float((alone - start).abs().max()) > 0.05


@by_learn
@pytest.mark.parametrize("kind", ["bank", "stream"])
@pytest.mark.parametrize("count", [2, 10, 500])
def test_in_a_training_step(learn: Learn, kind: Literal["bank", "stream"], count: int) -> None:
    recipe = NAT(
        targets=KINDS[learn](count=count, dim=8),
        assignment={"kind": kind, "slots": 2},
    )
    objective = recipe.build(6, samples=32)
    kinds = {"gradient": GradientPrototypesModule, "mean": MeanPrototypesModule}
    targets = objective.targets
    assert isinstance(targets, kinds[learn])
    before = targets.prototypes().detach().clone()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.5)
    for _ in range(3):
        views = [torch.randn(32, 6) for _ in range(2)]
        output = objective(views, torch.arange(32), health=True)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    after = targets.prototypes().detach()
    assert after.isfinite().all()
    assert float((after - before).abs().max()) > 1e-4
    # Evaluation mode changes nothing.
    objective.eval()
    with torch.no_grad():
        objective([torch.randn(32, 6) for _ in range(2)], torch.arange(32))
    assert torch.equal(targets.prototypes(), after)


@by_learn
def test_autocast_does_not_change_them(learn: Learn) -> None:
    module = module_of(learn=learn, count=12, dim=4)
    expected = module.rows(torch.arange(12))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module.rows(torch.arange(12)), expected)
        module.update(torch.arange(12)[None], normalize(torch.randn(12, 4), dim=1))
    assert module.prototypes().dtype == torch.float32
