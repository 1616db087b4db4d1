"""Cells of a distribution: against closed forms, large matchings and invariances."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm
from torch import Tensor

from natlib.assignment import Cells
from natlib.errors import MatchingError
from natlib.solvers import Lapjv
from natlib.targets import UniformSphere

PRECISE = Cells(temperature=0.0, passes=8)


def gauss(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def sphere(n: int, dim: int, seed: int = 0) -> Tensor:
    return F.normalize(gauss(n, dim, seed=seed), dim=-1)


def rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def test_cells_of_points_on_a_line_are_quantiles() -> None:
    b = 10
    z = gauss(b, 1, seed=1)
    cells = PRECISE.estimate(z, gauss(100_000, 1))
    edges = norm.ppf(np.arange(b + 1) / b)
    # The mean of a normal number between two edges.
    means = torch.from_numpy(b * -np.diff(norm.pdf(edges)))
    torch.testing.assert_close(cells.centroid[z[:, 0].argsort(), 0], means, atol=0.04, rtol=0)
    assert rms(b * cells.mass - 1) < 0.1
    # Neighbours meet where their scores are equal.
    order = z[:, 0].argsort()
    meet = -cells.potential[order].diff() / z[order, 0].diff()
    torch.testing.assert_close(meet, torch.from_numpy(edges[1:-1]), atol=0.05, rtol=0)


@pytest.mark.parametrize("even", [True, False])
def test_cells_of_points_on_a_circle_are_arcs_of_one_length(even: bool) -> None:
    b = 8
    uneven = torch.tensor([0.1, 0.2, 0.5, 1.9, 2.0, 3.0, 4.4, 4.5])
    angle = torch.arange(b) * 2 * math.pi / b if even else uneven
    z = torch.stack([angle.cos(), angle.sin()], 1).double()
    cells = PRECISE.estimate(z, sphere(100_000, 2))
    length = math.sin(math.pi / b) / (math.pi / b)
    norms = cells.centroid.norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, length), atol=2e-3, rtol=0)
    if even:
        torch.testing.assert_close(cells.centroid, length * z, atol=0.02, rtol=0)


@pytest.mark.parametrize("temperature", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["random", "clustered", "collapsed", "long and short"])
def test_masses_come_close_to_one_in_b(kind: str, temperature: float) -> None:
    b, dim = 64, 8
    z = {
        "random": sphere(b, dim, seed=2),
        "clustered": F.normalize(sphere(4, dim).repeat(b // 4, 1) + 0.02 * gauss(b, dim), dim=1),
        "collapsed": F.normalize(1 + 1e-4 * gauss(b, dim), dim=1),
        "long and short": gauss(b, dim) * torch.linspace(0.1, 3, b).double()[:, None],
    }[kind]
    wrong = []
    for points in (1024, 8192, 65536):
        cells = Cells(temperature=temperature).estimate(z, sphere(points, dim, seed=3))
        # On targets that were not used for the estimate; a cell gets about 2,048 of them.
        fresh = sphere(2**17, dim, seed=4)
        best = (fresh @ z.mT + cells.potential).argmax(1)
        wrong.append(rms(torch.bincount(best, minlength=b) * b / len(fresh) - 1))
    assert rms(cells.mass * b - 1) < 0.1
    if temperature == 0:
        assert wrong[2] < 0.6 * wrong[0]
        assert wrong[2] < 0.12


def test_agrees_with_one_large_matching_of_the_same_targets() -> None:
    b, copies, dim = 8, 60, 4
    z, targets = sphere(b, dim, seed=5), sphere(b * copies, dim, seed=6)
    columns = Lapjv().match(z.repeat_interleave(copies, 0), targets).columns
    means = targets[columns].view(b, copies, dim).mean(1)
    cells = Cells(temperature=0.0, passes=200).estimate(z, targets)
    # A target or two at the border may fall to the other side.
    assert rms((cells.centroid - means).norm(dim=1)) < 0.03


def test_comes_closer_to_the_centroids_than_as_many_targets_in_matchings() -> None:
    b, dim, layers = 32, 16, 16
    z = sphere(b, dim, seed=7)
    truth = Cells(temperature=0.0).estimate(z, sphere(2**19, dim, seed=8)).centroid
    ours, theirs = [], []
    for seed in range(4):
        targets = UniformSphere(dim=dim, seed=seed).rows(torch.arange(layers * b)).double()
        cells = Cells().estimate(z, targets)
        layered = targets.view(layers, b, dim)
        columns = Lapjv().match(z, layered).columns
        means = layered.gather(1, columns.unsqueeze(-1).expand(-1, -1, dim)).mean(0)
        ours.append(rms(cells.centroid - truth))
        theirs.append(rms(means - truth))
    assert np.mean(ours) < np.mean(theirs)


def changed(change: Callable[[Tensor], Tensor], z: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
    solver = Cells()
    plain, other = solver.estimate(z, targets), solver.estimate(change(z), targets)
    return plain.centroid, other.centroid, plain.potential, other.potential


def test_order_scale_and_shift_of_the_samples_do_not_matter() -> None:
    z, targets = gauss(20, 5, seed=9), gauss(4000, 5, seed=10)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    before, after, potential, moved = changed(lambda z: z[order], z, targets)
    torch.testing.assert_close(after, before[order])
    torch.testing.assert_close(moved, potential[order])
    before, after, potential, larger = changed(lambda z: 1e3 * z, z, targets)
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(larger, 1e3 * potential)
    before, after, potential, shifted = changed(lambda z: z + 2.5, z, targets)
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(shifted, potential)


def test_rotating_samples_and_targets_rotates_the_centroids() -> None:
    z, targets = sphere(20, 5, seed=9), sphere(4000, 5, seed=10)
    turn = torch.linalg.qr(gauss(5, 5, seed=11)).Q
    plain, turned = Cells().estimate(z, targets), Cells().estimate(z @ turn, targets @ turn)
    torch.testing.assert_close(turned.centroid, plain.centroid @ turn)


def test_the_same_result_again_and_in_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    z, targets = sphere(30, 6).float(), sphere(3000, 6).float()
    first, again = Cells().estimate(z, targets), Cells().estimate(z, targets)
    assert torch.equal(first.centroid, again.centroid)
    assert first.centroid.dtype == torch.float32
    monkeypatch.setattr("natlib.assignment.semi_discrete._PAIRS", 30 * 100)
    pieces = Cells().estimate(z, targets)
    torch.testing.assert_close(pieces.centroid, first.centroid)
    torch.testing.assert_close(pieces.mass, first.mass)


def test_more_samples_than_targets() -> None:
    z, targets = sphere(50, 4, seed=16), sphere(10, 4, seed=17)
    cells = Cells(temperature=0.0).estimate(z, targets)
    empty = cells.mass == 0
    assert int(empty.sum()) >= 40
    # The centroid of an empty cell is some target.
    assert float(torch.cdist(cells.centroid[empty], targets).amin(1).max()) < 1e-6
    alone = Cells().estimate(z[:1], targets)
    torch.testing.assert_close(alone.centroid[0], targets.mean(0))


def test_equal_samples_have_equal_cells() -> None:
    z, targets = torch.ones(6, 3), sphere(600, 3, seed=18).float()
    cells = Cells().estimate(z, targets)
    torch.testing.assert_close(cells.mass, torch.full((6,), 1 / 6))
    torch.testing.assert_close(cells.centroid, targets.mean(0).expand(6, 3), atol=1e-5, rtol=1e-4)


def test_the_potentials_are_the_mean_of_the_second_half_of_the_updates() -> None:
    # Few targets make few updates, of which every single one counts.
    z, targets = F.normalize(sphere(1, 4) + 0.2 * gauss(8, 4), dim=1), sphere(64, 4, seed=19)
    one = Cells().estimate(z, targets)
    assert one.iterations == 1
    assert float(one.potential.abs().max()) > 0
    # The scale of the average is that of the updates: with it, cells are nearly even at once.
    many = Cells(temperature=0.5).estimate(z, sphere(2**15, 4, seed=20))
    best = (sphere(2**15, 4, seed=21) @ z.mT + many.potential).argmax(1)
    assert rms(torch.bincount(best, minlength=8) * 8 / 2**15 - 1) < 0.25


def test_passes_no_gradient_and_widens_half_precision() -> None:
    z = sphere(8, 4).half().requires_grad_()
    cells = Cells().estimate(z, sphere(512, 4).half())
    assert cells.centroid.dtype == torch.float32
    assert not cells.centroid.requires_grad


def test_invalid_input_is_named() -> None:
    z, targets = torch.ones(3, 2), torch.ones(5, 2)
    with pytest.raises(MatchingError, match=r"shape \[b, d\] with b >= 1, got \[0, 2\]"):
        Cells().estimate(z[:0], targets)
    with pytest.raises(MatchingError, match="give at least one"):
        Cells().estimate(z, targets[:0])
    with pytest.raises(MatchingError, match=r"shape \[n, 2\], .* got \[5, 3\]"):
        Cells().estimate(z, torch.ones(5, 3))
    z[1, 0] = torch.nan
    with pytest.raises(MatchingError, match="sample 1 holds NaN"):
        Cells().estimate(z, targets)
