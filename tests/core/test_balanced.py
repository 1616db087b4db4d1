"""Balanced classes of slots: equal counts, in another order for each block and seed."""

import itertools

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from scipy import stats

from natlib.targets import Hypercube, OneHot, Prototypes, balanced_classes

SEEDS = st.integers(0, 2**64 - 1)
# Where a layer of a bank or a process of a stream begins.
STARTS = st.integers(0, 2**30).map(lambda region: region * 2**32)


@given(classes=st.integers(1, 300), seed=SEEDS, start=STARTS, block=st.integers(0, 10_000))
def test_every_block_holds_every_class_once(
    classes: int, seed: int, start: int, block: int
) -> None:
    found = balanced_classes(seed, start + block * classes + torch.arange(3 * classes), classes)
    everything = torch.arange(classes).expand(3, -1)
    assert torch.equal(found.view(3, -1).sort(-1).values, everything)


@given(classes=st.integers(1, 100), seed=SEEDS, start=STARTS, n=st.integers(0, 2000))
def test_counts_differ_by_at_most_one(classes: int, seed: int, start: int, n: int) -> None:
    counts = balanced_classes(seed, start + torch.arange(n), classes).bincount(minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert len(counts) == classes


@given(classes=st.integers(1, 100), seed=SEEDS, first=st.integers(0, 2**62), n=st.integers(0, 500))
def test_counts_of_any_consecutive_slots_differ_by_at_most_two(
    classes: int, seed: int, first: int, n: int
) -> None:
    first = min(first, 2**62 - n)
    if first >> 32 != (first + n) >> 32:
        first -= n  # a run that does not reach over a multiple of 2^32
    counts = balanced_classes(seed, first + torch.arange(n), classes).bincount(minlength=classes)
    assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize("classes", [5000, 65_537, 10**6, 2**32 - 5, 2**32])
def test_more_classes_than_slots(classes: int) -> None:
    found = balanced_classes(3, 2**48 + torch.arange(2000), classes)
    assert len(found.unique()) == 2000
    assert found.min() >= 0
    assert found.max() < classes
    # Over the whole range, and in no order that is easy to see.
    assert stats.kstest(found.double().numpy() / classes, "uniform").pvalue > 1e-4
    assert abs(float(torch.corrcoef(torch.stack([found[1:], found[:-1]]).double())[0, 1])) < 0.13


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_all_orders_are_equally_frequent(classes: int) -> None:
    blocks = 30_000
    found = balanced_classes(11, torch.arange(blocks * classes), classes).view(blocks, classes)
    number = (found * classes ** torch.arange(classes)).sum(-1)
    orders = sum(1 for _ in itertools.permutations(range(classes)))
    counts = number.unique(return_counts=True)[1]
    assert len(counts) == orders
    assert stats.chisquare(counts.numpy()).pvalue > 1e-5


@pytest.mark.parametrize("classes", [33, 37, 40, 64, 98, 100])
def test_pairs_of_places_hold_all_pairs_of_classes(classes: int) -> None:
    blocks = 20_000
    found = balanced_classes(5, torch.arange(blocks * classes), classes).view(blocks, classes)
    for first, second in ((0, 1), (1, 2), (0, classes - 1), (7, 20)):
        pairs = (found[:, first] * classes + found[:, second]).bincount(minlength=classes**2)
        pairs = pairs.view(classes, classes)
        assert (pairs.diagonal() == 0).all()
        apart = pairs[~torch.eye(classes, dtype=torch.bool)]
        assert stats.chisquare(apart.numpy()).pvalue > 1e-6


def test_seeds_and_layers_differ() -> None:
    slot = torch.arange(1000)
    first = balanced_classes(0, slot, 1000)
    for other in (balanced_classes(1, slot, 1000), balanced_classes(0, slot + 2**32, 1000)):
        assert float((first == other).double().mean()) < 0.02


def test_one_hot_rows_are_the_classes() -> None:
    targets = OneHot(dim=6, seed=4)
    slot = torch.arange(60).view(2, 30)
    rows = targets.rows(slot)
    assert torch.equal(rows.argmax(-1), targets.class_of(slot))
    assert torch.equal(rows.sum(-1), torch.ones(2, 30))
    assert torch.equal(rows.sum((0, 1)), torch.full((6,), 10.0))


def test_prototypes_have_equally_many_slots() -> None:
    targets = Prototypes(count=7, dim=5, seed=3)
    slot = torch.arange(70)
    vectors = targets.start.rows(torch.arange(7))
    assert targets.start.seed == 3
    assert torch.equal(targets.rows(slot), vectors[targets.prototype_of(slot)])
    assert (targets.prototype_of(slot).bincount() == 10).all()


def test_hypercube_bits_are_balanced_and_are_its_code() -> None:
    targets = Hypercube(dim=300)
    rows = targets.rows(torch.arange(20_000))
    assert torch.equal(rows.abs(), torch.full_like(rows, 300**-0.5))
    code = targets.code(rows)
    assert code.dtype == torch.bool
    share = code.double().mean(0)
    assert float((share - 0.5).abs().max()) < 6 * 0.5 / 20_000**0.5
    # An embedding near a corner has its code.
    assert torch.equal(targets.code(targets.project(rows + 0.02 * torch.rand(300))), code)
