"""The reassignment of a whole data set's slots."""

import itertools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.assignment.reassignment import Reassigned, reassign
from natlib.assignment.table import AssignmentTable
from natlib.errors import CheckpointError, ConfigError, DataError, NonFiniteError
from natlib.runtime.progress import SilentProgress
from natlib.solvers import Greedy
from natlib.targets import Gaussian, UniformSphere
from tests.processes import Moment, run_python

SAMPLES, DIM = 1500, 8
TARGETS = UniformSphere(dim=DIM, seed=3)


def features(kind: str = "random", samples: int = SAMPLES) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(samples, DIM, generator=generator)
    if kind == "clustered":
        x = 0.2 * x + x[:10][torch.arange(samples) % 10]
    if kind == "collapsed":
        x = 1e-3 * x + 1
    if kind == "equal":
        x = torch.ones(samples, DIM)
    return F.normalize(x, dim=-1)


def cost(x: Tensor, table: AssignmentTable, targets: UniformSphere | Gaussian = TARGETS) -> float:
    """Half the squared distance, on average over samples and layers."""
    slots = table.slots(torch.arange(table.samples))
    return float(0.5 * (x.double() - targets.rows(slots, torch.float64)).square().sum(-1).mean())


def check_permutation(table: AssignmentTable) -> None:
    everyone = torch.arange(table.samples).expand(table.layers, -1)
    assert torch.equal(table.permutation.sort(-1).values, everyone)


@pytest.mark.parametrize("kind", ["random", "clustered", "collapsed"])
@pytest.mark.parametrize("layers", [1, 3])
def test_costs_are_true_and_never_rise(kind: str, layers: int) -> None:
    x, table = features(kind), AssignmentTable(SAMPLES, layers)
    before, start = cost(x, table), table.permutation.clone()
    done = reassign(x, table, TARGETS, block=64, passes=5, tolerance=0.0)
    check_permutation(table)
    assert done.finished
    assert done.before == pytest.approx(before, abs=1e-6)
    assert done.costs[-1] == pytest.approx(cost(x, table), abs=1e-6)
    assert len(done.costs) == 5
    assert all(now <= then for then, now in itertools.pairwise([done.before, *done.costs]))
    assert done.costs[-1] < done.costs[0] < done.before
    assert done.moved == pytest.approx(float((start != table.permutation).double().mean()))


def test_near_blocks_beat_random_ones() -> None:
    x = features("clustered", 4000)
    near, blind = AssignmentTable(4000), AssignmentTable(4000)
    local = reassign(x, near, TARGETS, block=64, passes=4, tolerance=0.0)
    for seed in range(4):  # the first pass of every call is a random one
        reassign(x, blind, TARGETS, block=64, passes=1, seed=seed)
    assert local.costs[-1] < cost(x, blind)


def test_one_block_is_the_optimum() -> None:
    x, table = features(), AssignmentTable(SAMPLES)
    best = reassign(x, table, TARGETS, block=SAMPLES, passes=1).costs[-1]
    again = reassign(x, table, TARGETS, block=100, passes=3, tolerance=0.0)
    assert again.moved == 0
    assert again.costs == [again.before]
    assert best == pytest.approx(again.before, abs=1e-9)


def test_stops_when_a_pass_gains_too_little() -> None:
    x = features()
    long = reassign(x, AssignmentTable(SAMPLES), TARGETS, block=64, passes=40, tolerance=0.01)
    assert 2 < len(long.costs) < 40
    assert long.finished


@pytest.mark.parametrize("suffix", ["path", "string", "array", "half", "brain"])
def test_features_of_all_sorts(suffix: str, tmp_path: Path) -> None:
    x = features().half()
    np.save(tmp_path / "features.npy", x.numpy())
    expected, table = AssignmentTable(SAMPLES), AssignmentTable(SAMPLES)
    given = {
        "path": tmp_path / "features.npy",
        "string": str(tmp_path / "features.npy"),
        "array": np.load(tmp_path / "features.npy", mmap_mode="r"),
        "half": x,
        "brain": x.bfloat16(),
    }[suffix]
    same = x.bfloat16().float() if suffix == "brain" else x.float()
    reassign(same, expected, TARGETS, block=64, passes=2)
    reassign(given, table, TARGETS, block=64, passes=2)
    assert torch.equal(table.permutation, expected.permutation)


def test_samples_out_of_the_index_keep_their_slots() -> None:
    x, table = features(), AssignmentTable(SAMPLES, 2)
    x[::3] = torch.nan
    known = torch.cat([torch.arange(2, SAMPLES, 3), torch.arange(1, SAMPLES, 3)])
    before = table.permutation.clone()
    done = reassign(x, table, TARGETS, index=known, block=64)
    check_permutation(table)
    assert torch.equal(table.permutation[:, ::3], before[:, ::3])
    changed = (table.permutation != before)[:, known]
    assert done.moved == pytest.approx(float(changed.double().mean()))
    assert changed.double().mean() > 0.5
    none = reassign(x, table, TARGETS, index=known[:0])
    assert (none.finished, none.costs, none.moved) == (True, [], 0.0)


def test_other_targets_than_the_sphere() -> None:
    x, table, targets = 3 + 2 * features(), AssignmentTable(SAMPLES), Gaussian(dim=DIM)
    done = reassign(x, table, targets, block=100)
    assert done.costs[-1] == pytest.approx(cost(x, table, targets), rel=1e-5)
    assert reassign(x, AssignmentTable(SAMPLES), targets.build(), block=100).costs == done.costs


def test_equal_features_move_nothing() -> None:
    table = AssignmentTable(SAMPLES)
    done = reassign(features("equal"), table, TARGETS, block=64)
    assert done.moved == 0
    assert done.costs == [done.before]


def test_result_does_not_depend_on_threads() -> None:
    x = features(samples=6000)
    results = []
    for threads in (1, 3):
        table = AssignmentTable(6000, 2)
        done = reassign(x, table, TARGETS, block=32, passes=3, threads=threads)
        results.append((table.permutation, done.costs))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    other = AssignmentTable(6000, 2)
    reassign(x, other, TARGETS, block=32, passes=3, seed=1)
    assert not torch.equal(other.permutation, results[0][0])


class Steps(SilentProgress):
    """Remembers what was done when it began."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.begun = done


class Stopper(SilentProgress):
    """Sends this process a signal after some groups."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, done: int, note: str = "") -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("after", [1, 5, 6, 9, 13, 23])
def test_interrupted_and_resumed_equals_one_go(after: int, tmp_path: Path) -> None:
    samples, state = 3000, tmp_path / "deep" / "state.safetensors"
    x = features(samples=samples)
    whole, table = AssignmentTable(samples, 2), AssignmentTable(samples, 2)
    start = table.permutation.clone()

    def work(table: AssignmentTable, threads: int, stop: int | None = None) -> Reassigned:
        return reassign(
            x, table, TARGETS, block=64, passes=4, tolerance=0.0, threads=threads,
            state=state, progress=Stopper(stop) if stop else None,
        )  # fmt: skip

    expected = work(whole, 2)
    assert not state.exists()
    with pytest.raises(KeyboardInterrupt):
        work(table, 2, after)
    check_permutation(table)
    assert state.exists()
    assert not torch.equal(table.permutation, start)
    # A process that was killed has the table as it was; another one goes on with its own.
    killed = AssignmentTable(samples, 2)
    kept = state.read_bytes()
    for resumed, threads in ((table, 1), (killed, 3)):
        state.write_bytes(kept)
        done = work(resumed, threads)
        assert torch.equal(resumed.permutation, whole.permutation)
        assert (done.before, done.costs, done.moved, done.finished) == (
            expected.before, expected.costs, expected.moved, True,
        )  # fmt: skip
        assert not state.exists()


def test_a_signal_handler_of_the_caller_gets_its_signal(tmp_path: Path) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        table = AssignmentTable(3000)
        done = reassign(features(samples=3000), table, TARGETS, block=32, progress=Stopper(2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]
    assert not done.finished
    check_permutation(table)


KILLED = """
import sys, torch
from natlib.assignment.table import AssignmentTable
from natlib.assignment.reassignment import reassign
from natlib.targets import UniformSphere
reassign(sys.argv[1], AssignmentTable(3000), UniformSphere(dim=8, seed=3), block=32, passes=4,
        tolerance=0.0, state=sys.argv[2], save_every=0.0)
"""


# It writes its state after every group of blocks: two calls each, the file and its folder.
FLUSH = "natlib.assignment.reassignment.state.flush"


@pytest.mark.parametrize(
    "moment",
    [
        Moment(FLUSH, 1),  # the file is written beside, for the first time
        Moment(FLUSH, 21),  # and again
        Moment(FLUSH, 22),  # it has its name
        Moment("natlib.assignment.reassignment.state.save_file", 20),
        Moment("os.unlink"),  # all is done
        Moment(FLUSH, 21, number=signal.SIGTERM),
        Moment(FLUSH, 22, after=True, number=signal.SIGTERM),
    ],
)
def test_killed_at_any_moment(moment: Moment, tmp_path: Path) -> None:
    data, state = tmp_path / "features.npy", tmp_path / "state"
    np.save(data, features(samples=3000).half().numpy())
    assert run_python("-c", KILLED, data, state, moment=moment).code == -moment.number
    assert state.exists() is (moment != Moment(FLUSH, 1))
    table, whole = AssignmentTable(3000), AssignmentTable(3000)
    settings = {"block": 32, "passes": 4, "tolerance": 0.0}
    steps = Steps()
    resumed = reassign(data, table, TARGETS, state=state, progress=steps, **settings)
    expected = reassign(data, whole, TARGETS, **settings)
    assert torch.equal(table.permutation, whole.permutation)
    assert resumed.costs == expected.costs
    # Blocks that are in the state are not matched again.
    assert (steps.begun > 0) is (moment != Moment(FLUSH, 1))


def test_the_state_of_another_reassignment_is_refused(tmp_path: Path) -> None:
    state, x = tmp_path / "state", features()
    given = {"block": 64, "passes": 3, "state": state}
    with pytest.raises(KeyboardInterrupt):
        reassign(x, AssignmentTable(SAMPLES), TARGETS, progress=Stopper(1), **given)
    held = state.read_bytes()
    fresh = AssignmentTable(SAMPLES, seed=0)
    cases = [
        ("another features", (x.flip(0), fresh, TARGETS), given),
        ("another features", (x, fresh, TARGETS), given | {"index": torch.arange(9)}),
        ("another targets", (x, fresh, UniformSphere(dim=DIM)), given),
        ("another settings", (x, fresh, TARGETS), given | {"block": 65}),
        ("another settings", (x, fresh, TARGETS), given | {"solver": Greedy()}),
        ("another table", (x, AssignmentTable(SAMPLES, seed=1), TARGETS), given),
    ]
    for what, arguments, settings in cases:
        before = arguments[1].permutation.clone()
        with pytest.raises(CheckpointError, match=f"{what}; remove it"):
            reassign(*arguments, **settings)
        assert torch.equal(arguments[1].permutation, before)
        assert state.read_bytes() == held
    state.write_bytes(held[: len(held) // 2])
    with pytest.raises(CheckpointError, match=r"cannot be read: .*; remove it to start anew"):
        reassign(x, fresh, TARGETS, **given)


@pytest.mark.skipif(os.name == "nt", reason="needs a folder where nothing can be written")
def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    table = AssignmentTable(SAMPLES)
    with pytest.raises(CheckpointError, match="cannot be written"):
        reassign(
            features(), table, TARGETS, block=16, state=blocked / "state", save_every=0.0,
        )  # fmt: skip
    check_permutation(table)


def test_bad_input_is_said_in_a_line(tmp_path: Path) -> None:
    x, table = features(), AssignmentTable(SAMPLES)
    broken = x.clone()
    broken[[7, 1200]] = torch.inf
    with pytest.raises(NonFiniteError, match="sample 7 hold NaN or infinity") as raised:
        reassign(broken, table, TARGETS)
    assert raised.value.position == 7
    with pytest.raises(NonFiniteError, match="sample 1200 "):
        reassign(broken, table, TARGETS, index=torch.tensor([1, 1200, 8, 3]))
    with pytest.raises(DataError, match=r"shape \[1500, d\], got \[1499, 8\]"):
        reassign(x[1:], table, TARGETS)
    with pytest.raises(DataError, match="features have 8 dimensions, targets 9"):
        reassign(x, table, UniformSphere(dim=9))
    with pytest.raises(DataError, match="holds a sample twice"):
        reassign(x, table, TARGETS, index=torch.tensor([1, 2, 1]))
    with pytest.raises(DataError, match="from 0 to 1500, but the table has 1500"):
        reassign(x, table, TARGETS, index=torch.tensor([0, 1500]))
    with pytest.raises(DataError, match="cannot be read from"):
        reassign(tmp_path / "missing.npy", table, TARGETS)
    with pytest.raises(ConfigError, match="block needs to be at least 1, got 0"):
        reassign(x, table, TARGETS, block=0)


def test_threads_of_torch_are_as_before() -> None:
    before = torch.get_num_threads()
    reassign(features(), AssignmentTable(SAMPLES), TARGETS, block=64, passes=1)
    assert torch.get_num_threads() == before
