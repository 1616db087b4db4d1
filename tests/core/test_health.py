"""Health measures against closed forms, and the baseline of random points."""

import math

import pytest
import torch
from torch import Tensor

from natlib.assignment import Assignment, Cells, Stream
from natlib.objectives import effective_rank, embedding_health, random_cosine
from natlib.solvers import Greedy, Lapjv, Solver
from natlib.targets import Gaussian, TargetDistribution, UniformSphere
from tests.core.families import members
from tests.core.nat_parts import built, features_of, table_of


def line_of(targets: TargetDistribution, assignment: Assignment, batch: int) -> Tensor:
    return random_cosine(assignment.build(targets.build()), batch)


@pytest.mark.parametrize("dim", [1, 2, 32, 100])
@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_a_collapse_has_no_spread_and_rank_one(dim: int, noise: float) -> None:
    point = torch.nn.functional.normalize(torch.randn(dim), dim=0)
    # Noise below the rounding of float32 is still a collapse.
    health = embedding_health(point + noise * torch.randn(256, dim))
    assert float(health["embedding_std"]) < 1e-6
    assert float(health["effective_rank"]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("targets", [UniformSphere(dim=16), Gaussian(dim=16)], ids=str)
def test_points_spread_evenly_fill_the_space(targets: TargetDistribution) -> None:
    health = embedding_health(targets.rows(torch.arange(8192)))
    assert float(health["embedding_std"]) == pytest.approx(1.0, abs=0.01)
    assert float(health["effective_rank"]) == pytest.approx(16.0, rel=0.01)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_effective_rank_counts_equal_directions(rank: int) -> None:
    axes = torch.linalg.qr(torch.randn(12, rank))[0].T
    points = torch.cat([axes, -axes])
    assert float(effective_rank(points)) == pytest.approx(rank, rel=1e-5)
    assert float(effective_rank(1e-3 * points + 7e-3)) == pytest.approx(rank, rel=1e-3)


def test_effective_rank_is_the_entropy_of_the_singular_values() -> None:
    values = torch.tensor([3.0, 1.0, 0.5])
    points = torch.diag(values)
    points = torch.cat([points, -points]) / math.sqrt(2)
    share = values / values.sum()
    expected = math.exp(-float((share * share.log()).sum()))
    assert float(effective_rank(points)) == pytest.approx(expected, rel=1e-5)


def test_half_a_collapse_lowers_both_measures() -> None:
    points = UniformSphere(dim=8).rows(torch.arange(4096))
    points[:, 4:] = 0
    health = embedding_health(points)
    # Half the coordinates keep their deviation of 1 / sqrt(8); the others have none.
    assert float(health["embedding_std"]) == pytest.approx(0.5, abs=0.01)
    assert float(health["effective_rank"]) == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize(
    ("dim", "batch", "line"), [(32, 256, 0.45), (128, 256, 0.235), (2048, 256, 0.059)]
)
def test_the_random_baseline_has_its_recorded_value(dim: int, batch: int, line: float) -> None:
    found = float(line_of(UniformSphere(dim=dim), Stream(slots=2), batch))
    assert found == pytest.approx(line, abs=0.006)


@pytest.mark.parametrize("solver", members(Solver), ids=lambda s: s.kind)
@pytest.mark.parametrize("targets", [UniformSphere(dim=16), Gaussian(dim=16)], ids=str)
def test_the_random_baseline_agrees_with_an_independent_computation(
    targets: TargetDistribution, solver: Solver
) -> None:
    generator = torch.Generator().manual_seed(0)
    points = targets.project(torch.randn(8, 128, 16, generator=generator) / 4)
    rows = targets.rows(torch.arange(8 * 128).view(8, 128))
    columns = solver.match(points, rows).columns
    matched = rows.gather(1, columns[..., None].expand_as(rows))
    drawn = torch.cosine_similarity(points, matched, dim=-1).mean()
    line = line_of(targets, Stream(solver=solver, slots=4), 128)
    assert float(line) == pytest.approx(float(drawn), abs=0.02)
    assert line.ndim == 0


def test_cells_have_a_baseline_of_their_own() -> None:
    targets, cells = UniformSphere(dim=16), Cells(points=4096)
    points = torch.nn.functional.normalize(
        torch.randn(64, 16, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    centroid = cells.estimate(points, targets.rows(torch.arange(4096))).centroid
    drawn = torch.cosine_similarity(points, centroid, dim=-1).mean()
    line = line_of(targets, cells, 64)
    assert float(line) == pytest.approx(float(drawn), abs=0.02)
    # A centroid lies nearer than any single target that a matching could find.
    assert line > line_of(targets, Stream(), 64)


def test_a_better_solver_has_a_higher_baseline() -> None:
    targets = UniformSphere(dim=16)
    exact, greedy = (Stream(solver=solver, slots=4) for solver in (Lapjv(), Greedy()))
    assert line_of(targets, exact, 128) > line_of(targets, greedy, 128)


@pytest.mark.parametrize("kind", ["bank", "stream"])
def test_random_features_are_at_the_baseline(kind: str) -> None:
    targets = {"kind": "uniform_sphere", "dim": 32}
    module = built(samples=256, targets=targets, assignment={"kind": kind, "slots": 4})
    health = module(features_of(2, 256, dim=32), torch.arange(256), health=True).health
    # Views that have nothing in common: their mean is a random point too.
    assert float(health["matched_cosine"]) == pytest.approx(
        float(health["random_cosine"]), abs=0.01
    )
    assert float(health["own_cosine"]) == pytest.approx(0.0, abs=0.02)
    assert float(health["embedding_std"]) == pytest.approx(1.0, abs=0.03)
    assert 28 < float(health["effective_rank"]) <= 32


def test_features_that_hit_their_targets_have_cosine_one() -> None:
    module = built(samples=64, assignment={"kind": "bank", "slots": 1})
    rows = module.config.targets.rows(table_of(module).slots(torch.arange(64))[0], torch.float64)
    output = module([3 * rows, rows], torch.arange(64), health=True)
    assert float(output.health["matched_cosine"]) == pytest.approx(1.0)
    assert float(output.health["own_cosine"]) == pytest.approx(1.0)
    assert float(output.health["reassigned"]) == 0.0
    assert output.loss.item() == pytest.approx(0.0, abs=1e-20)


def test_own_cosine_is_that_with_the_targets_before_the_matching() -> None:
    module = built(samples=64, assignment={"kind": "bank", "slots": 2})
    features = features_of(2, 64)
    first = module(features, torch.arange(64), health=True).health
    second = module(features, torch.arange(64), health=True).health
    assert float(first["own_cosine"]) < 0.3 < float(first["matched_cosine"])
    assert float(second["own_cosine"]) == pytest.approx(float(first["matched_cosine"]))


def test_health_is_not_computed_unless_requested() -> None:
    cheap = built()(features_of(2, 6)).health
    assert set(cheap) == {"reassigned", "solver_seconds"}
    assert float(cheap["solver_seconds"]) > 0
