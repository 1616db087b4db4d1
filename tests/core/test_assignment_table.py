"""The table of slots: always a permutation in every layer."""

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from torch import Tensor

from natlib.assignment.table import SLOTS_OF_A_LAYER, AssignmentTable
from natlib.errors import DuplicateSampleError, MatchingError
from natlib.solvers import Lapjv, Scipy, Solver
from natlib.targets import TargetDistribution, UniformSphere
from tests.core.families import changed, members


def is_permutation(table: AssignmentTable) -> bool:
    everyone = torch.arange(table.samples).expand(table.layers, -1)
    return torch.equal(table.permutation.sort(-1).values, everyone)


class TableMachine(RuleBasedStateMachine):
    """Any sequence of reassignments, merges and reloads, beside a model in plain lists."""

    @initialize(n=st.integers(1, 12), m=st.integers(1, 3), seed=st.integers(0, 2**64 - 1))
    def start(self, n: int, m: int, seed: int) -> None:
        self.table = AssignmentTable(n, m, seed)
        self.model = self.table.permutation.tolist()

    @rule(data=st.data())
    def reassign(self, data: st.DataObject) -> None:
        n, m = self.table.samples, self.table.layers
        index = data.draw(st.lists(st.integers(0, n - 1), unique=True))
        columns = [data.draw(st.permutations(range(len(index)))) for _ in range(m)]
        self.table.reassign(
            torch.tensor(index, dtype=torch.int64),
            torch.tensor(columns, dtype=torch.int64).view(m, len(index)),
        )
        for layer, layer_columns in zip(self.model, columns, strict=True):
            before = list(layer)
            for sample, column in zip(index, layer_columns, strict=True):
                layer[sample] = before[index[column]]

    @rule()
    def merge(self) -> None:
        self.table.merge()

    @rule()
    def reload(self) -> None:
        fresh = AssignmentTable(self.table.samples, self.table.layers, seed=99)
        fresh.load_state_dict(self.table.state_dict())
        self.table = fresh

    @rule(data=st.data())
    def refuse_what_is_not_a_permutation(self, data: st.DataObject) -> None:
        n, m = self.table.samples, self.table.layers
        index = data.draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1))
        b = len(index)
        columns = torch.arange(b).repeat(m, 1)
        layer, place = data.draw(st.integers(0, m - 1)), data.draw(st.integers(0, b - 1))
        wrong = data.draw(st.integers(-2, b + 1).filter(lambda value: value != place))
        columns[layer, place] = wrong
        with pytest.raises(MatchingError, match=f"permutation of the {b} samples"):
            self.table.reassign(torch.tensor(index), columns)

    @invariant()
    def holds(self) -> None:
        assert is_permutation(self.table)
        assert self.table.permutation.tolist() == self.model
        n, m = self.table.samples, self.table.layers
        slots = self.table.slots(torch.arange(n))
        # The n slots from layer * 2^32 on have one owner each, so no two layers share one.
        for layer in range(m):
            own = range(layer * SLOTS_OF_A_LAYER, layer * SLOTS_OF_A_LAYER + n)
            assert slots[layer].sort().values.tolist() == list(own)


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=40, stateful_step_count=15)


def test_starts_as_random_permutations_that_differ_by_layer_and_seed() -> None:
    table = AssignmentTable(500, 3, seed=4)
    assert is_permutation(table)
    layers = [*table.permutation, *AssignmentTable(500, 3, seed=5).permutation]
    for i, one in enumerate(layers):
        assert not torch.equal(one, torch.arange(500))
        for other in layers[:i]:
            # Of two random permutations one place in n agrees on average.
            assert int((one == other).sum()) < 12
    again = AssignmentTable(500, 3, seed=4)
    assert torch.equal(again.permutation, table.permutation)


def test_does_not_touch_the_global_random_state() -> None:
    before = torch.get_rng_state()
    AssignmentTable(10, 2, seed=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_slots_of_a_batch_are_in_its_order() -> None:
    table = AssignmentTable(7, 2)
    index = torch.tensor([5, 0, 3])
    slots = table.slots(index)
    assert slots.shape == (2, 3)
    expected = [[int(table.permutation[j, i]) + j * 2**32 for i in (5, 0, 3)] for j in (0, 1)]
    assert slots.tolist() == expected


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([-1, 0], "no sample -1: the table has samples 0 to 4"),
        ([0, 5, 1], "no sample 5: the table has samples 0 to 4"),
        ([-3, 7], "no sample -3"),
        ([2**40], f"no sample {2**40}"),
        ([0.0, 1.0], "samples need whole numbers, got torch.float32"),
        ([True, False], "samples need whole numbers, got torch.bool"),
        ([[0], [1]], r"need the shape \[b\], got \[2, 1\]"),
    ],
)
def test_a_sample_that_the_table_does_not_have_is_an_error(index: list[Any], message: str) -> None:
    table = AssignmentTable(5)
    before = table.permutation.clone()
    with pytest.raises(MatchingError, match=message) as caught:
        table.reassign(torch.tensor(index), torch.arange(len(index))[None])
    assert "\n" not in str(caught.value)
    assert torch.equal(table.permutation, before)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_other_whole_numbers_are_taken(dtype: torch.dtype) -> None:
    table, expected = AssignmentTable(5), AssignmentTable(5)
    index, columns = torch.tensor([3, 0, 4]), torch.tensor([[2, 0, 1]])
    expected.reassign(index, columns)
    table.reassign(index.to(dtype), columns.to(dtype))
    assert torch.equal(table.permutation, expected.permutation)
    with pytest.raises(MatchingError, match="columns need whole numbers, got"):
        table.reassign(index, columns.float())


@pytest.mark.parametrize("index", [[1, 1], [0, 3, 2, 0]])
def test_a_sample_twice_in_a_batch_is_an_error(index: list[int]) -> None:
    table = AssignmentTable(5)
    before = table.permutation.clone()
    with pytest.raises(DuplicateSampleError, match="a batch holds a sample twice"):
        table.reassign(torch.tensor(index), torch.arange(len(index))[None])
    assert torch.equal(table.permutation, before)


@pytest.mark.parametrize(
    "columns",
    [
        torch.tensor([[0, 0, 2], [0, 1, 2]]),
        torch.tensor([[0, 1, 2], [0, 1, 3]]),
        torch.tensor([[0, 1, 2], [-1, 0, 1]]),
        torch.tensor([[0, 1, 2]]),
        torch.tensor([[0, 1], [0, 1]]),
        torch.tensor([0, 1, 2]),
    ],
)
def test_columns_that_are_not_a_permutation_are_an_error(columns: Tensor) -> None:
    table = AssignmentTable(5, layers=2)
    before = table.permutation.clone()
    with pytest.raises(MatchingError, match=r"permutation of the 3 samples .* each of 2 layers"):
        table.reassign(torch.tensor([4, 0, 2]), columns)
    assert torch.equal(table.permutation, before)


def test_state_dict_holds_all_of_it() -> None:
    table = AssignmentTable(9, 2, seed=1)
    table.reassign(torch.tensor([8, 2]), torch.tensor([[1, 0], [1, 0]]))
    state = {name: value.clone() for name, value in table.state_dict().items()}
    assert list(state) == ["permutation"]
    fresh = AssignmentTable(9, 2, seed=2)
    fresh.load_state_dict(state)
    everyone = torch.arange(9)
    assert torch.equal(fresh.slots(everyone), table.slots(everyone))


def test_a_data_set_that_grows_keeps_its_slots_and_targets() -> None:
    small = AssignmentTable(6, 3)
    large = AssignmentTable(10, 3)
    large.permutation[:, :6] = small.permutation
    large.permutation[:, 6:] = torch.arange(6, 10)
    assert is_permutation(large)
    everyone = torch.arange(6)
    assert torch.equal(small.slots(everyone), large.slots(everyone))
    targets = UniformSphere(dim=5)
    assert torch.equal(
        targets.rows(small.slots(everyone)), targets.rows(large.slots(torch.arange(10)))[:, :6]
    )


def total_cost(table: AssignmentTable, targets: TargetDistribution, z: Tensor) -> list[float]:
    rows = targets.rows(table.slots(torch.arange(table.samples)), torch.float64)
    return [float(layer) for layer in (rows - z).square().sum(-1).sum(-1)]


@pytest.mark.parametrize("solver", [s for s in members(Solver) if s.exact], ids=lambda s: s.kind)
@pytest.mark.parametrize("targets", members(TargetDistribution), ids=lambda t: t.kind)
def test_reassignment_never_raises_the_cost_of_fixed_features(
    solver: Solver, targets: TargetDistribution
) -> None:
    n, m, batch = 64, 2, 16
    targets = changed(targets, dim=6)
    generator = torch.Generator().manual_seed(0)
    z = targets.project(torch.randn(n, 6, generator=generator, dtype=torch.float64))
    table = AssignmentTable(n, m)
    history = [total_cost(table, targets, z)]
    for _ in range(8):
        for index in torch.randperm(n, generator=generator).split(batch):
            rows = targets.rows(table.slots(index), torch.float64)
            table.reassign(index, solver.match(z[index], rows).columns)
            history.append(total_cost(table, targets, z))
            for before, after in zip(*history[-2:], strict=True):
                assert after <= before + 1e-9
    everything = AssignmentTable(n, m).slots(torch.arange(n))
    best = Scipy().match(z, targets.rows(everything, torch.float64)).cost
    for first, last, half in zip(history[0], history[-1], best.tolist(), strict=True):
        # A cost of the solver is half the squared distance without |z|^2.
        lowest = 2 * half + float(z.square().sum())
        assert lowest - 1e-9 <= last
        # Eight passes of small batches find most of what one matching of all would.
        assert first - last > 0.8 * (first - lowest)


def test_an_optimal_assignment_does_not_change() -> None:
    targets = UniformSphere(dim=6)
    table = AssignmentTable(20)
    z = torch.randn(20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = torch.arange(20)
    for _ in range(2):
        rows = targets.rows(table.slots(index), torch.float64)
        columns = Lapjv().match(z, rows).columns
        table.reassign(index, columns)
    assert torch.equal(columns[0], index)
