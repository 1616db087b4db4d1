"""Clusters and mixtures: means, shares, and the components of slots."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from pydantic import ValidationError

from natlib.configuration import describe
from natlib.targets import (
    Gaussian,
    Hypercube,
    LowDiscrepancy,
    MeanPrototypes,
    Mixture,
    ProjectedNormal,
    Prototypes,
    TargetDistribution,
    UniformSphere,
)


@pytest.mark.parametrize("spread", [0.1, 0.5, 2.0])
def test_mean_cosine_of_a_cluster_is_as_documented(spread: float) -> None:
    targets = ProjectedNormal(dim=256, spread=spread)
    middle = targets.direction(torch.float64, torch.device("cpu"))
    cosine = targets.rows(torch.arange(4000), torch.float64) @ middle
    assert float(cosine.mean()) == pytest.approx(1 / math.sqrt(1 + spread**2), abs=0.01)


def test_clusters_lie_around_their_means() -> None:
    slot = torch.arange(20_000)
    near = ProjectedNormal(dim=3, mean=(0.0, 3.0, 4.0), spread=0.1).rows(slot)
    torch.testing.assert_close(
        torch.nn.functional.normalize(near.mean(0), dim=0),
        torch.tensor([0.0, 0.6, 0.8]), atol=5e-3, rtol=0,
    )  # fmt: skip
    around = Gaussian(dim=2, mean=(5.0, -1.0), scale=2.0).rows(slot)
    torch.testing.assert_close(around.mean(0), torch.tensor([5.0, -1.0]), atol=0.05, rtol=0)
    assert float((around - around.mean(0)).square().sum(-1).mean()) == pytest.approx(4, rel=0.05)
    drawn = Gaussian(dim=8, mean="drawn", scale=0.1)
    assert float(drawn.rows(slot).mean(0).norm()) == pytest.approx(1, abs=0.01)
    other = drawn.model_copy(update={"seed": 1})
    assert float((drawn.rows(slot).mean(0) - other.rows(slot).mean(0)).norm()) > 0.3


@given(
    weights=st.lists(st.floats(0.05, 10), min_size=1, max_size=5),
    repeat=st.integers(1, 4),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**62 - 3000),
    n=st.integers(1, 3000),
)
def test_shares_hold_for_any_consecutive_slots(
    weights: list[float], repeat: int, seed: int, first: int, n: int
) -> None:
    mixture = Mixture(
        components=(UniformSphere(),) * len(weights), weights=tuple(weights), repeat=repeat,
        dim=2, seed=seed,
    )  # fmt: skip
    counts = mixture.component_of(first + torch.arange(n)).bincount(minlength=mixture.count)
    share = torch.tensor(weights, dtype=torch.float64).repeat_interleave(repeat)
    share = share / share.sum()
    assert len(counts) == mixture.count
    # Of n independent draws, counts would be off by sqrt(n) / 2, and at times by 4 times that.
    assert float((counts - n * share).abs().max()) < 5


def test_rows_are_those_of_the_component() -> None:
    mixture = Mixture(components=(UniformSphere(), Hypercube()), weights=(1, 3), repeat=2, dim=4)
    slot = torch.arange(400).view(20, 20)
    owner, rows = mixture.component_of(slot), mixture.rows(slot)
    assert [type(mixture.part(number)) for number in range(4)] == [UniformSphere] * 2 + [
        Hypercube
    ] * 2
    assert len({mixture.part(number).seed for number in range(4)}) == 4
    for number in range(mixture.count):
        chosen = owner == number
        part = mixture.part(number)
        assert part.dim == 4
        assert torch.equal(rows[chosen], part.rows(slot[chosen]))
    assert torch.equal(mixture.component_of(slot[3, 7]), owner[3, 7])


def test_seeds_shift_the_order_of_components() -> None:
    slot = torch.arange(1000)
    owners = [Mixture(seed=seed).component_of(slot) for seed in range(4)]
    for other in owners[1:]:
        assert float((owners[0] == other).double().mean()) < 0.9


def test_ten_clusters_in_one_line() -> None:
    mixture = TargetDistribution.resolve(
        {"kind": "mixture", "components": [{"kind": "projected_normal", "spread": 0.1}], "dim": 64}
    )
    rows = mixture.rows(torch.arange(500))
    owner = mixture.component_of(torch.arange(500))  # type: ignore[attr-defined]
    assert owner.unique().tolist() == list(range(10))
    same = owner[:, None] == owner
    cosine = rows @ rows.T
    assert float(cosine[same].min()) > 0.9 > 0.8 > float(cosine[~same].max())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"components": ["gaussian", "uniform_sphere"]},
         r"lie on the sphere \(uniform_sphere\) and off it \(gaussian\)"),
        ({"components": [LowDiscrepancy(onto="gaussian"), "hypercube"]}, "mix components"),
        ({"components": ["hypercube"], "weights": [1, 2]}, "2 weights for 1 components"),
        ({"components": ["hypercube"], "weights": [0]}, "weights need to be positive"),
        ({"components": ["hypercube"], "weights": [math.inf]}, "finite number"),
        ({"components": []}, "at least 1 item"),
        ({"components": [MeanPrototypes()]}, "a part is not trained"),
        ({"components": [Gaussian(mean=(1,) * 128)], "dim": 3}, "mean has 128 numbers"),
        ({"components": [{"kind": "gaussian", "dim": 2}], "dim": 3},
         "dim of 'gaussian' is 2, and inside mixture it has the dim of the whole, 3; leave it"),
        ({"dim": 0}, "dim: input should be greater"),
    ],
)  # fmt: skip
def test_invalid_values_are_refused(values: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Mixture.model_validate(values)
    message = describe(caught.value)
    assert "\n" not in message
    with pytest.raises(ValueError, match=text):
        raise ValueError(message)


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        (ProjectedNormal, {"mean": (1.0, 2.0)}, "mean has 2 numbers and the targets have 128"),
        (ProjectedNormal, {"mean": (0.0, 0.0), "dim": 2}, "needs a direction"),
        (ProjectedNormal, {"mean": (math.nan, 0.0), "dim": 2}, "finite number"),
        (ProjectedNormal, {"spread": 0}, "greater than 0"),
        (Gaussian, {"mean": (math.inf,), "dim": 1}, "finite"),
        (LowDiscrepancy, {"dim": 21_202}, "at most 21201 dimensions"),
        (MeanPrototypes, {"start": "gaussian"}, "prototypes that learn lie on the sphere"),
        (Prototypes, {"start": MeanPrototypes()}, "a part is not trained"),
        (Prototypes, {"count": 0}, "greater than or equal to 1"),
    ],
)
def test_other_refusals(
    kind: type[TargetDistribution], values: dict[str, object], text: str
) -> None:
    with pytest.raises(ValidationError, match=text):
        kind.model_validate(values)


@pytest.mark.parametrize("kind", ["mixture", "prototypes", "mean_prototypes"])
def test_parts_follow_the_whole(kind: str) -> None:
    """What the whole decides is no setting of its parts, written or changed."""
    inner = {"components": ["uniform_sphere"]} if kind == "mixture" else {"start": "uniform_sphere"}
    whole = TargetDistribution.resolve({"kind": kind, "dim": 8, "seed": 3, **inner})
    (part,) = _parts(whole)
    assert part.dim == 8
    assert part.seed == (0 if kind == "mixture" else 3)
    written = whole.model_dump(mode="json")
    (plain,) = written["components"] if kind == "mixture" else (written["start"],)
    assert set(plain) == ({"kind", "seed"} if kind == "mixture" else {"kind"})
    assert TargetDistribution.resolve(written) == whole
    (part,) = _parts(whole.changed(dim=5))
    assert part.dim == 5


def test_the_seed_of_the_start_of_prototypes_is_theirs() -> None:
    start = UniformSphere(seed=2)
    assert Prototypes(seed=2, start=start).start.seed == 2
    with pytest.raises(ValidationError, match=r"seed of 'uniform_sphere' is 2, .* leave it out"):
        Prototypes(start=start)


def _parts(whole: TargetDistribution) -> tuple[TargetDistribution, ...]:
    if isinstance(whole, Mixture):
        return whole.components
    return (whole.start,)  # type: ignore[attr-defined, no-any-return]
