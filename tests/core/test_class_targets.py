"""Labelled samples always own slots of their class; slots stay a permutation."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from natlib.assignment import StreamCounter, majority_class
from natlib.assignment.class_slots import fresh_slots
from natlib.assignment.class_targets import allowed_pairs
from natlib.configuration import describe
from natlib.errors import ConfigError
from natlib.objectives import NAT, NATModule
from natlib.runtime.progress import SilentProgress
from natlib.targets import Mixture
from tests.core.nat_parts import IdentityHead, table_of

N, DIM = 60, 5
NAMES = ["a", "b", "c"]


def nat(assignment: dict[str, Any] | None = None, **values: Any) -> NAT:
    """A bank whose targets belong to classes, unless told otherwise."""
    chosen = {"kind": "bank", "slots": 2, "class_targets": "labelled"} | (assignment or {})
    base = {"head": IdentityHead(), "targets": Mixture(dim=DIM), "assignment": chosen}
    return NAT.model_validate(base | values)


def built(labels: Tensor, **values: Any) -> NATModule:
    counts = torch.bincount(labels[labels >= 0], minlength=len(NAMES)).clamp_min(1).tolist()
    module = nat(**values).for_classes(counts).build(DIM, samples=len(labels))
    module.take_labels(labels, NAMES)
    return module


def classes_of(module: NATModule, index: Tensor) -> Tensor:
    assert isinstance(module.config.targets, Mixture)
    return module.config.targets.component_of(table_of(module).slots(index))


def check(module: NATModule, labels: Tensor) -> None:
    samples = torch.arange(len(labels))
    order = table_of(module).permutation.sort(-1).values
    assert torch.equal(order, samples.expand_as(order))
    known = labels >= 0
    owned = classes_of(module, samples)[:, known]
    assert torch.equal(owned, labels[known].expand_as(owned))


def features(batch: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(2, batch, DIM, generator=generator))


@st.composite
def labellings(draw: st.DrawFn) -> Tensor:
    """Labels of n samples, of classes of any size, most of the samples unlabelled or few."""
    share = draw(st.sampled_from([(1, 1, 1), (8, 2, 1), (20, 1, 1)]))
    unlabelled = draw(st.integers(4, 12))
    pool = [label for label, count in enumerate(share) for _ in range(count)]
    size = N - unlabelled if draw(st.booleans()) else draw(st.integers(0, 20))
    rng = draw(st.randoms(use_true_random=False))
    labels = torch.full((N,), -1)
    for index in rng.sample(range(N), size):
        labels[index] = rng.choice(pool)
    return labels


@settings(max_examples=60, deadline=None)
@given(
    labels=labellings(),
    slots=st.integers(1, 3),
    shares=st.sampled_from(["labelled", "equal"]),
    solver=st.sampled_from(["lapjv", "greedy", "auction", "sinkhorn", "sliced"]),
    seed=st.integers(0, 2**32),
)
def test_the_table_always_respects_classes(
    labels: Tensor, slots: int, shares: str, solver: str, seed: int
) -> None:
    assignment = {"slots": slots, "class_targets": shares, "solver": solver, "seed": seed}
    try:
        module = built(labels, assignment=assignment)
    except ConfigError:  # more labelled samples than slots; see the test of that error
        assume(False)
    check(module, labels)
    generator = torch.Generator().manual_seed(seed)
    moved = 0
    for step in range(8):
        if step == 4:
            # Another process, or another day: what is learnt is in the state.
            again = built(labels, assignment=assignment)
            again.load_state_dict(module.state_dict())
            module = again
        index = torch.randperm(N, generator=generator)[: 5 + step]
        before = classes_of(module, index), table_of(module).permutation.clone()
        output = module(features(len(index), seed % 1000 + step), index, epoch=step // 3)
        check(module, labels)
        moved += int((table_of(module).permutation != before[1]).sum())
        assert output.pseudo_labels is not None
        assert torch.equal(output.pseudo_labels, majority_class(classes_of(module, index)))
        known = labels[index] >= 0
        assert torch.equal(output.pseudo_labels[known], labels[index][known])
    assert moved > 0


@settings(max_examples=20, deadline=None)
@given(labels=labellings(), seed=st.integers(0, 100))
def test_a_reassignment_respects_classes(labels: Tensor, seed: int, tmp_path_factory: Any) -> None:
    try:
        module = built(labels, assignment={"reassign": {"every": 1, "block": 16}})
    except ConfigError:
        assume(False)
    folder: Path = tmp_path_factory.mktemp("objective")
    module.setup(folder)
    for number, index in enumerate(torch.arange(N).split(20)):
        module(features(20, seed + number), index, epoch=0)
    before = table_of(module).permutation.clone()
    work = module.before_epoch(1)
    assert work is not None
    assert work(SilentProgress())
    check(module, labels)
    assert not torch.equal(table_of(module).permutation, before)


def test_unlabelled_samples_do_change_class() -> None:
    labels = torch.where(torch.arange(N) % 3 == 0, torch.arange(N) % 2, -1)
    module = built(labels, targets=Mixture(dim=DIM))
    free = (labels < 0).nonzero().squeeze(1)
    before = classes_of(module, free).clone()
    module(features(N, 0), torch.arange(N))
    assert (classes_of(module, free) != before).float().mean() > 0.2


def test_more_labelled_samples_than_slots_is_an_error() -> None:
    labels = torch.zeros(N, dtype=torch.int64)
    labels[-10:] = -1
    labels[:2] = torch.tensor([1, 2])
    with pytest.raises(
        ConfigError, match=r"the class 'a' has 48 labelled samples and only \d+ of 60 slots"
    ):
        built(labels, assignment={"class_targets": "equal"})


# --- streams


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(-1, 2), min_size=2, max_size=40),
    layers=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    weights=st.sampled_from([None, (1.0, 5.0, 30.0)]),
)
def test_fresh_slots_are_of_the_class_and_never_repeat(
    labels: list[int], layers: int, seed: int, weights: Any
) -> None:
    targets = Mixture(dim=DIM, repeat=3, seed=seed, weights=weights)
    counter = StreamCounter()
    seen: set[int] = set()
    for _ in range(3):
        known = torch.tensor(labels)
        slots, used = fresh_slots(counter, known, targets, layers)
        assert slots.shape == (layers, len(labels))
        flat = set(slots.flatten().tolist())
        assert len(flat) == slots.numel()
        assert not flat & seen
        seen |= flat
        assert max(flat) < int(counter.taken[0]) + used
        classes = targets.component_of(slots)
        assert bool(((classes == known) | (known < 0)).all())
        counter.take(used)


def test_unlabelled_samples_of_a_stream_get_the_whole_mixture() -> None:
    targets = Mixture(dim=DIM, repeat=2, weights=(1.0, 3.0))
    labels = torch.tensor([-1] * 400 + [0] * 100)
    slots, _ = fresh_slots(StreamCounter(), labels, targets, 1)
    share = (targets.component_of(slots[0, :400]) == 0).float().mean()
    assert abs(float(share) - 0.25) < 0.02


def test_a_stream_gives_labelled_samples_slots_of_their_class() -> None:
    labels = (torch.arange(N) % 6 - 3).clamp_min(-1)
    module = built(labels, assignment={"kind": "stream"})
    for step in range(6):
        index = torch.randperm(N)[:12]
        output = module(features(12, step), index, labels=labels[index])
        assert output.pseudo_labels is not None
        known = labels[index] >= 0
        assert torch.equal(output.pseudo_labels[known], labels[index][known])


def test_a_class_with_hardly_any_slots_is_an_error() -> None:
    targets = Mixture(dim=DIM, repeat=2, weights=(1.0, 1e-9))
    with pytest.raises(ConfigError, match="class 1 has hardly any slots"):
        fresh_slots(StreamCounter(), torch.tensor([1, 0]), targets, 1)


# --- masks, settings


def test_allowed_pairs() -> None:
    found = allowed_pairs(torch.tensor([-1, 1, 0]), torch.tensor([[0, 1, 1]]))
    assert found is not None
    assert found.tolist() == [[[True] * 3, [False, True, True], [True, False, False]]]
    assert allowed_pairs(torch.tensor([-1, -1]), torch.tensor([[0, 1]])) is None


def test_shares_of_slots_follow_the_labels() -> None:
    targets = nat().for_classes([30, 10, 20]).targets
    assert isinstance(targets, Mixture)
    shares = torch.bincount(targets.component_of(torch.arange(6000))).tolist()
    assert shares == pytest.approx([3000, 1000, 2000], abs=5)
    equal = nat({"class_targets": "equal"}).for_classes([30, 10, 20]).targets
    assert isinstance(equal, Mixture)
    assert equal.weights is None
    assert equal.count == 3


def test_weights_of_the_mixture_are_used_or_refused() -> None:
    weighted = Mixture(dim=DIM, repeat=3, weights=(1.0, 2.0, 3.0))
    chosen = nat({"class_targets": "weights"}, targets=weighted)
    assert chosen.for_classes([30, 10, 20]).targets == weighted
    for shares in ("labelled", "equal"):
        with pytest.raises(ConfigError, match=rf"'{shares}' does not use it; leave weights out"):
            nat({"class_targets": shares}, targets=weighted).for_classes([30, 10, 20])
    with pytest.raises(ValidationError, match="'weights', and the mixture has none"):
        nat({"class_targets": "weights"})


def test_a_number_of_copies_other_than_that_of_classes_is_refused() -> None:
    five = Mixture(dim=DIM, repeat=5)
    with pytest.raises(ConfigError, match=r"has 5; give one component and leave repeat out"):
        nat(targets=five).for_classes([1, 1, 1])


def test_filling_in_classes_twice_changes_nothing() -> None:
    once = nat(head="linear").for_classes([30, 10, 20])
    assert once.for_classes([30, 10, 20]) == once
    assert NAT.model_validate(once.model_dump(mode="json")) == once
    assert NAT().for_classes([3, 4]) == NAT()


def test_a_component_for_each_class() -> None:
    four = Mixture(dim=DIM, components=("uniform_sphere",) * 4, repeat=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"each of 3 classes, and objective\.targets has 4"):
        nat(targets=four).for_classes([1, 1, 1])
    assert nat(targets=four).for_classes([1, 1, 1, 1]).targets.weights == (1, 1, 1, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"targets": "uniform_sphere"},
            "targets are 'uniform_sphere'; set targets.kind to mixture, or assignment.class_",
        ),
        (
            {"assignment": {"kind": "stream", "class_targets": "all"}},
            "assignment.class_targets: input should be 'labelled', 'equal' or 'weights', got 'all'",
        ),
    ],
)
def test_settings_that_exclude_each_other(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        nat(**values)
    assert text in describe(caught.value)


def test_a_bank_needs_to_know_all_labels_before() -> None:
    module = nat().for_classes([1, 1, 1]).build(DIM, samples=N)
    with pytest.raises(ConfigError, match=r"call take_labels\(labels, classes\) once"):
        module(features(4, 0), torch.arange(4), labels=torch.zeros(4, dtype=torch.int64))
    stream = nat(assignment={"kind": "stream"}).for_classes([1, 1, 1]).build(DIM)
    with pytest.raises(ConfigError, match="'nat' learns from labels"):
        stream(features(4, 0))
    output = stream(features(4, 0), labels=torch.tensor([2, 0, -1, 1]))
    assert output.pseudo_labels is not None
    assert output.pseudo_labels[[0, 1, 3]].tolist() == [2, 0, 1]
