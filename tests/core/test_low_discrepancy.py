"""Sobol points: equal to torch's, and more even than random ones."""

import pytest
import torch
from torch.quasirandom import SobolEngine

from natlib.targets import Gaussian, LowDiscrepancy, UniformSphere
from natlib.targets.low_discrepancy import _shifts, _sobol
from natlib.targets.philox import derived_seed


@pytest.mark.parametrize("dim", [1, 2, 7, 200])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_points_are_those_of_torch(dim: int, seed: int) -> None:
    engine = SobolEngine(dim, scramble=True, seed=derived_seed(seed, 0))
    expected = engine.draw(3000, dtype=torch.float64)
    points = _sobol(seed, dim, torch.arange(3000))
    # The engine keeps its first point in float32.
    assert torch.equal(points[1:].double() * 2.0**-30, expected[1:])
    torch.testing.assert_close(points[0].double() * 2.0**-30, expected[0], atol=1e-7, rtol=0)
    # Far into the sequence, too.
    engine.reset().fast_forward(2**20)
    far = _sobol(seed, dim, 2**20 + torch.arange(50))
    assert torch.equal(far.double() * 2.0**-30, engine.draw(50, dtype=torch.float64))


def test_each_block_has_a_shift_of_its_own() -> None:
    shift = _shifts(3, 7, torch.tensor([0, 5, 2**31, 5]))
    assert (shift[0] == 0).all()
    assert torch.equal(shift[1], shift[3])
    assert ((shift >= 0) & (shift < 2**30)).all()
    assert len(shift.unique()) == 15  # 0, and 7 numbers for each other block
    targets = LowDiscrepancy(dim=4)
    slot = torch.arange(2**30 - 50, 2**30 + 50)
    rows = targets.rows(slot)
    assert len(rows.unique(dim=0)) == 100
    assert not torch.equal(targets.rows(slot[50:]), targets.rows(slot[50:] - 2**30))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_quantiles_of_the_midpoints(dtype: torch.dtype) -> None:
    slot = torch.arange(2**30 - 300, 2**30 + 300)
    block, units = _shifts(5, 4, slot >> 30), _sobol(5, 4, slot)
    middle = ((units ^ block).double() + 0.5) * 2.0**-30
    expected = torch.special.ndtri(middle) / 2  # the root of d
    rows = LowDiscrepancy(dim=4, seed=5, onto="gaussian").rows(slot, dtype)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(rows.double(), expected, rtol=tolerance, atol=tolerance)
    # The lowest and the highest points lie alike far out.
    assert float(rows.min()) < -1
    assert float(rows.max()) > 1


def error(rows: torch.Tensor) -> float:
    """Mean squared error of two means that are 0, and of one that is 1 / d."""
    means = torch.cat([rows.mean(0), rows.abs().mean(0) - rows.abs().mean(),
                       rows.square().mean(0) - 1 / rows.shape[1]])  # fmt: skip
    return float(means.square().mean())


@pytest.mark.parametrize("onto", ["sphere", "gaussian"])
@pytest.mark.parametrize(("dim", "gain"), [(2, 20), (8, 10), (32, 3)])
def test_means_have_smaller_errors_than_those_of_random_points(
    onto: str, dim: int, gain: float
) -> None:
    random = UniformSphere if onto == "sphere" else Gaussian
    slot = torch.arange(1024)
    even = chance = 0.0
    for seed in range(8):
        quiet = LowDiscrepancy(dim=dim, seed=seed, onto=onto)  # type: ignore[arg-type]
        even += error(quiet.rows(slot, torch.float64))
        chance += error(random(dim=dim, seed=seed).rows(slot, torch.float64))
    assert even * gain < chance


def test_any_consecutive_slots_are_even() -> None:
    # On the circle a layer, a process or a batch of a later step fills all arcs alike.
    targets = LowDiscrepancy(dim=1, onto="gaussian")
    for first in (0, 5 * 2**32, 3 * 2**48 + 8 * 256):
        rows = targets.rows(first + torch.arange(256), torch.float64)
        arcs = (torch.special.ndtr(rows[:, 0]) * 256).floor().long().bincount(minlength=256)
        assert (arcs == 1).all()
