"""The other losses against plain arithmetic, closed forms and reference implementations."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.errors import ConfigError, NonFiniteError
from natlib.objectives import (
    Masked,
    NTXent,
    ObjectiveModule,
    Projections,
    Rotation,
    SIGReg,
    Supervised,
    VICReg,
)
from natlib.objectives.masked import corrupt, standardise
from natlib.objectives.nt_xent import nt_xent_loss
from natlib.objectives.sigreg import SlicedGaussianity, epps_pulley
from natlib.objectives.vicreg import vicreg_loss
from tests.core.nat_parts import IdentityHead

WEIGHTS = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# --- VICReg


def test_vicreg_by_hand() -> None:
    z = drawn(2, 7, 3)
    a, b = z.tolist()
    apart = sum((x - y) ** 2 for r, s in zip(a, b, strict=True) for x, y in zip(r, s, strict=True))
    lack = correlated = 0.0
    for view in (a, b):
        means = [sum(row[i] for row in view) / 7 for i in range(3)]
        for i in range(3):
            for j in range(3):
                both = sum((row[i] - means[i]) * (row[j] - means[j]) for row in view) / 6
                if i == j:
                    lack += max(0.0, 1 - math.sqrt(both + 1e-4)) / 3 / 2
                else:
                    correlated += both**2 / 3
    loss, parts = vicreg_loss(z, **WEIGHTS)
    expected = {"invariance": apart / 21, "variance": lack, "covariance": correlated}
    for name, value in expected.items():
        assert parts[name].item() == pytest.approx(value, rel=1e-12)
    total = sum(WEIGHTS[name] * value for name, value in expected.items())
    assert loss.item() == pytest.approx(total, rel=1e-12)


def test_vicreg_equals_a_reference_implementation() -> None:
    peer = pytest.importorskip("lightly.loss").VICRegLoss()
    z = 0.7 * drawn(2, 16, 5)
    torch.testing.assert_close(vicreg_loss(z, **WEIGHTS)[0], peer(z[0], z[1]))


def test_vicreg_of_more_views_is_a_mean_over_pairs() -> None:
    z = drawn(3, 8, 4)
    pairs = [vicreg_loss(z[list(pair)], **WEIGHTS)[1] for pair in ((0, 1), (0, 2), (1, 2))]
    for name, value in vicreg_loss(z, **WEIGHTS)[1].items():
        torch.testing.assert_close(value, torch.stack([pair[name] for pair in pairs]).mean())


# --- NT-Xent


@pytest.mark.parametrize("views", [2, 3])
def test_nt_xent_by_hand(views: int) -> None:
    z = drawn(views, 5, 4)
    rows = [(v, i, F.normalize(z[v, i], dim=0)) for v in range(views) for i in range(5)]
    total, count = 0.0, 0
    for v, i, row in rows:
        others = [(w, j, math.exp(float(row @ x) / 0.3)) for w, j, x in rows if (w, j) != (v, i)]
        whole = sum(weight for _, _, weight in others)
        for _, j, weight in others:
            if j == i:
                total -= math.log(weight / whole)
                count += 1
    assert nt_xent_loss(z, temperature=0.3)[0].item() == pytest.approx(total / count, rel=1e-12)


def test_nt_xent_equals_a_reference_implementation() -> None:
    peer = pytest.importorskip("lightly.loss").NTXentLoss(temperature=0.2)
    z = drawn(2, 16, 5)
    torch.testing.assert_close(nt_xent_loss(z, temperature=0.2)[0], peer(z[0], z[1]))


# --- sliced Gaussianity


def test_epps_pulley_in_closed_form() -> None:
    x = drawn(9, 2)
    n = len(x)
    expected = []
    for line in x.T.tolist():
        pairs = sum(math.exp(-((p - q) ** 2) / 2) for p in line for q in line)
        singles = sum(math.exp(-(p**2) / 4) for p in line)
        value = math.sqrt(2 * math.pi) * pairs / n**2 - 2 * math.sqrt(math.pi) * singles / n
        expected.append(n * (value + math.sqrt(2 * math.pi / 3)))
    # Far enough and fine enough, the sum is the integral.
    found = epps_pulley(x, knots=400, reach=12.0)
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0
    )
    # And what is used is near it.
    torch.testing.assert_close(epps_pulley(x), found, rtol=0.05, atol=0.01)


@pytest.mark.parametrize(("knots", "reach"), [(2, 1.0), (5, 2.0), (17, 3.0)])
def test_epps_pulley_is_a_trapezoidal_sum(knots: int, reach: float) -> None:
    x = drawn(9, 2)
    t = np.linspace(-reach, reach, 2 * knots - 1)
    normal = np.exp(-(t**2) / 2)
    for line, found in zip(x.T.numpy(), epps_pulley(x, knots, reach), strict=True):
        characteristic = np.exp(1j * np.outer(t, line)).mean(1)
        integrand = np.abs(characteristic - normal) ** 2 * normal
        assert float(found) == pytest.approx(9 * np.trapezoid(integrand, t), rel=1e-12)


def test_epps_pulley_is_about_1_for_a_normal_distribution() -> None:
    x = drawn(20_000, 4)
    assert float(epps_pulley(x).max()) < 5
    for other in (x + 0.2, 1.2 * x, x.sign()):
        assert float(epps_pulley(other).min()) > 20


def test_sigreg_equals_a_reference_implementation() -> None:
    peer = pytest.importorskip("lightly.loss.lejepa_loss")
    z = 1.5 * drawn(2, 50, 6).float()
    module = SlicedGaussianity(SIGReg(dim=6, slices=4096, gaussianity=0.05))
    torch.manual_seed(0)
    theirs = peer.LeJEPALoss(sigreg_num_vectors=4096)(local_proj=z[1:], global_proj=z)
    # Theirs takes the second view twice: as a global and as a local one.
    both = torch.cat([z, z[1:]])
    own = 0.05 * module(both)[1]["gaussianity"] + 0.95 * (z.mean(0) - both).square().mean()
    torch.testing.assert_close(own, theirs, rtol=0.02, atol=0)
    loss, parts = module(z)
    torch.testing.assert_close(loss, 0.95 * parts["invariance"] + 0.05 * parts["gaussianity"])


def test_each_step_has_other_directions_and_a_resumed_step_the_same() -> None:
    z = drawn(2, 10, 6)
    module = SlicedGaussianity(SIGReg(dim=6, slices=8))
    first, second = float(module(z)[0]), float(module(z)[0])
    assert first != second
    again = SlicedGaussianity(SIGReg(dim=6, slices=8))
    again.load_state_dict({"step": torch.tensor(1)})
    assert float(again(z)[0]) == second
    again.eval()
    assert float(again(z)[0]) == float(again(z)[0])


# --- cross-entropy of the labelled


def built(objective: Any, dim: int = 4) -> ObjectiveModule:
    module: ObjectiveModule = objective.build(dim, samples=40).double()
    return module


def test_supervised_takes_labelled_samples_only() -> None:
    module = built(Supervised(classes=4, head=IdentityHead(), views=2))
    views = list(drawn(2, 6, 4))
    labels = torch.tensor([2, -1, 0, -1, 3, 0])
    output = module([*views], labels=labels, health=True)
    known = labels >= 0
    expected = sum(F.cross_entropy(view[known], labels[known]) for view in views) / 2
    torch.testing.assert_close(output.loss, expected)
    right = sum((view[known].argmax(1) == labels[known]).sum() for view in views)
    assert float(output.health["labelled_accuracy"]) == pytest.approx(100 * int(right) / 8)
    # Others have no influence.
    changed = [torch.where(known[:, None], view, 9.0) for view in views]
    torch.testing.assert_close(module(changed, labels=labels).loss, output.loss)


def test_a_batch_without_labels_has_a_zero_gradient() -> None:
    module = built(Supervised(classes=3))
    features = drawn(5, 4).requires_grad_()
    output = module([features], labels=torch.full((5,), -1), health=True)
    output.loss.backward()
    assert float(output.loss.detach()) == 0
    assert all(weight.grad is not None and not weight.grad.any() for weight in module.parameters())


def test_supervised_needs_labels_of_its_classes() -> None:
    module = built(Supervised(classes=2, head=IdentityHead()), dim=2)
    with pytest.raises(ConfigError, match="'supervised' learns from labels: call with labels="):
        module([drawn(3, 2)])
    with pytest.raises(ConfigError, match=r"a sample has the label 2, .* has 2 classes"):
        module([drawn(3, 2)], labels=torch.tensor([0, 2, 1]))
    with pytest.raises(ConfigError, match="does not know the number of classes"):
        Supervised().build(4)
    with pytest.raises(ConfigError, match="has classes 2, and the labels have 3"):
        Supervised(classes=2).for_classes([1, 1, 1])


# --- rotation


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_every_sample_is_rotated_and_rotations_have_equal_weight(copies: int) -> None:
    module = built(Rotation(copies=copies, head=IdentityHead()))
    images = drawn(6, 3, 5, 5)
    extra = module.extra_inputs([images])
    assert len(extra) == copies
    turns = [[0] * 6]
    for copy in extra:
        row = []
        for sample, turned in zip(images, copy, strict=True):
            equal = [torch.equal(turned, sample.rot90(k, (1, 2))) for k in range(4)]
            row.append(equal.index(True))
        assert {1, 2, 3} == set(row)  # no pass of the encoder sees a single one
        turns.append(row)
    for sample in zip(*turns, strict=True):
        assert len(set(sample)) == copies + 1
    scores = drawn(copies + 1, 6, 4)
    output = module(list(scores), health=True)
    losses: list[list[Tensor]] = [[] for _ in range(4)]
    for row, of_pass in zip(turns, scores, strict=True):
        for turn, score in zip(row, of_pass, strict=True):
            losses[turn].append(F.cross_entropy(score, torch.tensor(turn)))
    expected = torch.stack([torch.stack(of_turn).mean() for of_turn in losses]).mean()
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize("shape", [(4, 7), (4, 3, 5, 6)])
def test_rotation_of_anything_but_square_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"needs square images \[b, c, h, h\], and these inputs"):
        built(Rotation()).extra_inputs([drawn(*shape)])


# --- masked


@pytest.mark.parametrize("shape", [(40, 30), (40, 2, 16), (40, 3, 12, 20), (40, 7)])
def test_corrupted_parts_come_from_other_samples(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    # Values say which sample and place they are from.
    inputs = torch.arange(math.prod(shape)).view(shape)
    inputs = inputs if shape[1] == 7 else inputs.double()
    found = corrupt(inputs, share=0.3, blocks=4)
    changed = found != inputs
    assert abs(float(changed.double().mean()) - 0.3) < 0.08
    size = math.prod(shape[1:])
    # In the same place, and of another sample.
    assert torch.equal(found % size, inputs % size)
    if len(shape) > 2:
        assert torch.equal(changed, changed[:, :1].expand_as(changed))  # all channels alike
        blocks = F.max_pool1d(changed[:, 0].double().flatten(0, -2), shape[-1] // 4)
        means = F.avg_pool1d(changed[:, 0].double().flatten(0, -2), shape[-1] // 4)
        assert torch.equal(blocks, means)


def test_standardise() -> None:
    target = drawn(50, 3) * torch.tensor([1.0, 1e-3, 0.0]) + torch.tensor([5.0, 0.0, 3.0])
    found = standardise(target)
    torch.testing.assert_close(
        found.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0
    )
    torch.testing.assert_close(found[:, :2].std(0, correction=0), torch.ones(2).double())
    assert not found[:, 2].any()


@pytest.mark.parametrize("tokens", [False, True])
def test_masked_predicts_fixed_projections_of_the_clean_input(tokens: bool) -> None:
    config = Masked(projections=Projections(dim=6, seed=3), head=IdentityHead())
    inputs = torch.randint(50, (12, 9)) if tokens else drawn(12, 2, 4, 4)
    clean = []
    for _ in range(2):
        module = built(config, dim=6)
        torch.manual_seed(0)
        module.extra_inputs([inputs])
        perfect = standardise(module._target.double())  # type: ignore[operator, union-attr]
        output = module([torch.zeros(12, 6).double(), perfect], health=True)
        assert float(output.loss) < 1e-10
        assert float(output.health["explained"]) == pytest.approx(100)
        clean.append(perfect)
    assert torch.equal(clean[0], clean[1])
    # Equal inputs have equal targets, others others.
    assert clean[0].unique(dim=0).shape[0] == 12
    zero = module.extra_inputs([inputs]) and module([torch.zeros(12, 6).double()] * 2, health=True)
    assert float(zero.health["explained"]) == pytest.approx(0, abs=1e-4)


def test_masked_features_are_a_target_without_gradient() -> None:
    module = built(Masked(projections=None, head=IdentityHead()))
    clean, seen = (view.requires_grad_() for view in drawn(2, 8, 4))
    module.extra_inputs([drawn(8, 5)])
    output = module([clean, seen])
    output.loss.backward()
    assert clean.grad is None
    torch.testing.assert_close(output.loss, (seen - standardise(clean.detach())).square().mean())


def test_masked_needs_extra_inputs_to_be_called() -> None:
    module = built(Masked())
    with pytest.raises(ConfigError, match=r"call extra_inputs\(views\) in every step"):
        module([drawn(8, 4)] * 2)


# --- all of them


@pytest.mark.parametrize(
    ("objective", "given", "text"),
    [
        (VICReg(), 1, "'vicreg' needs the features of 2 views, got 1 tensors"),
        (NTXent(), 3, "'nt_xent' needs the features of 2 views, got 3 tensors"),
        (SIGReg(), 0, "'sigreg' needs the features of 2 views, got 0 tensors"),
        (Rotation(), 1, "1 views and 3 extra inputs, got 1 tensors; encode what extra_inputs"),
        (Masked(), 1, "1 views and 1 extra inputs, got 1 tensors; encode what extra_inputs"),
    ],
)
def test_too_few_features(objective: Any, given: int, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        built(objective)([drawn(4, 4)] * given)


@pytest.mark.parametrize("objective", [VICReg(), NTXent(), SIGReg()])
def test_a_sample_that_is_not_finite_is_named(objective: Any) -> None:
    views = drawn(2, 6, 4)
    views[1, 3, 0] = math.nan
    with pytest.raises(NonFiniteError, match="sample 3 of the batch") as caught:
        built(objective)(list(views))
    assert caught.value.position == 3


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: VICReg(views=1), "invariance compares views, so it needs views >= 2"),
        (lambda: VICReg(invariance=0, variance=0, covariance=0), "all weights are 0"),
        (lambda: NTXent(views=1), "greater than or equal to 2"),
        (lambda: SIGReg(views=1), "gaussianity below 1 compares views"),
        (lambda: Rotation(views=2), "views\n.*less than or equal to 1"),
        (lambda: Masked(views=2), "views\n.*less than or equal to 1"),
    ],
)
def test_invalid_settings_are_refused(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_losses_are_computed_in_float32_under_autocast() -> None:
    z = drawn(2, 64, 4).float()
    for objective in (VICReg(head=IdentityHead(), dim=4), NTXent(head=IdentityHead(), dim=4)):
        module = objective.build(4)
        exact = module(list(z)).loss
        with torch.autocast("cpu", torch.bfloat16):
            inside = module(list(z)).loss
        torch.testing.assert_close(inside, exact, rtol=1e-6, atol=0)
