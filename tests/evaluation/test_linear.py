import pytest
import torch
import torch.nn.functional as F

from natlib.errors import ConfigError, DataError
from natlib.evaluation import linear
from natlib.evaluation.linear import fit_linear_probe, fit_logistic_regression


def correlated(count, seed, features=20, classes=4, spread=0.7):
    """Features of very different scales that are strongly correlated."""
    fixed = torch.Generator().manual_seed(7)
    centres = torch.randn(classes, features, generator=fixed) * spread
    mixing = torch.randn(features, features, generator=fixed) * torch.logspace(1, -2, features)
    own = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=own)
    points = centres[labels] + torch.randn(count, features, generator=own)
    return points @ mixing + 5.0, labels


def loss_of(x, y, weight, bias, decay):
    x, weight, bias = x.double(), weight.double(), bias.double()
    return float(F.cross_entropy(x @ weight + bias, y) + decay / 2 * weight.square().sum())


def standardised(x):
    return (x - x.mean(0)) / x.std(0, correction=0)


@pytest.mark.parametrize("decay", [1e-4, 1e-2, 1.0])
def test_reaches_the_optimum_that_sklearn_finds(decay):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = correlated(500, seed=0)
    x = standardised(x)
    oracle = linear_model.LogisticRegression(C=1 / (len(x) * decay), tol=1e-8, max_iter=10_000)
    oracle.fit(x.double().numpy(), y.numpy())
    best = loss_of(x, y, torch.tensor(oracle.coef_.T), torch.tensor(oracle.intercept_), decay)
    weight, bias = fit_logistic_regression(x, y, 4, decay)
    assert loss_of(x, y, weight, bias, decay) == pytest.approx(best, abs=2e-6)
    agreement = ((x @ weight + bias).argmax(1).numpy() == oracle.predict(x.numpy())).mean()
    assert agreement > 0.995


def test_the_gradient_vanishes_at_the_solution():
    x, y = correlated(400, seed=1)
    x = standardised(x).double()
    weight, bias = fit_logistic_regression(x, y, 4, 1e-2)
    weight.requires_grad_()
    bias.requires_grad_()
    loss = F.cross_entropy(x @ weight + bias, y) + 0.005 * weight.square().sum()
    for gradient in torch.autograd.grad(loss, [weight, bias]):
        assert gradient.abs().max() < 1e-4


def test_a_warm_start_ends_where_a_cold_one_ends():
    x, y = correlated(400, seed=2)
    x = standardised(x)
    cold = fit_logistic_regression(x, y, 4, 1e-3)
    warm = fit_logistic_regression(x, y, 4, 1e-3, start=fit_logistic_regression(x, y, 4, 1.0))
    assert loss_of(x, y, *warm, 1e-3) == pytest.approx(loss_of(x, y, *cold, 1e-3), abs=2e-6)


def test_a_sample_of_weight_zero_is_not_there():
    x, y = correlated(200, seed=3)
    x = standardised(x)
    present = torch.ones(200)
    present[150:] = 0
    masked = fit_logistic_regression(x, y, 4, 1e-2, sample_weight=present)
    fewer = fit_logistic_regression(x[:150], y[:150], 4, 1e-2)
    assert torch.allclose(masked[0], fewer[0], atol=2e-3)
    assert torch.allclose(masked[1], fewer[1], atol=2e-3)


def test_scale_and_offset_of_features_do_not_matter():
    x, y = correlated(300, seed=4)
    test, _ = correlated(100, seed=5)
    plain = fit_linear_probe(x, y, weight_decays=(1e-2,)).predict(test)
    factor, offset = torch.logspace(-3, 3, 20), torch.linspace(-9, 9, 20)
    moved = fit_linear_probe(x * factor + offset, y, weight_decays=(1e-2,))
    assert (moved.predict(test * factor + offset) == plain).float().mean() > 0.97


def test_constant_features_change_nothing():
    x, y = correlated(300, seed=6)
    test, _ = correlated(100, seed=7)
    expected = fit_linear_probe(x, y, weight_decays=(1e-2,)).predict(test)
    constants = torch.tensor([0.0, 0.1, 123456.7])
    widened = torch.cat([x, constants.expand(300, 3)], 1)
    probe = fit_linear_probe(widened, y, weight_decays=(1e-2,))
    assert torch.equal(probe.weight[20:], torch.zeros(3, 4))
    # Even a test sample for which the constant is another cannot upset the probe.
    assert torch.equal(probe.predict(torch.cat([test, constants.expand(100, 3) + 1], 1)), expected)


def test_the_weight_decay_is_chosen_on_the_validation_split():
    # Few samples, many features, little signal: only a strong penalty generalises.
    x, y = correlated(120, seed=8, features=100, spread=0.25)
    decays = (1e-6, 1e-1, 3.0)
    probe = fit_linear_probe(x, y, weight_decays=decays, validation_fraction=0.3)
    assert set(probe.validation_accuracy) == set(decays)
    best = max(probe.validation_accuracy.values())
    assert probe.validation_accuracy[probe.weight_decay] == best
    assert probe.weight_decay == max(d for d, a in probe.validation_accuracy.items() if a == best)
    again = fit_linear_probe(x, y, weight_decays=(probe.weight_decay,))
    # Refitted on everything, not on what was left beside the validation split.
    assert torch.allclose(again.weight, probe.weight, atol=1e-3)


def test_smaller_weight_decays_are_not_tried_once_the_best_is_passed(monkeypatch):
    # Validation accuracies, from the largest weight decay to the smallest.
    script = [50.0, 61.0, 60.5, 59.9, 59.0, 70.0]
    assert [linear._past_the_best(script[:n]) for n in range(1, 7)] == [
        False, False, False, False, True, False,
    ]  # fmt: skip
    x, y = correlated(120, seed=8, features=100, spread=0.4)
    decays = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    full = fit_linear_probe(x, y, weight_decays=decays, validation_fraction=0.3)
    tried = list(full.validation_accuracy)
    assert tried == sorted(decays, reverse=True)[: len(tried)]
    assert len(tried) < len(decays)
    best = max(full.validation_accuracy.values())
    assert max(full.validation_accuracy[decay] for decay in tried[-2:]) < best - 1
    monkeypatch.setattr(linear, "_past_the_best", lambda accuracies: False)
    assert len(fit_linear_probe(x, y, weight_decays=decays).validation_accuracy) == len(decays)


def test_validation_accuracies_come_from_samples_outside_the_fit():
    # Labels are noise and the fit interpolates: seen samples would score 100.
    generator = torch.Generator().manual_seed(9)
    x, y = torch.randn(60, 100, generator=generator), torch.arange(60) % 2
    probe = fit_linear_probe(x, y, weight_decays=(1e-6, 1e-5), validation_fraction=0.5)
    assert (probe.predict(x) == y).all()
    assert max(probe.validation_accuracy.values()) < 90


def test_the_fit_is_deterministic():
    x, y = correlated(300, seed=10)
    first, second = (fit_linear_probe(x, y, weight_decays=(1e-3, 1e-1)) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_features_are_left_as_they_are():
    x, y = correlated(100, seed=11)
    before = x.clone()
    fit_linear_probe(x, y, weight_decays=(1e-2, 1e-1))
    assert torch.equal(x, before)


def test_labels_need_not_be_consecutive():
    x, y = correlated(200, seed=12)
    names = torch.tensor([3, 7, 8, 40])
    expected = fit_linear_probe(x, y, weight_decays=(1e-2,)).predict(x)
    predicted = fit_linear_probe(x, names[y], weight_decays=(1e-2,)).predict(x)
    assert torch.equal(predicted, names[expected])


def test_a_single_class_is_always_predicted():
    probe = fit_linear_probe(torch.randn(9, 3), torch.full((9,), 5), weight_decays=(1e-3, 1e-1))
    assert probe.predict(torch.randn(4, 3)).tolist() == [5] * 4


def test_without_anything_to_validate_on_the_strongest_penalty_is_taken():
    probe = fit_linear_probe(torch.randn(3, 4), torch.arange(3), weight_decays=(1e-3, 1e-1))
    assert probe.weight_decay == 1e-1
    assert probe.validation_accuracy == {}


def test_nothing_to_fit_or_to_choose_from_is_refused():
    with pytest.raises(DataError, match="at least one training sample"):
        fit_linear_probe(torch.empty(0, 2), torch.empty(0, dtype=torch.int64), weight_decays=(1.0,))
    with pytest.raises(ConfigError, match="weight_decays is empty"):
        fit_linear_probe(torch.randn(4, 2), torch.arange(4), weight_decays=())
