"""Every registered target distribution: a pure function of the slot, correctly distributed."""

import hashlib
import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from scipy import stats

from natlib.targets import (
    Gaussian,
    Hypercube,
    LowDiscrepancy,
    Mixture,
    ProjectedNormal,
    Prototypes,
    TargetDistribution,
    UniformSphere,
)
from tests.core.families import changed, members
from tests.processes import run_python

# What has more than one way to be gets one line for each.
EVERY = [
    *members(TargetDistribution),
    Gaussian(mean="drawn", scale=0.2),
    LowDiscrepancy(onto="gaussian"),
    Mixture(
        components=(Hypercube(), ProjectedNormal(), Prototypes(count=7), LowDiscrepancy()),
        weights=(1, 2.5, 0.25, 1),
        repeat=2,
    ),
    Prototypes(count=2),
    Prototypes(count=100_003, start=Gaussian()),
]
# Of these all coordinates, slots and seeds are independent.
INDEPENDENT = [UniformSphere(), Gaussian(), Hypercube()]
by_kind = pytest.mark.parametrize("targets", EVERY, ids=lambda t: t.kind)
by_dim = pytest.mark.parametrize("dim", [1, 2, 3, 5, 31, 130])
LARGEST = 2**62


@by_kind
@by_dim
@pytest.mark.parametrize(("dtype", "seed"), [(torch.float32, 2**64 - 1), (torch.float64, 0)])
def test_rows_do_not_depend_on_what_else_is_requested(
    targets: TargetDistribution, dim: int, dtype: torch.dtype, seed: int
) -> None:
    targets = changed(targets, dim=dim, seed=seed)
    slot = torch.randint(0, LARGEST, (61,), generator=torch.Generator().manual_seed(1))
    slot[:2] = torch.tensor([0, LARGEST])
    rows = targets.rows(slot, dtype)
    assert rows.shape == (61, dim)
    assert rows.dtype == dtype
    assert rows.isfinite().all()
    order = torch.randperm(61, generator=torch.Generator().manual_seed(2))
    assert torch.equal(targets.rows(slot[order], dtype), rows[order])
    for row in (0, 1, 60):
        assert torch.equal(targets.rows(slot[row : row + 1], dtype), rows[row : row + 1])
    for size in (7, 60):
        parts = [targets.rows(part, dtype) for part in slot.split(size)]
        assert torch.equal(torch.cat(parts), rows)
    assert torch.equal(targets.rows(slot[5], dtype), rows[5])
    assert torch.equal(targets.rows(slot[::3], dtype), rows[::3])
    assert torch.equal(targets.rows(slot[4:5].expand(3, 2), dtype), rows[4].expand(3, 2, dim))
    assert torch.equal(targets.rows(slot[:60].view(3, 4, 5), dtype), rows[:60].view(3, 4, 5, dim))


@by_kind
@pytest.mark.parametrize("dim", [3, 64])
def test_rows_do_not_depend_on_chunks(
    targets: TargetDistribution, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = changed(targets, dim=dim)
    slot = torch.arange(90)
    whole = targets.rows(slot)
    for chunk in (1, 16, 17 * 16, 89 * 16):
        monkeypatch.setattr("natlib.targets.philox._CPU_CHUNK", chunk)
        assert torch.equal(targets.rows(slot), whole)
    monkeypatch.undo()
    # More than one chunk of the real size.
    many = torch.arange(2**16 // (-(-dim // 4)))
    rows = targets.rows(many)
    assert torch.equal(rows[:90], whole)
    assert torch.equal(targets.rows(many[-5:]), rows[-5:])


@by_kind
def test_rows_do_not_depend_on_the_number_of_threads(targets: TargetDistribution) -> None:
    targets = changed(targets, dim=48)
    slot = torch.arange(7000)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(targets.rows(slot))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_rows_are_the_same_in_another_process() -> None:
    program = (
        "import torch, hashlib, json, sys; from natlib.targets import TargetDistribution as T;"
        "s = torch.tensor([2**62, 5, 0, 2**33]);"
        "[print(hashlib.sha256(T.resolve(json.loads(text)).rows(s).numpy().tobytes())"
        ".hexdigest()) for text in sys.argv[1:]]"
    )
    every = [changed(targets, dim=33, seed=2**63) for targets in EVERY]
    # Forked from one that began by itself, with hashes of its own.
    run = run_python("-c", program, *(targets.model_dump_json() for targets in every))
    assert run.code == 0, run.err
    slot = torch.tensor([2**62, 5, 0, 2**33])
    for line, targets in zip(run.out.splitlines(), every, strict=True):
        rows = targets.rows(slot)
        assert line == hashlib.sha256(rows.numpy().tobytes()).hexdigest(), targets


@given(
    shape=st.lists(st.integers(0, 4), max_size=3),
    dim=st.integers(1, 9),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, LARGEST - 100),
)
def test_slots_of_any_shape(shape: list[int], dim: int, seed: int, first: int) -> None:
    slot = (first + torch.arange(math.prod(shape))).view(shape)
    for targets in EVERY:
        targets = changed(targets, dim=dim, seed=seed)
        rows = targets.rows(slot)
        assert rows.shape == (*shape, dim)
        flat = rows.reshape(-1, dim)
        numbers = slot.flatten().tolist()
        for position in {0, len(numbers) // 2, len(numbers) - 1} & set(range(len(numbers))):
            assert torch.equal(flat[position], targets.rows(torch.tensor(numbers[position])))


@by_kind
@pytest.mark.parametrize("dim", [1, 3, 32, 257])
def test_float32_agrees_with_float64(targets: TargetDistribution, dim: int) -> None:
    targets = changed(targets, dim=dim)
    slot = torch.arange(4000)
    wide = targets.rows(slot, torch.float64)
    gap = (targets.rows(slot) - wide).abs()
    size = wide.square().mean().sqrt()
    assert gap.mean() < 2e-7 * size
    # Where the uniform number behind a radius is nearly 1, the radius is nearly 0 and has an
    # absolute error of up to sqrt(2 * 2^-24).
    assert gap.max() < 3.5e-4 * size


@pytest.mark.parametrize("targets", INDEPENDENT, ids=lambda t: t.kind)
def test_fewer_dimensions_are_a_prefix_of_more(targets: TargetDistribution) -> None:
    slot = torch.arange(50)
    longest = changed(targets, dim=24).rows(slot, torch.float64)
    for dim in (1, 2, 3, 5, 8, 23):
        rows = changed(targets, dim=dim).rows(slot, torch.float64)
        # The direction is a prefix; sphere and Gaussian scale it with the dimension.
        cosine = torch.cosine_similarity(rows, longest[:, :dim], dim=-1)
        torch.testing.assert_close(cosine, torch.ones_like(cosine))


@by_kind
def test_nothing_is_stored_or_drawn_from_global_state(targets: TargetDistribution) -> None:
    targets = changed(targets, dim=6)
    before = targets.rows(torch.arange(9))
    state = torch.get_rng_state()
    torch.manual_seed(123)
    slot = torch.arange(9)
    after = targets.rows(slot)
    assert torch.equal(before, after)
    assert torch.equal(slot, torch.arange(9))
    assert torch.equal(torch.get_rng_state(), torch.manual_seed(123).get_state())
    torch.set_rng_state(state)
    after.zero_()
    assert torch.equal(targets.rows(slot), before)
    assert vars(targets).keys() == type(targets).model_fields.keys()


@by_kind
def test_rows_are_on_the_device_of_the_slots(targets: TargetDistribution) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = targets.rows(torch.arange(1000, device=device))
    assert rows.device.type == device.type
    torch.testing.assert_close(rows.cpu(), targets.rows(torch.arange(1000)), atol=1e-4, rtol=1e-4)


@by_kind
def test_projection_leaves_rows_unchanged(targets: TargetDistribution) -> None:
    rows = changed(targets, dim=9).rows(torch.arange(300), torch.float64)
    torch.testing.assert_close(targets.project(rows), rows)


@by_kind
@pytest.mark.parametrize("dim", [2, 3, 8, 64])
def test_mean_square_norm_is_one(targets: TargetDistribution, dim: int) -> None:
    if isinstance(targets, Gaussian) and targets.mean != "zero":
        pytest.skip("its mean adds to the norm")
    squares = changed(targets, dim=dim).rows(torch.arange(40_000), torch.float64).square().sum(-1)
    # The variance of a Gaussian's squared norm is 2 / d; the sphere has none.
    assert abs(float(squares.mean()) - 1) < 5 * math.sqrt(2 / dim / 40_000)


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 100, 2048])
def test_sphere_has_unit_norm(dim: int) -> None:
    norms = torch.linalg.vector_norm(UniformSphere(dim=dim).rows(torch.arange(3000)), dim=-1)
    torch.testing.assert_close(norms, torch.ones(3000), atol=1e-6, rtol=0)


def law_of_a_coordinate(targets: TargetDistribution) -> object:
    """Of d coordinates of a target: what Kolmogorov and Smirnov shall compare with."""
    if targets.on_sphere:
        # (x + 1) / 2 is Beta((d - 1) / 2, (d - 1) / 2) on the unit sphere.
        half = (targets.dim - 1) / 2
        return stats.beta(half, half, loc=-1, scale=2)
    return stats.norm(scale=getattr(targets, "scale", 1.0) / targets.dim**0.5)


@pytest.mark.parametrize(
    "targets",
    [
        *(UniformSphere(dim=dim, seed=seed) for dim in (2, 3, 4, 7, 32) for seed in (0, 2**64 - 1)),
        *(Gaussian(dim=dim, seed=seed) for dim in (1, 4, 7) for seed in (0, 2**64 - 1)),
        Gaussian(dim=3, scale=5.0),
        *(LowDiscrepancy(dim=dim, onto="gaussian") for dim in (1, 5, 32)),
        *(LowDiscrepancy(dim=dim, seed=2**64 - 1) for dim in (2, 5, 32)),
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [0, 2**32 - 5000, LARGEST - 10_000])
def test_every_coordinate_has_its_distribution(targets: TargetDistribution, first: int) -> None:
    rows = targets.rows(first + torch.arange(10_000), torch.float64)
    law = law_of_a_coordinate(targets)
    least = min(float(stats.kstest(column, law.cdf).pvalue) for column in rows.T.numpy())  # type: ignore[attr-defined]
    # 369 columns are tested over all cases: a chance of 4e-4 that any one of them is below.
    assert least > 1e-6


def worst_correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest |correlation| between a column of a and a column of b."""
    a = (a - a.mean(0)) / a.std(0, correction=0)
    b = (b - b.mean(0)) / b.std(0, correction=0)
    return float((a.T @ b / len(a)).abs().max())


@pytest.mark.parametrize(
    ("targets", "power"),
    [(t, 1) for t in INDEPENDENT]
    # The squares of a hypercube are all the same.
    + [(t, 2) for t in INDEPENDENT if not isinstance(t, Hypercube)],
    ids=str,
)
def test_coordinates_slots_and_seeds_are_uncorrelated(
    targets: TargetDistribution, power: int
) -> None:
    count, dim = 40_000, 12
    # Normal variables of deviation 1/sqrt(count): 6 deviations are exceeded once in 5e8.
    bound = 6 / math.sqrt(count)

    def draw(seed: int, first: int) -> torch.Tensor:
        slots = first + torch.arange(count)
        return changed(targets, dim=dim, seed=seed).rows(slots, torch.float64) ** power

    rows = draw(0, 0)
    unit = (rows - rows.mean(0)) / rows.std(0, correction=0)
    between = (unit.T @ unit / count).fill_diagonal_(0)
    # Squares of coordinates on a sphere add up to 1: they share -1/(d - 1).
    shared = -1 / (dim - 1) if isinstance(targets, UniformSphere) else 0.0
    if power == 2 and shared:
        between = (between - shared).fill_diagonal_(0)
    assert float(between.abs().max()) < bound
    assert worst_correlation(rows[:-1], rows[1:]) < bound
    for seed in (1, 2**32, 2**63):
        assert worst_correlation(rows, draw(seed, 0)) < bound
    for first in (2**32, 2**39):
        assert worst_correlation(rows, draw(0, first)) < bound


def test_sphere_favours_no_direction() -> None:
    rows = UniformSphere(dim=5).rows(torch.arange(60_000), torch.float64)
    # Second moments are exactly the identity over d, fourth ones 3 / (d (d + 2)).
    moments = rows.T @ rows / len(rows)
    torch.testing.assert_close(moments, torch.eye(5, dtype=torch.float64) / 5, atol=5e-3, rtol=0)
    rotation = torch.linalg.qr(
        torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )[0]
    for basis in (torch.eye(5, dtype=torch.float64), rotation):
        fourth = (rows @ basis).pow(4).mean(0)
        torch.testing.assert_close(
            fourth, torch.full((5,), 3 / 35, dtype=torch.float64), atol=2e-3, rtol=0
        )
