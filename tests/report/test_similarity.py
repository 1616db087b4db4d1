"""Linear CKA against its definition and its invariances."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from natlib.data import Modality
from natlib.report.similarity import gram, hsic, linear_cka, similarities, stage_grams
from natlib.testing.modality_subject import ModalitySubject


def normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def falling(n: int, k: int) -> int:
    return math.prod(range(n - k + 1, n + 1))


def test_hsic_is_the_u_statistic_over_all_quadruples() -> None:
    k, m = gram(normal(0, 7, 3)), gram(normal(1, 7, 4))
    # Gretton et al. 2005: over different i, j, q, r.
    total = sum(
        float(k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]))
        for i, j, q, r in itertools.permutations(range(7), 4)
    )
    assert float(hsic(k, m)) == pytest.approx(total / falling(7, 4), rel=1e-10)


def test_the_mean_does_not_matter_to_the_estimate() -> None:
    x, y = normal(0, 9, 3), normal(1, 9, 4)
    raw = hsic(x @ x.T, y @ y.T)
    torch.testing.assert_close(hsic(gram(x), gram(y)), raw)


def test_one_up_to_rotation_scale_and_shift() -> None:
    x = normal(0, 40, 12)
    rotation = torch.linalg.qr(normal(1, 12, 12)).Q
    assert linear_cka(x, x) == pytest.approx(1)
    assert linear_cka(x, -3.5 * x @ rotation + 7) == pytest.approx(1)
    assert linear_cka(x, x @ normal(2, 12, 12)) < 0.95


def test_two_views_of_one_line() -> None:
    # Of one feature each, CKA is the squared correlation, up to what the sample decides.
    x = normal(0, 20_000, 1)
    noise = normal(1, 20_000, 1)
    y = 0.8 * x + 0.6 * noise
    keep = slice(0, 2_000)
    assert linear_cka(x[keep], y[keep]) == pytest.approx(0.8**2, abs=0.05)


def test_unrelated_features_are_not_similar_however_many_there_are() -> None:
    found = [linear_cka(normal(2 * n, 40, 500), normal(2 * n + 1, 40, 500)) for n in range(40)]
    assert abs(sum(found) / len(found)) < 0.03  # the usual estimate gives 0.93
    assert min(found) < 0 < max(found)


def test_it_is_symmetric() -> None:
    one = {"a": gram(normal(0, 30, 5)), "b": gram(normal(1, 30, 6))}
    other = {"c": gram(normal(2, 30, 7))}
    torch.testing.assert_close(similarities(one, other), similarities(other, one).T)


def test_a_constant_has_no_similarity() -> None:
    assert math.isnan(linear_cka(torch.ones(10, 3), normal(0, 10, 3)))


def test_large_activations_are_computed_in_parts() -> None:
    x = normal(0, 6, 2, 200, 200).float()
    rows = x.flatten(1).double()
    rows = rows - rows.mean(0)
    torch.testing.assert_close(gram(x), rows @ rows.T, rtol=1e-9, atol=1e-6)


def test_stages_are_those_of_the_encoder_in_evaluation_mode() -> None:
    subject = ModalitySubject(Modality.registry.get("vector")(max_samples=32), [])
    modality = subject.resolved
    torch.manual_seed(0)
    encoder = modality.default_encoder(False).build(modality.input_shape)
    encoder.train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = stage_grams(encoder, modality, subject.batch)
    assert encoder.training
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    encoder.eval()
    expected = {name: gram(s) for name, s in encoder.stages(modality.plain(subject.batch)).items()}
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
