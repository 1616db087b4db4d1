"""Principal components, spectra, clusters and layouts, against scikit-learn and by themselves."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from natlib.objectives import effective_rank
from natlib.report.projection import clusters, principal_components, umap
from natlib.report.spectrum import variance_shares


def features(samples: int, dimensions: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(3, 0.2, dimensions)
    return torch.randn(samples, dimensions, generator=generator) * scale + 5


@pytest.mark.parametrize(("samples", "dimensions"), [(60, 12), (12, 60), (20, 20)])
def test_components_are_those_of_scikit_learn(samples: int, dimensions: int) -> None:
    x = features(samples, dimensions)
    found = principal_components(x, 3).numpy()
    expected = PCA(3, svd_solver="full").fit_transform(x.double().numpy())
    for mine, theirs in zip(found.T, expected.T, strict=True):
        sign = np.sign(mine @ theirs)
        np.testing.assert_allclose(mine, sign * theirs, atol=1e-8)


def test_the_sign_does_not_depend_on_the_order_of_samples() -> None:
    x = features(30, 8)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(principal_components(x)[order], principal_components(x[order]))


@pytest.mark.parametrize("x", [torch.ones(6, 1), torch.ones(6, 4), torch.ones(3, 9)])
def test_without_variance_all_points_coincide(x: Tensor) -> None:
    found = principal_components(x)
    assert found.shape == (len(x), 2)
    assert not found.any()


@pytest.mark.parametrize(("samples", "dimensions"), [(60, 12), (12, 60)])
def test_shares_of_variance_are_those_of_scikit_learn(samples: int, dimensions: int) -> None:
    x = features(samples, dimensions)
    found = variance_shares(x)
    expected = PCA(svd_solver="full").fit(x.double().numpy()).explained_variance_ratio_
    np.testing.assert_allclose(found[: len(expected)].numpy(), expected, atol=1e-9)
    assert float(found.sum()) == pytest.approx(1)


def test_a_spectrum_that_is_known() -> None:
    # Four directions of equal variance, out of ten.
    basis = torch.linalg.qr(features(10, 10)).Q[:4]
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)
    known = corners @ basis
    shares = variance_shares(known)
    np.testing.assert_allclose(shares.numpy(), [0.25] * 4 + [0] * 6, atol=1e-6)
    assert float(effective_rank(known)) == pytest.approx(4, rel=1e-4)


def test_collapsed_features_have_no_variance() -> None:
    collapsed = torch.full((20, 5), 0.3)
    assert not variance_shares(collapsed).any()
    assert math.isfinite(effective_rank(collapsed))


@pytest.mark.parametrize(("samples", "dimensions"), [(60, 12), (12, 60), (200, 30)])
def test_the_effective_rank_is_the_entropy_of_the_roots_of_the_spectrum(
    samples: int, dimensions: int
) -> None:
    # A few strong directions, where the entropy of variances would be several times lower.
    x = features(samples, dimensions) * torch.logspace(1, -1, dimensions)
    shares = variance_shares(x)
    found = float(effective_rank(x))
    roots = shares.sqrt() / shares.sqrt().sum()
    assert found == pytest.approx(float(torch.special.entr(roots).sum().exp()), rel=1e-4)
    assert found > 1.2 * float(torch.special.entr(shares).sum().exp())


def blobs(each: int) -> tuple[Tensor, Tensor]:
    of = torch.arange(3).repeat_interleave(each)
    centres = 10 * torch.eye(3, 16)
    generator = torch.Generator().manual_seed(0)
    return centres[of] + torch.randn(3 * each, 16, generator=generator), of


def test_clusters_are_found() -> None:
    x, of = blobs(20)
    found = clusters(x, 3, seed=0)
    # One cluster for each blob, whatever it is called.
    assert len({(int(a), int(b)) for a, b in zip(of, found, strict=True)}) == 3
    assert len(clusters(x[:4], 10, seed=0)) == 4


def test_umap_keeps_neighbours_and_is_deterministic() -> None:
    pytest.importorskip("umap")
    x, of = blobs(20)
    said: list[tuple[int, int]] = []
    found = umap(x, 0, lambda done, total: said.append((done, total)))
    assert torch.equal(found, umap(x, 0))
    distance = torch.cdist(found, found) + 1e9 * torch.eye(len(x), dtype=torch.float64)
    assert (of[distance.argmin(1)] == of).all()
    assert [total for _, total in said] == [said[0][1]] * len(said)
    assert said == sorted(said)
    assert said[-1][0] == said[-1][1]


def test_umap_restores_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on in this process must not compute in another order."""
    package = pytest.importorskip("umap")
    fit, threads = package.UMAP.fit_transform, torch.get_num_threads()

    def fit_in_parallel(self: object, x: object) -> object:
        # As numba's parallel loops do, which UMAP has from 4096 samples on.
        torch.set_num_threads(threads + 1)
        return fit(self, x)

    monkeypatch.setattr(package.UMAP, "fit_transform", fit_in_parallel)
    umap(blobs(4)[0], 0)
    assert torch.get_num_threads() == threads
