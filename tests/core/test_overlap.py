"""The first view is matched while the next one is encoded, with the same result."""

import threading
from collections.abc import Iterator
from typing import ClassVar, Literal

import pytest
import torch
from torch import Tensor

from natlib.assignment import BankModule, StreamModule
from natlib.assignment.pending import start_matching
from natlib.errors import NonFiniteError
from natlib.objectives import NATModule
from natlib.runtime.autotune import Autotune
from natlib.solvers import Lapjv, Matching, Scipy
from tests.core.nat_parts import built, features_of, table_of

PATIENCE = 30.0


class Meeting(Scipy):
    """A solver that goes on only once the second view is being computed."""

    kind: Literal["meeting"] = "meeting"  # type: ignore[assignment]
    threads: ClassVar[list[threading.Thread]] = []

    def solve(self, cost: Tensor, allowed: Tensor | None = None) -> Matching:
        self.threads.append(threading.current_thread())
        solving.set()
        assert computing.wait(PATIENCE), "the next view was not computed meanwhile"
        return super().solve(cost, allowed)


solving, computing = threading.Event(), threading.Event()


def overlapping(module: NATModule, way: bool | None) -> NATModule:
    """With the choice made: in another thread, in this one, or by measuring (None)."""
    assert isinstance(module.assignment, BankModule | StreamModule)
    if way is not None:
        module.assignment.matcher.overlap = Autotune([way])
    return module


def test_the_matching_runs_while_the_next_view_is_encoded() -> None:
    solving.clear()
    computing.clear()
    module = built(match_on="first", assignment={"kind": "stream", "solver": Meeting()})
    overlapping(module, True)
    first, second = features_of(2, 6)

    def views() -> Iterator[Tensor]:
        yield first
        assert solving.wait(PATIENCE), "the matching had not begun"
        computing.set()
        yield second

    assert module(views()).loss.isfinite()


@pytest.mark.parametrize("kind", ["bank", "stream"])
@pytest.mark.parametrize("match_on", ["first", "mean"])
def test_the_result_does_not_depend_on_it(kind: str, match_on: str) -> None:
    states: list[dict[str, Tensor]] = []
    losses: list[list[float]] = []
    for way in (True, False, None):
        module = built(match_on=match_on, assignment={"kind": kind, "slots": 3})
        overlapping(module, way)
        losses.append([])
        for step in range(14):  # enough for a measured choice to be made
            features = features_of(2, 10, seed=step)
            given = iter(features) if step % 2 else features
            losses[-1].append(module(given, torch.arange(10)).loss.item())
        states.append(dict(module.state_dict()))
    assert losses[0] == losses[1] == losses[2]
    for other in states[1:]:
        assert all(torch.equal(states[0][name], other[name]) for name in other)


def test_it_settles_on_a_choice() -> None:
    module = built(match_on="first")
    assert isinstance(module.assignment, StreamModule)
    overlap = module.assignment.matcher.overlap
    for step in range(12):
        assert overlap.best is None
        module(features_of(2, 6, seed=step))
    assert overlap.best in (True, False)


def test_one_view_has_nothing_to_overlap_with() -> None:
    assignment = {"kind": "bank", "solver": Meeting()}
    alone = built(match_on="first", views=1, assignment=assignment)
    overlapping(alone, True)
    Meeting.threads.clear()
    computing.set()
    assert alone(features_of(1, 6), torch.arange(6)).loss.isfinite()
    assert Meeting.threads == [threading.main_thread()]


def test_non_finite_features_are_named_too() -> None:
    module = overlapping(built(match_on="first", assignment={"kind": "bank"}), True)
    before = table_of(module).permutation.clone()
    features = [view.detach() for view in features_of(2, 6)]
    features[0][3] = torch.nan
    with pytest.raises(NonFiniteError, match="sample 3 of the batch"):
        module(features, torch.arange(6))
    assert torch.equal(table_of(module).permutation, before)


def test_the_time_spent_waiting_is_measured() -> None:
    z, c = torch.randn(5, 3), torch.randn(2, 5, 3)
    pending = start_matching(Lapjv(), z, c, overlap=True)
    assert pending.waited == 0.0
    assert torch.equal(pending.result(), Lapjv().match(z, c).columns)
    assert pending.waited > 0.0
